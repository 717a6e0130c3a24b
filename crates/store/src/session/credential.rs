//! The key that a restorer shows to a vault, derived from the identity: whoever can open snapshots can also fetch them.

use super::SessionError;
use age::secrecy::ExposeSecret;
use vow_base::sign::SigningKey;
use zeroize::Zeroizing;

const CONTEXT: &str = "vow v1 restore credential";

/// The key that goes with one identity, given as its text `AGE-SECRET-KEY-1…`. Its public half is granted when a host joins.
pub fn restore_credential(identity: &str) -> Result<SigningKey, SessionError> {
    let seed = seed(identity);
    // The text is not repeated: it may be a secret with a mistake in it.
    let seed = seed.ok_or_else(|| SessionError::Identity("not an AGE-SECRET-KEY-1 line".into()))?;
    Ok(SigningKey::from_seed(&seed))
}

/// The seed of that key; `None` when the line is no X25519 identity.
pub(super) fn seed(line: &str) -> Option<Zeroizing<[u8; 32]>> {
    let identity: age::x25519::Identity = line.trim().parse().ok()?;
    // One text for one identity, however it was written: upper case.
    let text = identity.to_string();
    Some(Zeroizing::new(blake3::derive_key(CONTEXT, text.expose_secret().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::super::{Identities, new_identity};
    use super::*;
    use vow_base::id::hex;

    /// A test vector of age itself; no secret.
    const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

    #[test]
    fn the_derivation_of_version_1_does_not_change() {
        let key = restore_credential(IDENTITY).expect("an identity");
        // b3sum --derive-key "vow v1 restore credential" over the 74 characters.
        assert_eq!(hex(&*key.seed()), KNOWN_SEED);
        assert_eq!(hex(&key.public().0), KNOWN_PUBLIC);
    }

    const KNOWN_SEED: &str = "48f810e48b6a5379eabbe92ba0bc7f134f52408157c8779b59e0636885e4f8ec";
    const KNOWN_PUBLIC: &str = "4303da3c37a070fba57d7d4580bc4359973e9fa18b0299abf924ae1769539c28";

    #[test]
    fn every_identity_of_a_file_has_its_credential_however_it_is_written() {
        let (one, _) = new_identity();
        let (two, _) = new_identity();
        let file = format!("# created: today\n{}\n\n{}\n", *one, *two);
        let found = Identities::parse(&file).expect("a file").restore_credentials();
        let expected = [&one, &two].map(|text| restore_credential(text).expect("an identity").public());
        assert_eq!(found.iter().map(SigningKey::public).collect::<Vec<_>>(), expected);
        assert_ne!(expected[0], expected[1]);
        let lower = restore_credential(&format!(" {}\r", one.to_lowercase())).expect("an identity");
        assert_eq!(lower.public(), expected[0]);
    }

    #[test]
    fn what_is_no_identity_is_not_repeated() {
        let (secret, recipient) = new_identity();
        for bad in [&secret[..70], recipient.text(), ""] {
            let error = restore_credential(bad).err().expect("refused").to_string();
            assert!(!error.contains(&secret[20..60]), "{error}");
        }
    }
}
