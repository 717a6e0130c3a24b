//! Snapshots of file systems, by the commands of those who make them. One file for each kind.
//!
//! Every snapshot has a name that begins with `vow-` and a mark of host and group, so that what a killed run has left is found even
//! without its record, and nobody else's is ever touched.

mod btrfs;
mod command;
mod lvm;
mod zfs;

use super::CoherenceError;
use super::volumes::Volume;
use crate::process::{Launcher, ToolError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use btrfs::{nested, subvolume_of};
pub(crate) use lvm::volume_of as logical_volume_of;

/// How file systems are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// As each of them can be: btrfs, ZFS, LVM.
    Auto(Size),
    /// By read-only subvolumes.
    Btrfs,
    /// By logical volumes.
    Lvm(Size),
    /// By snapshots of datasets.
    Zfs,
    /// By programs of the user's.
    Command {
        /// Makes a snapshot of `VOW_VOLUME` called `VOW_NAME`, and prints the folder where it can be read.
        take: Vec<String>,
        /// Removes it; `VOW_FOLDER` is what was printed.
        drop: Vec<String>,
        /// The folders of which there can be one: absolute paths.
        volumes: Vec<PathBuf>,
        /// Seconds that each of them may take.
        limit_secs: u64,
    },
}

impl How {
    /// Its word in the plan.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Auto(_) => "auto",
            Self::Btrfs => btrfs::KIND,
            Self::Lvm(_) => lvm::KIND,
            Self::Zfs => zfs::KIND,
            Self::Command { .. } => command::KIND,
        }
    }
}

/// Room for what changes while a snapshot of a logical volume that is not thin exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Size {
    /// A share of the volume, in hundredths.
    Percent(u8),
    /// So many bytes.
    Bytes(u64),
}

/// A snapshot of a file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Who makes it.
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
    /// The live folder.
    pub(crate) at: PathBuf,
    /// The folder where it is read; empty until that is known.
    pub(crate) from: PathBuf,
    /// What it is of, as its maker calls it.
    pub(crate) of: String,
    /// Where it is mounted for us.
    pub(crate) mounted: Option<PathBuf>,
    /// What else is needed to make it.
    #[serde(skip)]
    pub(crate) making: Making,
    /// The user's program that removes it.
    pub(crate) drop: Vec<String>,
    pub(crate) limit_secs: u64,
}

/// What is needed to make a snapshot, and not to remove it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Making {
    /// Type of the file system.
    pub(crate) fs_type: String,
    /// The part of it that is mounted at the live folder.
    pub(crate) root: PathBuf,
    pub(crate) room: Option<Size>,
    pub(crate) take: Vec<String>,
}

/// Who makes snapshots of one kind.
pub(crate) trait Provider: Sync {
    /// Makes what was announced, in one moment where it can, and fills in where each is read.
    fn take(&self, taken: &mut [Taken]) -> Result<(), CoherenceError>;

    /// Removes one; one that is not there is removed already.
    fn remove(&self, taken: &Taken) -> Result<(), CoherenceError>;

    /// Those of which there is no record any more: of this volume, with names that begin so.
    fn left_over(&self, of: &Taken, prefix: &str) -> Result<Vec<Taken>, CoherenceError>;
}

/// Whoever makes snapshots of this kind.
pub(crate) fn provider(kind: &str) -> Option<&'static dyn Provider> {
    match kind {
        btrfs::KIND => Some(&btrfs::Btrfs),
        lvm::KIND => Some(&lvm::Lvm),
        zfs::KIND => Some(&zfs::Zfs),
        command::KIND => Some(&command::Own),
        _ => None,
    }
}

/// What is to be made of a volume. Places where something must be mounted are below `mounts`.
pub(crate) fn announce(how: &How, volume: &Volume, name: String, mounts: &Path) -> Taken {
    let mut taken = Taken {
        kind: volume.kind.to_owned(),
        at: volume.at.clone(),
        from: PathBuf::new(),
        of: volume.of.clone(),
        mounted: None,
        making: Making { fs_type: volume.fs_type.clone(), root: volume.root.clone(), ..Making::default() },
        drop: Vec::new(),
        limit_secs: TOOL_SECS,
        name,
    };
    match how {
        How::Auto(size) | How::Lvm(size) => taken.making.room = Some(*size),
        How::Command { take, drop, limit_secs, .. } => {
            taken.making.take.clone_from(take);
            taken.drop.clone_from(drop);
            taken.limit_secs = *limit_secs;
        }
        How::Btrfs | How::Zfs => {}
    }
    match volume.kind {
        btrfs::KIND => taken.from = taken.at.join(format!(".{}", taken.name)),
        lvm::KIND => taken.mounted = Some(mounts.join(&taken.name)),
        _ => {}
    }
    taken
}

/// Seconds that a tool may take.
pub(crate) const TOOL_SECS: u64 = 300;
/// What a tool may say.
const ANSWER_BYTES: usize = 4 << 20;

/// Runs a tool that must succeed, and gives what it said.
pub(crate) fn tool<S: AsRef<std::ffi::OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String, CoherenceError> {
    let launcher = Launcher::default();
    let mut command = launcher.command(Path::new(program));
    command.args(arguments);
    let (began, limit) = (Instant::now(), Duration::from_secs(TOOL_SECS));
    let (said, ended) =
        launcher.output(command, ANSWER_BYTES, &|| began.elapsed() > limit).map_err(|e| match e {
            // Nobody else can stop it.
            ToolError::Stopped => ToolError::Failed {
                program: program.to_owned(),
                how: format!("ended after {TOOL_SECS} s"),
                said: "it did not come to an end".to_owned(),
            },
            error => error,
        })?;
    ended.expect_success()?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Whether a name may be one of ours; nothing else is ever removed.
pub(crate) fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// What every name begins with.
pub(crate) const PREFIX: &str = "vow-";

/// Something said that is not understood.
pub(crate) fn unexpected(program: &str, said: &str) -> CoherenceError {
    let said = crate::process::one_line(said).chars().take(300).collect();
    CoherenceError::Answer { program: program.to_owned(), said }
}
