//! Secrets that are shown once: cookies, tokens, addresses to ping. The database knows them by their SHA-256.

use vow_base::id::{hex, sha256};
use zeroize::Zeroizing;

/// 256 random bits, as 64 hexadecimal digits.
pub fn random() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes)?;
    Ok(Zeroizing::new(hex(&*bytes)))
}

/// 32 random hexadecimal digits: an id.
pub fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A random UUID of version 4.
pub fn random_uuid() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]))
}

/// What the database knows it by.
pub fn hash(secret: &str) -> String {
    hex(&sha256(secret.as_bytes()))
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub fn same(a: &str, b: &str) -> bool {
    sha256(a.as_bytes()) == sha256(b.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_have_their_form() {
        let (one, other) = (random().expect("randomness"), random().expect("randomness"));
        assert_ne!(*one, *other);
        assert_eq!(one.len(), 64);
        let uuid = random_uuid().expect("randomness");
        assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'4'));
        assert!(same("a", "a") && !same("a", "b"));
    }
}
