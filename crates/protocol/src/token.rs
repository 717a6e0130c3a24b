//! The join token, and the addresses of vaults.
//!
//! `https://ADDRESS:PORT#<64 hex digits of the fingerprint>.<secret, 26 characters of base32>`

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use vow_base::Fingerprint;
use vow_base::id::{hex, sha256};
use zeroize::Zeroizing;

/// The port of a vault whose address names none.
pub const DEFAULT_PORT: u16 = 8443;

const SECRET_CHARS: usize = 26;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Why a text is not an address or a join token. The text is not repeated: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// No address of a vault.
    #[error("the address is not of the form https://NAME:PORT")]
    Address,
    /// An address, and behind it no fingerprint and secret.
    #[error("what follows the address is not a fingerprint and a secret: copy the whole token, in one line")]
    Secret,
}

/// Where a vault listens: a name or number, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The name, or the number without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Name and port as in `Host:`.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

impl FromStr for Address {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let rest = text.strip_prefix("https://").ok_or(BadToken::Address)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        parse_authority(rest).ok_or(BadToken::Address)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn parse_authority(text: &str) -> Option<Address> {
    if let Some(rest) = text.strip_prefix('[') {
        let (number, rest) = rest.split_once(']')?;
        let host = number.parse::<Ipv6Addr>().ok()?.to_string();
        return Some(Address { host, port: parse_port(rest)? });
    }
    let at = text.find(':').unwrap_or(text.len());
    let (host, rest) = text.split_at(at);
    // Names of RFC 1123, numbers of IPv4, and the underscores that people use all the same.
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    let labels = host.split('.').all(|label| (1..=63).contains(&label.len()) && !label.starts_with('-'));
    if host.len() > 253 || !host.bytes().all(allowed) || !labels {
        return None;
    }
    Some(Address { host: host.to_ascii_lowercase(), port: parse_port(rest)? })
}

fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() {
        return Some(DEFAULT_PORT);
    }
    let digits = text.strip_prefix(':')?;
    let port: u16 = digits.parse().ok()?;
    (port != 0 && port.to_string() == digits).then_some(port)
}

/// The secret of a join token: 128 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinSecret(Zeroizing<String>);

impl JoinSecret {
    /// A new secret from the system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 16]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The secret with these bits: five to a character, highest first, the last character filled up with zeros.
    pub fn from_bytes(bytes: &[u8; 16]) -> Self {
        let number = u128::from_be_bytes(*bytes);
        let mut text = Zeroizing::new(String::with_capacity(SECRET_CHARS));
        for at in 0..SECRET_CHARS as u32 {
            let five = match 123_u32.checked_sub(5 * at) {
                Some(shift) => number >> shift,
                None => number << 2,
            };
            text.push(char::from(BASE32[(five & 31) as usize]));
        }
        Self(text)
    }

    /// Its 26 characters.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The name a vault knows it by: SHA-256 of its 26 characters, in 64 hexadecimal digits.
    pub fn name(&self) -> String {
        hex(&sha256(self.0.as_bytes()))
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret(…)")
    }
}

impl FromStr for JoinSecret {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let good = text.len() == SECRET_CHARS && text.bytes().all(|c| BASE32.contains(&c));
        // The last character holds three bits.
        if good && text.ends_with(['a', 'e', 'i', 'm', 'q', 'u', 'y', '4']) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(BadToken::Secret)
        }
    }
}

impl Serialize for JoinSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for JoinSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(|_| serde::de::Error::custom("not the secret of a join token"))
    }
}

/// What a person carries from the vault to a host that is to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Where the vault listens.
    pub address: Address,
    /// The fingerprint of the vault's key.
    pub fingerprint: Fingerprint,
    /// What lets one key join.
    pub secret: JoinSecret,
}

impl JoinToken {
    /// The token as it is printed, once.
    pub fn text(&self) -> Zeroizing<String> {
        let digits = hex(&self.fingerprint.0);
        Zeroizing::new(format!("{}#{digits}.{}", self.address, self.secret.text()))
    }
}

impl FromStr for JoinToken {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let (address, rest) = text.trim().split_once('#').ok_or(BadToken::Secret)?;
        let address = address.parse()?;
        let (digits, secret) = rest.split_once('.').ok_or(BadToken::Secret)?;
        let fingerprint = crate::digits::strict_hex(digits).map(Fingerprint).ok_or(BadToken::Secret)?;
        Ok(Self { address, fingerprint, secret: secret.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_reads_as_it_was_written(bytes: [u8; 16], print: [u8; 32], port in 1u16..) {
            let token = JoinToken {
                address: format!("https://vault.example.net:{port}").parse().expect("an address"),
                fingerprint: Fingerprint(print),
                secret: JoinSecret::from_bytes(&bytes),
            };
            prop_assert_eq!(&token.text().parse::<JoinToken>().expect("just written"), &token);
            // Whoever loses a character in copying is told, and joins nothing.
            let text = token.text();
            for end in 0..text.len() {
                prop_assert!(text[..end].parse::<JoinToken>().is_err(), "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn the_text_of_a_token_is_fixed() {
        let token = JoinToken {
            address: "https://[::1]:9000".parse().expect("an address"),
            fingerprint: Fingerprint([0xab; 32]),
            secret: JoinSecret::from_bytes(&[0xff; 16]),
        };
        let expected = format!("https://[::1]:9000#{}.777777777777777777777777{}", "ab".repeat(32), "74");
        assert_eq!(*token.text(), expected);
        // RFC 4648, section 10, in lower case: "foobar" is mzxw6ytboi.
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(b"foobar");
        assert!(JoinSecret::from_bytes(&bytes).text().starts_with("mzxw6ytboi"));
        assert!(!format!("{token:?}").contains("7777"));
        // printf 777…74 | sha256sum
        assert_eq!(token.secret.name(), hex(&sha256(b"77777777777777777777777774")));
    }

    #[test]
    fn addresses_are_names_or_numbers_with_a_port() {
        for (text, as_written) in [
            ("https://vault.example.net:8443", "https://vault.example.net:8443"),
            ("https://Vault/", "https://vault:8443"),
            ("https://10.0.0.1:443", "https://10.0.0.1:443"),
            ("https://[2001:DB8::1]:443", "https://[2001:db8::1]:443"),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), as_written);
            assert_eq!(address.to_string().parse(), Ok(address));
        }
        for bad in [
            "",
            "http://vault",
            "https://",
            "https://:1",
            "https://vault:",
            "https://vault:0",
            "https://vault:65536",
            "https://vault:+1",
            "https://vault:01",
            "https://a..b",
            "https://user@vault",
            "https://vault/path",
            "https://vault?x",
            "https://vault#x",
            "https://[::1",
            "https://::1",
            "https://va ult",
            "https://vault\n",
            "https://-a",
        ] {
            assert_eq!(bad.parse::<Address>(), Err(BadToken::Address), "{bad}");
        }
    }
}
