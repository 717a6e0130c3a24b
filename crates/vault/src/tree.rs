//! The names in a vault: section 1 of `docs/format.md`.

use vow_base::vault::Kind;
use vow_base::{HostId, ObjectId};

/// What can stand at the top of a vault in a directory. A new vault is made nowhere else than among these.
pub(crate) const TOP_NAMES: [&str; 6] = ["VOW", "hosts", "ledger", "lock", "tmp", "vault.key"];

pub(crate) const VOW: &str = "VOW";
pub(crate) const VAULT_KEY: &str = "vault.key";
pub(crate) const LOCK: &str = "lock";
pub(crate) const TEMPORARY: &str = "tmp";
pub(crate) const LEDGER: &str = "ledger";
pub(crate) const HOSTS: &str = "hosts";
pub(crate) const DETAILS: &str = "details";
pub(crate) const WITNESS: &str = "witness";
pub(crate) const CACHE: &str = "cache";
pub(crate) const CHAPTERS: &str = "cache/chapters";
pub(crate) const TOKENS: &str = "tokens";
pub(crate) const GRANTS: &str = "grants";

/// The name of a ledger entry.
pub(crate) fn entry(position: u64) -> String {
    format!("{LEDGER}/{}", entry_name(position))
}

/// Its name in the ledger's folder.
pub(crate) fn entry_name(position: u64) -> String {
    format!("{position:020}")
}

/// A chapter: the ledger's entries up to and including this position, in one object. Can be deleted at any time.
pub(crate) fn chapter(last: u64) -> String {
    format!("{CHAPTERS}/{}", entry_name(last))
}

pub(crate) fn detail(id: &ObjectId) -> String {
    format!("{DETAILS}/{id}")
}

/// Where heads of another vault lie.
pub(crate) fn witness(vault: &str) -> String {
    format!("{WITNESS}/{vault}")
}

/// A join token, by the hash of its secret in hexadecimal digits.
pub(crate) fn token(hash: &str) -> String {
    format!("{TOKENS}/{hash}")
}

/// Which key used it.
pub(crate) fn token_used(hash: &str) -> String {
    format!("{TOKENS}/{hash}.used")
}

/// What the key with this id was granted.
pub(crate) fn grants_of(key: &HostId) -> String {
    format!("{GRANTS}/{key}")
}

/// One grant, or what takes it away.
pub(crate) fn grant(key: &HostId, what: &str) -> String {
    format!("{}/{what}", grants_of(key))
}

/// Customer and name of a host.
pub(crate) fn about(of: &HostId) -> String {
    format!("{}/about", host(of))
}

/// What a host said of itself when it joined, signed by it.
pub(crate) fn introduction(of: &HostId) -> String {
    format!("{}/introduction", host(of))
}

/// Where a damaged object is moved.
pub(crate) fn quarantine(host: &HostId, kind: Kind, id: &ObjectId) -> String {
    format!("quarantine/{host}/{}/{id}", kind.folder())
}

pub(crate) fn host(host: &HostId) -> String {
    format!("{HOSTS}/{host}")
}

pub(crate) fn host_key(of: &HostId) -> String {
    format!("{}/host.pub", host(of))
}

pub(crate) fn kind(of: &HostId, kind: Kind) -> String {
    format!("{}/{}", host(of), kind.folder())
}

/// The folders that objects of a kind lie in.
pub(crate) fn folders(of: &HostId, kind: Kind) -> Vec<String> {
    let folder = self::kind(of, kind);
    match kind {
        Kind::Pack => (0..=u8::MAX).map(|first| format!("{folder}/{first:02x}")).collect(),
        Kind::List | Kind::Index | Kind::Manifest => vec![folder],
    }
}

/// The folder that this object lies in.
pub(crate) fn folder_of(host: &HostId, kind: Kind, id: &ObjectId) -> String {
    let folder = self::kind(host, kind);
    match kind {
        Kind::Pack => format!("{folder}/{:02x}", id.0[0]),
        Kind::List | Kind::Index | Kind::Manifest => folder,
    }
}

/// The name of an object in the folder of its kind.
pub(crate) fn in_kind(kind: Kind, id: &ObjectId) -> String {
    match kind {
        Kind::Pack => format!("{:02x}/{id}", id.0[0]),
        Kind::List | Kind::Index | Kind::Manifest => id.to_string(),
    }
}

pub(crate) fn object(host: &HostId, kind: Kind, id: &ObjectId) -> String {
    // In one piece: a commit may look at half a million.
    match kind {
        Kind::Pack => format!("{HOSTS}/{host}/{}/{:02x}/{id}", kind.folder(), id.0[0]),
        Kind::List | Kind::Index | Kind::Manifest => format!("{HOSTS}/{host}/{}/{id}", kind.folder()),
    }
}

/// Whether packs lie in a folder of this name.
pub(crate) fn is_pack_folder(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_format_document() {
        let (host, id) = (HostId([0x0a; 32]), ObjectId([0xfe; 32]));
        let (a, f) = ("0a".repeat(32), "fe".repeat(32));
        let path = |kind| object(&host, kind, &id);
        assert_eq!(path(Kind::Pack), format!("hosts/{a}/packs/fe/{f}"));
        assert_eq!(path(Kind::List), format!("hosts/{a}/lists/{f}"));
        assert_eq!(path(Kind::Index), format!("hosts/{a}/index/{f}"));
        assert_eq!(path(Kind::Manifest), format!("hosts/{a}/manifests/{f}"));
        for of in [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest] {
            assert_eq!(path(of), format!("{}/{}", kind(&host, of), in_kind(of, &id)));
        }
        let all = folders(&host, Kind::Pack);
        assert!(all.len() == 256 && all.contains(&folder_of(&host, Kind::Pack, &id)));
        assert!(all.iter().all(|folder| is_pack_folder(&folder[folder.len() - 2..])));
        assert_eq!(entry(7), "ledger/00000000000000000007");
    }
}
