//! Join tokens: made on the vault, known to it by the hash of their secret only, used by one key.

use super::record::{self, Record};
use super::right::Right;
use crate::tree;
use crate::vault::{Vault, text_error};
use std::time::Duration;
use vow_base::clock::Nanos;
use vow_base::id::{from_hex, hex};
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;
use vow_protocol::JoinSecret;
use vow_protocol::limits::{READERS_MAX, is_name};

/// How long a token can be used when nobody says otherwise.
pub const TOKEN_TERM: Duration = Duration::from_secs(24 * 3600);
/// No token lasts longer.
const TERM_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

const TOKEN_TITLE: &str = "vow token 1";
const USED_TITLE: &str = "vow token used 1";

/// What a new token is to be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What the key that uses it may do from then on.
    pub right: Right,
    /// For a host: the customer it belongs to. Without one the host names it.
    pub tenant: Option<String>,
    /// The name it must join with; without one, any.
    pub name: Option<String>,
    /// How long it can be used.
    pub term: Duration,
}

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) right: Right,
    pub(super) tenant: Option<String>,
    pub(super) name: Option<String>,
    /// By the vault's clock.
    pub(super) ends: Nanos,
}

/// What the first use of a token asked for. It is carried out to the letter, however often the same key asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) key: PublicKey,
    pub(super) tenant: String,
    pub(super) name: String,
    pub(super) readers: Vec<PublicKey>,
}

impl Vault {
    /// Makes a token. Its secret is known to whoever gets it from here, and to nobody else: the vault keeps its hash.
    pub fn join_token(&self, new: &NewToken) -> Result<JoinSecret, VaultError> {
        for name in new.tenant.iter().chain(&new.name) {
            if !is_name(name) {
                let rule = "1 to 63 characters of a-z 0-9 . _ -, starting with a letter or digit";
                return Err(VaultError::Refused(format!("{name:?} cannot be a name: {rule}")));
            }
        }
        if new.tenant.is_some() && new.right != Right::Write {
            return Err(VaultError::Refused("only the token of a host names its customer".into()));
        }
        if new.term.is_zero() || new.term > TERM_MAX {
            return Err(VaultError::Refused(
                "a token lasts for more than no time and at most 366 days".into(),
            ));
        }
        let secret =
            JoinSecret::generate().map_err(|e| VaultError::Refused(format!("no randomness: {e}")))?;
        let term = Nanos::try_from(new.term.as_nanos()).unwrap_or(Nanos::MAX);
        let token = Token {
            right: new.right.clone(),
            tenant: new.tenant.clone(),
            name: new.name.clone(),
            ends: self.inner.clock.now().saturating_add(term),
        };
        let storage = &*self.inner.storage;
        storage.make_folder(tree::TOKENS)?;
        storage.create(&tree::token(&secret.name()), token.text().as_bytes(), None).map_err(text_error)?;
        Ok(secret)
    }
}

impl Token {
    pub(super) fn text(&self) -> String {
        let optional = |word, value: &Option<String>| value.clone().map(|value| (word, value));
        let lines = [
            Some(("right", self.right.to_string())),
            optional("tenant", &self.tenant),
            optional("name", &self.name),
            Some(("ends", self.ends.to_string())),
        ];
        record::text(TOKEN_TITLE, lines.into_iter().flatten())
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = Record::parse(TOKEN_TITLE, text)?;
        let right = lines.next("right")?.parse().ok()?;
        let tenant = lines.next("tenant").map(str::to_owned);
        let name = lines.next("name").map(str::to_owned);
        let ends = lines.next("ends")?.parse().ok()?;
        if !tenant.iter().chain(&name).all(|name| is_name(name)) {
            return None;
        }
        lines.end(Self { right, tenant, name, ends })
    }
}

impl Used {
    pub(super) fn text(&self) -> String {
        let own = [("key", hex(&self.key.0)), ("tenant", self.tenant.clone()), ("name", self.name.clone())];
        let readers = self.readers.iter().map(|reader| ("reader", hex(&reader.0)));
        record::text(USED_TITLE, own.into_iter().chain(readers))
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = Record::parse(USED_TITLE, text)?;
        let key = PublicKey(from_hex(lines.next("key")?)?);
        let tenant = lines.next("tenant")?.to_owned();
        let name = lines.next("name")?.to_owned();
        let mut readers = Vec::new();
        while let Some(digits) = lines.next("reader") {
            readers.push(PublicKey(from_hex(digits)?));
        }
        let good = (tenant.is_empty() || is_name(&tenant)) && is_name(&name) && readers.len() <= READERS_MAX;
        if good { lines.end(Self { key, tenant, name, readers }) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;
    use vow_base::HostId;

    #[test]
    fn texts_read_as_they_were_written_and_no_shorter_one_does() {
        let host =
            Token { right: Right::Write, tenant: Some("acme".into()), name: Some("web-1".into()), ends: 7 };
        assert_eq!(host.text(), "vow token 1\nright write\ntenant acme\nname web-1\nends 7\n");
        let right = Right::Restore(Scope::Host(HostId([1; 32])));
        for token in [host, Token { right, tenant: None, name: None, ends: -1 }] {
            let text = token.text();
            assert_eq!(Token::parse(text.as_bytes()), Some(token));
            assert!((0..text.len()).all(|end| Token::parse(&text.as_bytes()[..end]).is_none()));
        }
        let (a, b) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let used = Used { key: a, tenant: String::new(), name: "web-1".into(), readers: vec![b, a] };
        let text = used.text();
        assert_eq!(Used::parse(text.as_bytes()), Some(used));
        assert!(Used::parse(&text.as_bytes()[..text.len() - 1]).is_none());
    }
}
