//! Paths: built and read in one place, so that what one side builds is exactly what the other side takes.

use crate::limits::TARGET_LIMIT_BYTES;
use crate::wire::KindWord;
use std::fmt;
use vow_base::vault::Kind;
use vow_base::{HostId, ObjectId};

/// Everything that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/v1/vault`: who answers.
    Vault,
    /// `/v1/join`.
    Join,
    /// `/v1/hosts`.
    Hosts,
    /// `/v1/head`: the newest ledger entry.
    Head,
    /// `/v1/witness`.
    Witness,
    /// `/v1/ledger`.
    Ledger,
    /// `/v1/status`.
    Status,
    /// `/metrics`.
    Metrics,
    /// `/healthz`.
    Health,
    /// Something of one host.
    Host(HostId, Spot),
}

/// What can be asked for below `/v1/hosts/{host}/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spot {
    /// `receipts`.
    Receipts,
    /// `snapshots`: receipts of what is kept.
    Snapshots,
    /// `introduction`: what it said of itself when it joined.
    Introduction,
    /// `{kind}`: the objects of a kind.
    Objects(Kind),
    /// `{kind}/missing`.
    Missing(Kind),
    /// `{kind}/{id}`: one object.
    Object(Kind, ObjectId),
    /// `proofs/{id}`: a signed proof, under the SHA-256 of its bytes.
    Proof(ObjectId),
}

/// The routes without a variable part.
const FIXED: [(Route, &str); 9] = [
    (Route::Vault, "/v1/vault"),
    (Route::Join, "/v1/join"),
    (Route::Hosts, "/v1/hosts"),
    (Route::Head, "/v1/head"),
    (Route::Witness, "/v1/witness"),
    (Route::Ledger, "/v1/ledger"),
    (Route::Status, "/v1/status"),
    (Route::Metrics, "/metrics"),
    (Route::Health, "/healthz"),
];

impl Route {
    /// Reads a path as it stands in the request line, not decoded. `None` for everything that [`Route`]'s `Display` does not
    /// write, to the letter: no `.`, `%`, `//`, upper-case digit or trailing slash has a meaning here.
    pub fn parse(path: &str) -> Option<Self> {
        if path.len() > TARGET_LIMIT_BYTES {
            return None;
        }
        if let Some((route, _)) = FIXED.iter().find(|(_, fixed)| *fixed == path) {
            return Some(*route);
        }
        let mut parts = path.strip_prefix("/v1/hosts/")?.split('/');
        let host = HostId(digits(parts.next()?)?);
        let spot = match (parts.next()?, parts.next(), parts.next()) {
            ("receipts", None, None) => Spot::Receipts,
            ("snapshots", None, None) => Spot::Snapshots,
            ("introduction", None, None) => Spot::Introduction,
            (kind, None, None) => Spot::Objects(KindWord::of_word(kind)?.0),
            ("proofs", Some(id), None) => Spot::Proof(ObjectId(digits(id)?)),
            (kind, Some("missing"), None) => Spot::Missing(KindWord::of_word(kind)?.0),
            (kind, Some(id), None) => Spot::Object(KindWord::of_word(kind)?.0, ObjectId(digits(id)?)),
            _ => return None,
        };
        Some(Self::Host(host, spot))
    }
}

fn digits(text: &str) -> Option<[u8; 32]> {
    crate::digits::strict_hex(text)
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Host(host, spot) = self else {
            let fixed = FIXED.iter().find(|(route, _)| route == self);
            return f.write_str(fixed.map(|(_, path)| *path).unwrap_or_default());
        };
        write!(f, "/v1/hosts/{host}/")?;
        match spot {
            Spot::Receipts => f.write_str("receipts"),
            Spot::Snapshots => f.write_str("snapshots"),
            Spot::Introduction => f.write_str("introduction"),
            Spot::Objects(kind) => f.write_str(kind.folder()),
            Spot::Missing(kind) => write!(f, "{}/missing", kind.folder()),
            Spot::Object(kind, id) => write!(f, "{}/{id}", kind.folder()),
            Spot::Proof(id) => write!(f, "proofs/{id}"),
        }
    }
}

/// The query that asks for entries above a position: `after=N`.
pub fn after_position(position: u64) -> String {
    format!("after={position}")
}

/// The query that asks for objects after an id: `after=id`.
pub fn after_id(id: &ObjectId) -> String {
    format!("after={id}")
}

/// A query that this protocol does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query is not one that is known here")]
pub struct BadQuery;

/// Reads the query of a request for entries; without one, all are asked for: those above position 0.
pub fn parse_after_position(query: Option<&str>) -> Result<u64, BadQuery> {
    let Some(query) = query else { return Ok(0) };
    let number = query.strip_prefix("after=").ok_or(BadQuery)?;
    let position = number.parse().map_err(|_| BadQuery)?;
    // One text for one number: no sign, no leading zeros.
    if after_position(position) == query { Ok(position) } else { Err(BadQuery) }
}

/// Reads the query of a request for objects; without one, the first page is asked for.
pub fn parse_after_id(query: Option<&str>) -> Result<Option<ObjectId>, BadQuery> {
    let Some(query) = query else { return Ok(None) };
    let id = query.strip_prefix("after=").and_then(digits).ok_or(BadQuery)?;
    Ok(Some(ObjectId(id)))
}

/// The `Range` of a request for part of an object; `length` must not be 0.
pub fn range_text(offset: u64, length: u64) -> String {
    format!("bytes={offset}-{}", offset.saturating_add(length.saturating_sub(1)))
}

/// Reads `Range`: first and last byte. `None` for every form but `bytes=a-b` with a ≤ b.
pub fn parse_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && text == format!("bytes={first}-{last}")).then_some((first, last))
}

/// The `Content-Range` of an answer with status 206.
pub fn content_range_text(first: u64, last: u64, total: u64) -> String {
    format!("bytes {first}-{last}/{total}")
}

#[cfg(test)]
mod tests;
