//! A tree with everything in it, and a naive look at whether a folder holds a tree.

use crate::archive::testing::{CHUNK, Spec, dir, entry, file, noise, symlink};
use crate::listing::entry::{Entry, Kind, Time};
use crate::listing::path::compare;
use rustix::fs::makedev;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The data of a file with its holes, as a reader of the file sees it.
pub(crate) fn with_holes(spec: &Spec) -> Vec<u8> {
    let (entry, data) = spec;
    let Some(extents) = &entry.extents else { return data.clone() };
    let mut whole = vec![0; entry.size as usize];
    let mut at = 0;
    for (offset, length) in extents {
        whole[*offset as usize..(offset + length) as usize].copy_from_slice(&data[at..at + *length as usize]);
        at += *length as usize;
    }
    whole
}

fn sparse(path: &[u8], size: u64, extents: &[(u64, u64)], seed: u8) -> Spec {
    let data = noise(extents.iter().map(|(_, length)| *length as usize).sum(), seed);
    (Entry { size, extents: Some(extents.to_vec()), ..entry(path, Kind::File) }, data)
}

/// All kinds, hard links, sparse files, attributes, odd names, odd times, read-only folders.
pub(crate) fn hard_tree() -> Vec<Spec> {
    let mut specs = vec![dir(b"d"), dir(b"d/deep")];
    let linked = |path: &[u8], link: u64, spec: Spec| {
        (Entry { path: path.to_vec(), link: Some((1, link)), ..spec.0 }, spec.1)
    };
    let mut at = b"d/deep".to_vec();
    for _ in 0..9 {
        at.extend_from_slice(b"/");
        at.extend_from_slice(&[b'n'; 40]);
        specs.push(dir(&at));
    }
    specs.push(file(&[&at[..], b"/bottom"].concat(), b"deep down"));
    specs.push(file(b"d/empty", b""));
    specs.push((Entry { mode: 0o600, ..entry(b"d/fifo", Kind::Fifo) }, Vec::new()));
    let large = file(b"d/large", &noise(CHUNK * 30 + 7, 1));
    specs.push(linked(b"d/hard-large-1", 8, large.clone()));
    specs.push(linked(b"d/hard-large-2", 8, large.clone()));
    specs.push(linked(b"d/hard-small", 9, file(b"", b"two names")));
    specs.push((Entry { mtime: Time { secs: -5, nanos: 999_999_999 }, ..large.0 }, large.1));
    specs.push(file("d/n\u{e4}me".as_bytes(), b"umlaut"));
    specs.push(file(b"d/not\xff\xfetext\n", b"bytes"));
    for number in 0..60u8 {
        let name = format!("d/s{number:02}");
        specs.push(file(name.as_bytes(), &noise(usize::from(number) * 45, number)));
    }
    specs.push(sparse(b"d/sparse-1", 400_000, &[(8192, 12_000), (200_704, 9000)], 3));
    specs.push(sparse(b"d/sparse-all", 1 << 20, &[], 4));
    specs.push(sparse(b"d/sparse-end", 100_000, &[(98_304, 1696)], 5));
    specs.push(symlink(b"d/symlink", b"../../etc/passwd"));
    let mut unreadable = file(b"d/unreadable", b"nobody may read this");
    unreadable.0.mode = 0o000;
    specs.push(unreadable);
    let mut tagged = file(b"d/xattrs", b"with attributes");
    tagged.0.xattrs = vec![(b"user.a".to_vec(), vec![0, 255]), (b"user.b=%".to_vec(), b"x".to_vec())];
    specs.push(tagged);
    specs.push(linked(b"d/z-hard-small", 9, file(b"", b"two names")));
    let mut locked = dir(b"locked");
    locked.0.mode = 0o555;
    specs.push(locked);
    specs.push(file(b"locked/inside", b"in a folder without write permission"));
    if is_root() {
        let device = Entry { mode: 0o660, device: Some((1, 3)), ..entry(b"null", Kind::CharDevice) };
        specs.push((device, Vec::new()));
        let mut setuid = file(b"setuid", b"#!");
        (setuid.0.mode, setuid.0.uid, setuid.0.gid) = (0o6755, 12_345, 54_321);
        specs.push(setuid);
    }
    specs.sort_by(|a, b| compare(&a.0.path, &b.0.path));
    specs
}

/// Where an entry lies in a folder.
pub(crate) fn at(target: &Path, path: &[u8]) -> PathBuf {
    target.join(OsStr::from_bytes(path))
}

/// Everything below a folder, by relative path.
pub(crate) fn walk(target: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut todo = vec![target.to_owned()];
    while let Some(folder) = todo.pop() {
        for item in fs::read_dir(&folder).expect("read_dir") {
            let path = item.expect("item").path();
            if path.symlink_metadata().expect("stat").is_dir() {
                todo.push(path.clone());
            }
            found.push(path.strip_prefix(target).expect("below").as_os_str().to_owned().into_vec());
        }
    }
    found.sort();
    found
}

/// Compares everything about a folder with a tree.
#[track_caller]
pub(crate) fn assert_tree(target: &Path, specs: &[Spec]) {
    let mut expected: Vec<_> = specs.iter().map(|(entry, _)| entry.path.clone()).collect();
    expected.sort();
    let shown = |paths: &[Vec<u8>]| paths.iter().map(|p| p.escape_ascii().to_string()).collect::<Vec<_>>();
    assert_eq!(shown(&walk(target)), shown(&expected));
    specs.iter().for_each(|spec| assert_entry(&at(target, &spec.0.path), spec));
    for (entry, _) in specs.iter().filter(|(entry, _)| entry.link.is_some()) {
        let links = specs.iter().filter(|(other, _)| other.link == entry.link).count() as u64;
        let seen = at(target, &entry.path).symlink_metadata().expect("stat").nlink();
        assert_eq!(seen, links, "{}", entry.display());
    }
}

/// Compares everything about one entry.
#[track_caller]
pub(crate) fn assert_entry(path: &Path, spec: &Spec) {
    let (entry, _) = spec;
    let shown = entry.display();
    let stat = path.symlink_metadata().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let kind = stat.file_type();
    let right = match entry.kind {
        Kind::File => kind.is_file(),
        Kind::Dir => kind.is_dir(),
        Kind::Symlink => kind.is_symlink(),
        Kind::CharDevice => kind.is_char_device() && stat.rdev() == makedev(1, 3),
        Kind::BlockDevice => kind.is_block_device(),
        Kind::Fifo => kind.is_fifo(),
    };
    assert!(right, "{shown} is {kind:?}");
    assert_eq!(stat.mode() & 0o7777, entry.mode, "{shown}");
    assert_eq!((stat.uid(), stat.gid()), (entry.uid, entry.gid), "{shown}");
    assert_eq!((stat.mtime(), stat.mtime_nsec()), (entry.mtime.secs, entry.mtime.nanos.into()), "{shown}");
    if entry.kind == Kind::Symlink {
        assert_eq!(fs::read_link(path).expect("link").into_os_string().into_vec(), entry.target);
    }
    if entry.kind == Kind::File && (is_root() || entry.mode & 0o400 != 0) {
        assert!(fs::read(path).expect("read") == with_holes(spec), "{shown} has another content");
        if entry.extents.is_some() {
            assert!(stat.blocks() * 512 < entry.size / 2, "{shown} is not sparse: {} blocks", stat.blocks());
        }
        for (name, value) in &entry.xattrs {
            let mut found = [0; 64];
            let length = rustix::fs::lgetxattr(path, &name[..], &mut found).expect("attribute");
            assert_eq!(&found[..length], value, "{shown}");
        }
    }
}
