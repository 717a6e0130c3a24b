//! What a host says of itself when it joins a vault, signed: whose it is, what it is called, and who may read what it sends.
//!
//! It travels with the host's snapshots from vault to vault: a vault that only copies them knows from it whom to let in, and nobody but
//! the host can have said it. The payload is a text, one line for each thing, in one order.

use crate::id::{from_hex, hex};
use crate::sign::{Envelope, PublicKey, SignError, SigningKey};

/// How introductions are wrapped and signed.
pub const ENVELOPE: Envelope =
    Envelope { magic: "VOWINTR1", domain: "vow introduction v1", limit_bytes: 8192 };
/// A host names at most this many readers.
pub const READERS_MAX: usize = 64;
const TITLE: &str = "vow introduction 1";

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Its key.
    pub host: PublicKey,
    /// The customer it belongs to; may be empty.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// Keys that may read what it sends.
    pub readers: Vec<PublicKey>,
}

impl Introduction {
    /// The stored bytes, signed with the host's key. Names hold no line ends.
    pub fn seal(&self, key: &SigningKey) -> Vec<u8> {
        key.seal_envelope(&ENVELOPE, self.text().as_bytes())
    }

    /// Reads stored bytes and checks that the host named in them signed them.
    pub fn open(stored: &[u8]) -> Result<Self, SignError> {
        let payload = ENVELOPE.payload(stored)?;
        let read = str::from_utf8(payload).ok().and_then(Self::parse);
        let read = read.ok_or_else(|| SignError::Payload("it is no introduction of a host".into()))?;
        ENVELOPE.verify(stored, &read.host)?;
        Ok(read)
    }

    fn text(&self) -> String {
        let mut text =
            format!("{TITLE}\nhost {}\ntenant {}\nname {}\n", hex(&self.host.0), self.tenant, self.name);
        for reader in &self.readers {
            text.push_str(&format!("reader {}\n", hex(&reader.0)));
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != TITLE {
            return None;
        }
        let mut value = |word: &str| lines.next()?.strip_prefix(word)?.strip_prefix(' ').map(str::to_owned);
        let host = PublicKey(from_hex(&value("host")?)?);
        let (tenant, name) = (value("tenant")?, value("name")?);
        let readers = lines.map(|line| Some(PublicKey(from_hex(line.strip_prefix("reader ")?)?)));
        let readers = readers.collect::<Option<Vec<_>>>()?;
        let read = Self { host, tenant, name, readers };
        // One text for one introduction.
        (read.readers.len() <= READERS_MAX && read.text() == text).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(key: &SigningKey) -> Introduction {
        let readers = vec![PublicKey([2; 32]), PublicKey([3; 32])];
        Introduction { host: key.public(), tenant: "acme".into(), name: "web-1".into(), readers }
    }

    #[test]
    fn it_reads_as_it_was_written_and_only_by_its_own_host() {
        let key = SigningKey::from_seed(&[1; 32]);
        for said in
            [sample(&key), Introduction { tenant: String::new(), readers: Vec::new(), ..sample(&key) }]
        {
            let stored = said.seal(&key);
            assert_eq!(Introduction::open(&stored), Ok(said.clone()));
            assert!((0..stored.len()).all(|end| Introduction::open(&stored[..end]).is_err()));
            assert_eq!(
                Introduction::open(&said.seal(&SigningKey::from_seed(&[9; 32]))),
                Err(SignError::Signature)
            );
        }
    }

    #[test]
    fn there_is_one_text_for_one_introduction() {
        let key = SigningKey::from_seed(&[1; 32]);
        let text = sample(&key).text();
        for other in [
            text.to_uppercase(),
            text.replace("name web-1\n", "name web-1\n\n"),
            text.replace("tenant acme\n", ""),
            format!("{text}more x\n"),
            text.replace("host ", "host  "),
            text.replace("introduction 1", "introduction 2"),
            format!("{text}{}", "reader ".to_owned() + &"04".repeat(32) + "\n").repeat(2),
        ] {
            assert_eq!(Introduction::parse(&other), None, "{other:?}");
        }
        assert!(Introduction::parse(&text).is_some());
    }
}
