//! A tree of files as it is: everything that a restore has to bring back, in memory, to be compared.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, SeekFrom};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is known of one path. Two are equal when a restore made no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// File type and permission bits.
    pub mode: u32,
    /// User and group id.
    pub owner: (u32, u32),
    /// Modification time, seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Size of a file.
    pub size: u64,
    /// Number of a device.
    pub device: u64,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
    /// Extended attributes, ACLs and capabilities among them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of several hard links in the tree: the path of the first.
    pub same_as: Option<Vec<u8>>,
    /// Hash of a file's content.
    pub content: [u8; 32],
}

/// Nodes by path below the root; the root itself is the empty path. Sockets are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree(pub BTreeMap<Vec<u8>, Node>);

const DIFFERENCES_SHOWN: usize = 20;
const BLOCK: usize = 4096;

impl Tree {
    /// Reads everything below `root`.
    #[track_caller]
    pub fn read(root: &Path) -> Self {
        let mut reader = Reader::default();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = rustix::fs::open(root, flags, Mode::empty());
        let folder = folder.unwrap_or_else(|e| panic!("{}: {e}", root.display()));
        reader.node(&folder, c".", Vec::new());
        reader.folder(&folder, &[]);
        reader.finish()
    }

    /// What differs, one line each.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, node) in &self.0 {
            let shown = show(path);
            match other.0.get(path) {
                None => lines.push(format!("{shown}: missing")),
                Some(found) if found != node => lines.push(format!("{shown}: {}", node.differs(found))),
                Some(_) => {}
            }
        }
        let extra = other.0.keys().filter(|path| !self.0.contains_key(*path));
        lines.extend(extra.map(|path| format!("{}: not in the original", show(path))));
        lines
    }

    /// Insists that there is no difference.
    #[track_caller]
    pub fn assert_equals(&self, other: &Self, what: &str) {
        let differences = self.differences(other);
        let shown = differences.iter().take(DIFFERENCES_SHOWN).cloned().collect::<Vec<_>>().join("\n");
        assert!(differences.is_empty(), "{what}: {} differences:\n{shown}", differences.len());
    }

    /// Only what `keep` says.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&[u8]) -> bool) -> Self {
        let kept = self.0.iter().filter(|(path, _)| keep(path));
        Self(kept.map(|(path, node)| (path.clone(), node.clone())).collect())
    }
}

impl Node {
    fn differs(&self, found: &Self) -> String {
        let mut text = String::new();
        let mut one = |name: &str, ours: String, theirs: String| {
            if ours != theirs {
                let _ = write!(text, "{name} {ours} became {theirs}; ");
            }
        };
        one("mode", format!("{:o}", self.mode), format!("{:o}", found.mode));
        one("owner", format!("{:?}", self.owner), format!("{:?}", found.owner));
        one("mtime", format!("{:?}", self.mtime), format!("{:?}", found.mtime));
        one("size", self.size.to_string(), found.size.to_string());
        one("device", self.device.to_string(), found.device.to_string());
        one("target", show(&self.target), show(&found.target));
        one("xattrs", show_xattrs(&self.xattrs), show_xattrs(&found.xattrs));
        one("link", format!("{:?}", self.same_as), format!("{:?}", found.same_as));
        one("content", short(&self.content), short(&found.content));
        text
    }
}

fn show(path: &[u8]) -> String {
    path.escape_ascii().to_string().chars().take(200).collect()
}

fn short(hash: &[u8; 32]) -> String {
    format!("{hash:02x?}").chars().take(24).collect()
}

fn show_xattrs(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> String {
    let one = |(name, value): (&Vec<u8>, &Vec<u8>)| format!("{}={}", show(name), show(value));
    xattrs.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[derive(Default)]
struct Reader {
    tree: Tree,
    links: HashMap<(u64, u64), Vec<Vec<u8>>>,
}

impl Reader {
    /// Goes through a folder by its descriptor, so that no path is too long.
    fn folder(&mut self, folder: &OwnedFd, path: &[u8]) {
        let names = Dir::read_from(folder).unwrap_or_else(|e| panic!("{}: {e}", show(path)));
        let mut names: Vec<CString> =
            names.map(|name| name.map(|name| name.file_name().to_owned()).unwrap_or_default()).collect();
        names.retain(|name| !matches!(name.to_bytes(), b"." | b".."));
        names.sort();
        for name in names {
            let below = match path {
                [] => name.to_bytes().to_vec(),
                _ => [path, b"/", name.to_bytes()].concat(),
            };
            if self.node(folder, &name, below.clone()) == FileType::Directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                let inner = rustix::fs::openat(folder, &*name, flags, Mode::empty());
                self.folder(&inner.unwrap_or_else(|e| panic!("{}: {e}", show(&below))), &below);
            }
        }
    }

    fn node(&mut self, folder: &OwnedFd, name: &CStr, path: Vec<u8>) -> FileType {
        let fail = |e: rustix::io::Errno| -> ! { panic!("{}: {e}", show(&path)) };
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).unwrap_or_else(|e| fail(e));
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Socket {
            return kind;
        }
        let is_file = kind == FileType::RegularFile;
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        let target = match kind {
            FileType::Symlink => {
                rustix::fs::readlinkat(folder, name, Vec::new()).unwrap_or_else(|e| fail(e)).into_bytes()
            }
            _ => Vec::new(),
        };
        let content = match is_file {
            true => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
                let file = rustix::fs::openat(folder, name, flags, Mode::empty()).unwrap_or_else(|e| fail(e));
                hash(&File::from(file), stat.st_size as u64)
            }
            false => [0; 32],
        };
        let node = Node {
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            size: if is_file { stat.st_size as u64 } else { 0 },
            device: if is_device { stat.st_rdev } else { 0 },
            target,
            xattrs: xattrs(folder, name),
            same_as: None,
            content,
        };
        if kind != FileType::Directory && stat.st_nlink > 1 {
            self.links.entry((stat.st_dev, stat.st_ino)).or_default().push(path.clone());
        }
        self.tree.0.insert(path, node);
        kind
    }

    fn finish(mut self) -> Tree {
        for mut group in self.links.into_values().filter(|group| group.len() > 1) {
            group.sort();
            for path in &group {
                if let Some(node) = self.tree.0.get_mut(path) {
                    node.same_as = Some(group[0].clone());
                }
            }
        }
        self.tree
    }
}

fn xattrs(folder: &OwnedFd, name: &CStr) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let path =
        [format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes(), name.to_bytes().to_vec()].concat();
    let path = Path::new(std::ffi::OsStr::from_bytes(&path));
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names: Vec<Vec<u8>> = names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
        value.truncate(length);
        value
    };
    names.into_iter().map(|name| (name.clone(), value(&name))).collect()
}

/// Hashes what is not zero, with its place: the same for a hole and for zeros that were written.
fn hash(file: &File, size: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 64 * BLOCK];
    let mut at = 0;
    while at < size {
        let Ok(data) = rustix::fs::seek(file, SeekFrom::Data(at)) else { break };
        let end = rustix::fs::seek(file, SeekFrom::Hole(data)).unwrap_or(size);
        at = data / BLOCK as u64 * BLOCK as u64;
        while at < end {
            let read = read_full(file, &mut buffer, at);
            if read == 0 {
                return *hasher.finalize().as_bytes();
            }
            for (number, block) in buffer[..read].chunks(BLOCK).enumerate() {
                if block.iter().any(|byte| *byte != 0) {
                    let offset = at + (number * BLOCK) as u64;
                    hasher.update(&offset.to_le_bytes()).update(block);
                }
            }
            at += read as u64;
        }
    }
    *hasher.finalize().as_bytes()
}

fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(e) => panic!("cannot read: {e}"),
        }
    }
    read
}
