//! The small text files of a vault: what stands in `VOW`, `vault.key` and `host.pub`.

use vow_base::id::{from_hex, hex};
use vow_base::sign::{PublicKey, SigningKey};
use zeroize::Zeroizing;

/// The longest of these files that is read, in bytes.
pub(crate) const TEXT_LIMIT_BYTES: u64 = 256;

const FIRST_LINE: &str = "vow vault 1";

/// Why the text of `VOW` was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadVow {
    /// A vault, of a version that is not known here; its first line.
    Version(String),
    /// Not what a vault says of itself.
    Malformed,
}

pub(crate) fn vow_text(key: &PublicKey) -> String {
    format!("{FIRST_LINE}\nvault-key {}\n", hex(&key.0))
}

pub(crate) fn parse_vow(text: &[u8]) -> Result<PublicKey, BadVow> {
    let text = str::from_utf8(text).map_err(|_| BadVow::Malformed)?;
    let (first, rest) = text.split_once('\n').ok_or(BadVow::Malformed)?;
    if first != FIRST_LINE {
        let known = first.starts_with("vow vault ");
        return Err(if known { BadVow::Version(first.to_owned()) } else { BadVow::Malformed });
    }
    let key = rest.strip_prefix("vault-key ").and_then(|rest| rest.strip_suffix('\n'));
    key.and_then(lower_hex).map(PublicKey).ok_or(BadVow::Malformed)
}

pub(crate) fn host_key_text(key: &PublicKey) -> String {
    format!("ed25519 {}\n", hex(&key.0))
}

pub(crate) fn parse_host_key(text: &[u8]) -> Option<PublicKey> {
    let text = str::from_utf8(text).ok()?;
    text.strip_prefix("ed25519 ")?.strip_suffix('\n').and_then(lower_hex).map(PublicKey)
}

/// The text of `vault.key`: the secret half of a vault's key.
pub fn vault_key_text(key: &SigningKey) -> Zeroizing<String> {
    let mut text = Zeroizing::new(hex(&*key.seed()));
    text.push('\n');
    text
}

/// Reads the text of `vault.key`; `None` when it is none.
pub fn parse_vault_key(text: &[u8]) -> Option<SigningKey> {
    let digits = str::from_utf8(text).ok()?.trim_end();
    let seed = Zeroizing::new(from_hex::<32>(digits)?);
    Some(SigningKey::from_seed(&seed))
}

fn lower_hex(digits: &str) -> Option<[u8; 32]> {
    from_hex(digits).filter(|bytes| hex(bytes) == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_as_they_were_written() {
        let key = SigningKey::from_seed(&[7; 32]);
        let public = key.public();
        assert_eq!(parse_vow(vow_text(&public).as_bytes()), Ok(public));
        assert_eq!(parse_host_key(host_key_text(&public).as_bytes()), Some(public));
        let read = parse_vault_key(vault_key_text(&key).as_bytes()).expect("a key just written");
        assert_eq!(read.public(), public);
    }

    #[test]
    fn a_vault_of_another_version_is_told_from_something_else() {
        let next = vow_text(&PublicKey([1; 32])).replace("vault 1", "vault 2");
        assert_eq!(parse_vow(next.as_bytes()), Err(BadVow::Version("vow vault 2".into())));
        for other in ["", "vow", "#!/bin/sh\n", "vow vault 1\n", "vow vault 1\nvault-key 12\n"] {
            assert_eq!(parse_vow(other.as_bytes()), Err(BadVow::Malformed), "{other:?}");
        }
    }

    #[test]
    fn every_shorter_text_is_refused() {
        let public = PublicKey([0xab; 32]);
        let (vow, host) = (vow_text(&public), host_key_text(&public));
        assert!((0..vow.len()).all(|end| parse_vow(&vow.as_bytes()[..end]).is_err()));
        assert!((0..host.len()).all(|end| parse_host_key(&host.as_bytes()[..end]).is_none()));
        assert!(parse_host_key(host.to_uppercase().as_bytes()).is_none());
    }
}
