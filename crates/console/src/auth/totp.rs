//! The second factor: codes by time, RFC 6238, with SHA-1 as every authenticator has it.

use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

/// A code holds for this long, in seconds.
pub const STEP_SECS: i64 = 30;
const DIGITS: u32 = 1_000_000;
/// A code of the step before or after is good too: clocks differ, people are slow.
const SLACK: i64 = 1;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_BYTES: usize = 20;
const BLOCK_BYTES: usize = 64;

/// A new secret, as authenticators take it: 32 characters of base32.
pub fn generate() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    getrandom::fill(&mut *bytes)?;
    Ok(Zeroizing::new(encode(&*bytes)))
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for five in bytes.chunks(5) {
        let mut number = five.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        number <<= 8 * (5 - five.len());
        let chars = (five.len() * 8).div_ceil(5);
        text.extend((0..chars).map(|at| char::from(BASE32[(number >> (35 - 5 * at) & 31) as usize])));
    }
    text
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let (mut number, mut bits) = (0_u32, 0);
    for c in text.bytes() {
        let five = BASE32.iter().position(|known| *known == c.to_ascii_uppercase())?;
        number = number << 5 | u32::try_from(five).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((number >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// What an authenticator reads from a link.
pub fn link(user: &str, secret: &str) -> String {
    let user = percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC);
    format!("otpauth://totp/Vow:{user}?secret={secret}&issuer=Vow")
}

/// RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut block = Zeroizing::new([0_u8; BLOCK_BYTES]);
    match key.len() <= BLOCK_BYTES {
        true => block[..key.len()].copy_from_slice(key),
        false => block[..20].copy_from_slice(&Sha1::digest(key)),
    }
    let pad = |with: u8| Zeroizing::new(block.map(|byte| byte ^ with));
    let inner = Sha1::new().chain_update(*pad(0x36)).chain_update(message).finalize();
    Sha1::new().chain_update(*pad(0x5c)).chain_update(inner).finalize().into()
}

/// RFC 4226, section 5.3.
fn code(secret: &[u8], step: i64) -> u32 {
    let mac = hmac(secret, &step.to_be_bytes());
    let at = usize::from(mac[19] & 0x0f);
    let number = u32::from_be_bytes([mac[at], mac[at + 1], mac[at + 2], mac[at + 3]]) & 0x7fff_ffff;
    number % DIGITS
}

/// The step whose code this is, if it is one of a secret at this time. Whoever asks uses the step up: a code is good once.
pub fn step_of(secret: &str, typed: &str, now_secs: i64) -> Option<i64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    if typed.len() != 6 || !typed.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let typed: u32 = typed.parse().ok()?;
    let secret = decode(secret).filter(|secret| secret.len() >= 10)?;
    let step = now_secs.div_euclid(STEP_SECS);
    // All are looked at: the time does not tell which one it was.
    (step - SLACK..=step + SLACK)
        .fold(None, |found, step| if code(&secret, step) == typed { Some(step) } else { found })
}

/// The code of a secret at a time, for tests and for whoever has no authenticator at hand.
pub fn code_at(secret: &str, now_secs: i64) -> Option<String> {
    Some(format!("{:06}", code(&decode(secret)?, now_secs.div_euclid(STEP_SECS))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six of eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = encode(b"12345678901234567890");
        for (time, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(&secret, time).as_deref(), Some(expected), "{time}");
            assert_eq!(step_of(&secret, expected, time), Some(time / 30));
            assert_eq!(step_of(&secret, expected, time + 30), Some(time / 30));
            assert_eq!(step_of(&secret, expected, time + 61 + 30), None);
        }
    }

    /// RFC 2202, test cases 2 and 6.
    #[test]
    fn the_mac_is_that_of_the_standard() {
        let hex = |bytes: [u8; 20]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac(b"Jefe", b"what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        let long = hmac(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(long), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    }

    #[test]
    fn secrets_read_as_they_were_written() {
        let secret = generate().expect("randomness");
        assert_eq!(secret.len(), 32);
        assert_eq!(encode(&decode(&secret).expect("just written")), *secret);
        assert_eq!(encode(b"foobar"), "MZXW6YTBOI");
        for bad in ["12345", "1234567", "12345a", ""] {
            assert_eq!(step_of(&secret, bad, 0), None);
        }
    }
}
