//! The names in a vault: section 1 of `docs/format.md`.

use std::path::{Path, PathBuf};
use vow_base::vault::Kind;
use vow_base::{HostId, ObjectId};

/// Everything that `create` makes, by name.
pub(crate) const TOP_NAMES: [&str; 6] = ["VOW", "hosts", "ledger", "lock", "tmp", "vault.key"];

#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// For messages.
    pub(crate) fn place(&self) -> String {
        self.root.display().to_string()
    }

    pub(crate) fn vow(&self) -> PathBuf {
        self.root.join("VOW")
    }

    pub(crate) fn vault_key(&self) -> PathBuf {
        self.root.join("vault.key")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    pub(crate) fn hosts(&self) -> PathBuf {
        self.root.join("hosts")
    }

    pub(crate) fn host(&self, host: &HostId) -> PathBuf {
        self.hosts().join(host.to_string())
    }

    pub(crate) fn host_key(&self, host: &HostId) -> PathBuf {
        self.host(host).join("host.pub")
    }

    pub(crate) fn kind(&self, host: &HostId, kind: Kind) -> PathBuf {
        self.host(host).join(kind.folder())
    }

    /// The folders that objects of a kind lie in.
    pub(crate) fn folders(&self, host: &HostId, kind: Kind) -> Vec<PathBuf> {
        let folder = self.kind(host, kind);
        match kind {
            Kind::Pack => (0..=u8::MAX).map(|first| folder.join(format!("{first:02x}"))).collect(),
            Kind::List | Kind::Index | Kind::Manifest => vec![folder],
        }
    }

    /// The folder that this object lies in.
    pub(crate) fn folder_of(&self, host: &HostId, kind: Kind, id: &ObjectId) -> PathBuf {
        let folder = self.kind(host, kind);
        match kind {
            Kind::Pack => folder.join(format!("{:02x}", id.0[0])),
            Kind::List | Kind::Index | Kind::Manifest => folder,
        }
    }

    pub(crate) fn object(&self, host: &HostId, kind: Kind, id: &ObjectId) -> PathBuf {
        self.folder_of(host, kind, id).join(id.to_string())
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
        let tree = Tree::new(Path::new("v"));
        let (host, id) = (HostId([0x0a; 32]), ObjectId([0xfe; 32]));
        let (a, f) = ("0a".repeat(32), "fe".repeat(32));
        let path = |kind| tree.object(&host, kind, &id).display().to_string();
        assert_eq!(path(Kind::Pack), format!("v/hosts/{a}/packs/fe/{f}"));
        assert_eq!(path(Kind::List), format!("v/hosts/{a}/lists/{f}"));
        assert_eq!(path(Kind::Index), format!("v/hosts/{a}/index/{f}"));
        assert_eq!(path(Kind::Manifest), format!("v/hosts/{a}/manifests/{f}"));
        let folders = tree.folders(&host, Kind::Pack);
        assert!(folders.len() == 256 && folders.contains(&tree.folder_of(&host, Kind::Pack, &id)));
        let name = |folder: &PathBuf| folder.file_name().map(|name| name.to_string_lossy().into_owned());
        assert!(folders.iter().all(|folder| is_pack_folder(&name(folder).expect("a name"))));
    }
}
