//! What has to be held still so that paths can be read in one moment: the file systems, subvolumes and datasets that they lie on.

use super::CoherenceError;
use super::provider::{How, logical_volume_of, nested, subvolume_of};
use crate::adapter::Reads;
use crate::files::LeftOut;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where.
    pub(crate) point: PathBuf,
    /// The part of it that is seen there.
    pub(crate) root: PathBuf,
    /// Its type.
    pub(crate) fs_type: String,
    /// The device, dataset, address.
    pub(crate) source: String,
}

/// Reads `mountinfo`. Of mounts over each other only the last one is seen.
pub(crate) fn parse(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for mount in text.lines().filter_map(line) {
        mounts.retain(|other| other.point != mount.point);
        mounts.push(mount);
    }
    mounts
}

fn line(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs_type, source) = (right.next()?, right.next()?);
    let path = |text| PathBuf::from(OsString::from_vec(unescape(text)));
    let source = String::from_utf8_lossy(&unescape(source)).into_owned();
    Some(Mount { point: path(point), root: path(root), fs_type: fs_type.to_owned(), source })
}

/// Blanks and the like stand as `\040`.
fn unescape(text: &str) -> Vec<u8> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte =
            digits.filter(|_| bytes[at] == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    out
}

/// File systems whose files are the kernel's answers: the walk leaves them out by itself.
const KERNEL: [&str; 20] = [
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "pstore",
    "efivarfs",
    "mqueue",
    "binfmt_misc",
    "configfs",
    "fusectl",
    "hugetlbfs",
    "nsfs",
    "rpc_pipefs",
    "autofs",
];

/// Something of which there can be a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    /// The live folder.
    pub(crate) at: PathBuf,
    /// Who makes a snapshot of it.
    pub(crate) kind: &'static str,
    /// What it is to them: a dataset, a logical volume.
    pub(crate) of: String,
    /// Type of the file system.
    pub(crate) fs_type: String,
    /// The part of the file system that is seen at the live folder.
    pub(crate) root: PathBuf,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// What to hold, each once.
    pub(crate) volumes: Vec<Volume>,
    /// Folders inside those that have to be read where they are; and whether nothing changes there.
    pub(crate) live: BTreeMap<PathBuf, bool>,
    /// Sources, and what of them will not be of the moment.
    pub(crate) problems: Vec<(String, String)>,
}

/// Looks at what these sources read.
pub(crate) fn look(how: &How, reads: &[(&str, Reads<'_>)], mountinfo: &str) -> Result<Found, CoherenceError> {
    let mut look = Look { how, mounts: parse(mountinfo), found: Found::default() };
    for (source, reads) in reads {
        let hidden = LeftOut::by(reads.exclude).map_err(|error| CoherenceError::NotHeld {
            path: reads.paths.first().cloned().unwrap_or_default(),
            why: error.to_string(),
        })?;
        for path in reads.paths {
            // One that is missing is for the walk to say.
            let Ok(real) = path.canonicalize() else { continue };
            look.path(source, &real, reads.one_file_system, &hidden)?;
        }
    }
    Ok(look.found)
}

struct Look<'l> {
    how: &'l How,
    mounts: Vec<Mount>,
    found: Found,
}

impl Look<'_> {
    fn path(&mut self, source: &str, path: &Path, one: bool, hidden: &LeftOut) -> Result<(), CoherenceError> {
        if let How::Command { volumes, .. } = self.how {
            let real = |volume: &PathBuf| volume.canonicalize().unwrap_or_else(|_| volume.clone());
            let around = volumes.iter().map(real).filter(|volume| path.starts_with(volume));
            let Some(at) = around.max_by_key(|volume| volume.as_os_str().len()) else {
                let why = "it lies in none of the folders of snapshot_volumes".to_owned();
                return Err(CoherenceError::NotHeld { path: path.to_owned(), why });
            };
            let root = PathBuf::from("/");
            self.add(Volume { at, kind: "command", of: String::new(), fs_type: String::new(), root });
        } else {
            let around = self.mounts.iter().filter(|mount| path.starts_with(&mount.point));
            let mount = around.max_by_key(|mount| mount.point.as_os_str().len()).cloned();
            let held = mount.ok_or_else(|| "no file system is known there".to_owned());
            let held = held.and_then(|mount| self.volume(&mount, path));
            let volume = held.map_err(|why| CoherenceError::NotHeld { path: path.to_owned(), why })?;
            self.add(volume);
        }
        if one { Ok(()) } else { self.below(source, path, hidden) }
    }

    /// Other file systems and subvolumes below a path.
    fn below(&mut self, source: &str, path: &Path, hidden: &LeftOut) -> Result<(), CoherenceError> {
        let is_below =
            |point: &Path| point != path && point.starts_with(path) && hidden.pattern(point, true).is_none();
        let mounts: Vec<_> = self.mounts.iter().filter(|mount| is_below(&mount.point)).cloned().collect();
        for mount in mounts {
            let volume = match self.how {
                How::Command { .. } => Err("no snapshot is made of it".to_owned()),
                _ => self.volume(&mount, &mount.point),
            };
            match volume {
                Ok(volume) => self.add(volume),
                Err(why) => {
                    if !KERNEL.contains(&mount.fs_type.as_str()) {
                        let point = mount.point.display();
                        let text = format!(
                            "{point} is not of the moment of the others, but read as it is ({why}): leave it out with `exclude`, or \
                             give it a source of its own"
                        );
                        self.found.problems.push((source.to_owned(), text));
                    }
                    self.found.live.insert(mount.point, false);
                }
            }
        }
        let subvolumes = self.found.volumes.iter().filter(|volume| volume.kind == "btrfs");
        let around: Vec<_> = subvolumes
            .filter(|volume| volume.at.starts_with(path) || path.starts_with(&volume.at))
            .cloned()
            .collect();
        for outer in around {
            for (at, is_fixed) in nested(&outer.at)?.into_iter().filter(|(at, _)| is_below(at)) {
                if is_fixed {
                    self.found.live.insert(at, true);
                } else {
                    self.add(Volume { at, ..outer.clone() });
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, volume: Volume) {
        if !self.found.volumes.iter().any(|other| other.at == volume.at) {
            self.found.volumes.push(volume);
        }
    }

    /// What of this mount is to be held, for a path in it; or why that cannot be.
    fn volume(&self, mount: &Mount, path: &Path) -> Result<Volume, String> {
        let Mount { point, root, fs_type, source } = mount;
        let is_wanted = |kind: &str| matches!(self.how, How::Auto(_)) || self.how.word() == kind;
        let volume = |kind, at, of| Volume { at, kind, of, fs_type: fs_type.clone(), root: root.clone() };
        let lies = format!("it lies on {fs_type} ({source})");
        match fs_type.as_str() {
            "btrfs" if is_wanted("btrfs") => match subvolume_of(path, point) {
                Some(at) => Ok(volume("btrfs", at, source.clone())),
                None => Err(format!(
                    "only a part of a subvolume is mounted at {}: mount all of it",
                    point.display()
                )),
            },
            "zfs" if is_wanted("zfs") && root == Path::new("/") => {
                Ok(volume("zfs", point.clone(), source.clone()))
            }
            _ if is_wanted("lvm") && source.starts_with("/dev/") => match logical_volume_of(source) {
                Ok(Some(name)) => Ok(volume("lvm", point.clone(), name)),
                Ok(None) => Err(format!("{lies}, which is no logical volume, nor btrfs or ZFS")),
                Err(error) => Err(error.to_string()),
            },
            _ => Err(format!("{lies}, of which snapshot = {:?} makes none", self.how.word())),
        }
    }
}

/// The mounts of this process.
pub(crate) fn mountinfo() -> Result<String, CoherenceError> {
    let path = PathBuf::from("/proc/self/mountinfo");
    let read = std::fs::read(&path).map_err(|source| CoherenceError::Record { path, source })?;
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// A name that may stand in a file's name.
pub(crate) fn mark(bytes: &[u8]) -> String {
    vow_base::id::hex(&vow_base::id::sha256(bytes))[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
        30 22 0:25 / /proc rw - proc proc rw\n\
        31 22 0:30 /data /srv/my\\040data rw shared:1 - zfs tank/data rw\n\
        32 22 0:31 / /srv/pool rw - zfs tank/pool rw\n\
        33 32 0:40 / /srv/pool/tmp rw - tmpfs none rw\n\
        34 32 0:41 / /srv/pool/proc rw - proc proc rw\n\
        35 32 0:42 / /srv/pool/deep rw - zfs tank/pool/deep rw\n";

    fn look_at(how: &How, path: &str, one: bool, exclude: &[&str]) -> Result<Found, String> {
        let hidden = LeftOut::by(&exclude.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
            .expect("patterns");
        let mut look = Look { how, mounts: parse(INFO), found: Found::default() };
        look.path("src", Path::new(path), one, &hidden).map_err(|error| error.to_string())?;
        Ok(look.found)
    }

    fn places(found: &Found) -> Vec<&str> {
        found.volumes.iter().filter_map(|volume| volume.at.to_str()).collect()
    }

    #[test]
    fn mounts_are_read_with_odd_names() {
        let mounts = parse(INFO);
        assert_eq!(mounts[2].point, Path::new("/srv/my data"));
        assert_eq!((mounts[2].root.as_path(), mounts[2].source.as_str()), (Path::new("/data"), "tank/data"));
        assert_eq!(parse("22 1 8:1 / /x rw - ext4 a rw\n23 1 8:2 / /x rw - xfs b rw").len(), 1);
    }

    #[test]
    fn file_systems_below_are_held_as_well_or_told() {
        let found = look_at(&How::Zfs, "/srv/pool/www", false, &[]).expect("found");
        assert_eq!((places(&found), found.live.len(), found.problems.len()), (vec!["/srv/pool"], 0, 0));
        let found = look_at(&How::Zfs, "/srv/pool", false, &[]).expect("found");
        assert_eq!(places(&found), ["/srv/pool", "/srv/pool/deep"]);
        assert_eq!(found.live.len(), 2, "what has no snapshot is read where it is");
        assert!(found.problems[0].1.contains("/srv/pool/tmp") && found.problems.len() == 1, "{found:?}");
        let found = look_at(&How::Zfs, "/srv/pool", false, &["/srv/pool/tmp"]).expect("found");
        assert!(found.problems.is_empty(), "{found:?}");
        let found = look_at(&How::Zfs, "/srv/pool", true, &[]).expect("found");
        assert_eq!((places(&found), found.live.len()), (vec!["/srv/pool"], 0));
    }

    #[test]
    fn what_cannot_be_held_is_refused_with_the_reason() {
        let why = look_at(&How::Zfs, "/home", false, &[]).expect_err("ext4");
        assert!(why.contains("/home cannot be held still: it lies on ext4 (/dev/vda)"), "{why}");
        let how = How::Command {
            take: vec![],
            drop: vec![],
            volumes: vec!["/nonexistent/x".into()],
            limit_secs: 1,
        };
        let why = look_at(&how, "/srv/pool", false, &[]).expect_err("elsewhere");
        assert!(why.contains("snapshot_volumes"), "{why}");
        let found = look_at(&how, "/nonexistent/x/y", false, &[]).expect("found");
        assert_eq!(places(&found), ["/nonexistent/x"]);
    }
}
