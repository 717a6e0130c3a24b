//! What the libraries' errors mean to a user: the exit code, and the next step.

use super::Failure;
use crate::exit::Exit;
use std::io::{self, ErrorKind};
use vow_agent::plan::PlanError;
use vow_base::disk::DiskError;
use vow_base::vault::VaultError;
use vow_store::archive::{ArchiveError, SpecError};
use vow_store::backup::BackupError;
use vow_store::check::CheckError;
use vow_store::export::ExportError;
use vow_store::restore::RestoreError;
use vow_store::session::SessionError;

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        let failure = Self::failed(format!("cannot {} {}", error.action, error.path.display()));
        failure.because(&error.source).hint_of(next_step(&error.source))
    }
}

const FULL: &str = "free space there and run the command again; what was acknowledged before is safe";
/// What to do about a vault whose own word does not hold.
pub(crate) const UNTRUE: &str =
    "do not trust this vault before somebody has found out why; use another one meanwhile";

/// What to do about an error of the system, where that follows from the error itself.
pub(crate) fn next_step(error: &io::Error) -> Option<&'static str> {
    const EIO: i32 = 5;
    Some(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FULL,
        ErrorKind::PermissionDenied => "run it as a user who may do that, or give this one the right to",
        ErrorKind::ReadOnlyFilesystem => {
            "mount that file system for writing, or name a place on another one; when nobody mounted it read-only, its disk may \
             fail: look at the system's log"
        }
        ErrorKind::NotFound => "check the path, and whether its file system is mounted",
        ErrorKind::NotADirectory => "correct the path: a file stands where it needs a folder",
        ErrorKind::IsADirectory => "correct the path: a folder stands where it needs a file",
        ErrorKind::AlreadyExists => "name another one: what is there is not replaced",
        _ if error.raw_os_error() == Some(EIO) => {
            "look at the system's log: the disk may fail; what was acknowledged before is safe"
        }
        _ => return None,
    })
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let (exit, hint) = match &error {
            VaultError::Disk(_) => {
                let VaultError::Disk(error) = error else { unreachable!("matched just above") };
                return error.into();
            }
            VaultError::NoVault { .. } => (
                Exit::NotFound,
                "check the path, and whether its file system is mounted; `vow vault init` makes a new vault",
            ),
            VaultError::OtherVault { .. } => (
                Exit::NotFound,
                "find out why another vault is there; when that is right, put its fingerprint into the configuration",
            ),
            VaultError::Busy { .. } => {
                (Exit::Busy, "wait for the other process to finish and run the command again")
            }
            VaultError::Absent { .. } | VaultError::Damaged { .. } => (
                Exit::Failed,
                "run `vow check --read-data` to see what else is affected; another vault may have a good copy",
            ),
            VaultError::Missing(_) => (Exit::Failed, "run the backup again: it sends what is missing"),
            VaultError::NotJoined { place, .. } if place.starts_with("https://") => (
                Exit::NotFound,
                "have the vault's operator look: a host that never joined needs a token (`vow vault join TOKEN`), one that was shut out, new keys",
            ),
            VaultError::NotJoined { .. } => (
                Exit::NotFound,
                "admit this host with `vow vault init NAME`, or correct the vault's path in the configuration",
            ),
            VaultError::Full { .. } => (
                Exit::Failed,
                "have the vault's operator make room or raise the quota; the next run sends what this vault lacks",
            ),
            VaultError::Refused(_) => (Exit::Failed, ""),
            VaultError::Unreachable { .. } => (
                Exit::Failed,
                "check the address, the network, and whether the vault is running; the next run sends it what it lacks",
            ),
            VaultError::Limited { .. } => {
                (Exit::Busy, "run the command again later, or have the vault's limits for this host raised")
            }
            VaultError::Storage { .. } => (
                Exit::Failed,
                "look at the vault's log and disk; what was acknowledged before is safe, and the next run sends the rest",
            ),
            VaultError::NotForThisKey { .. } => (
                Exit::NotFound,
                "check that this key was granted what it is used for: a host's key cannot read, a restorer's cannot write",
            ),
            VaultError::Protocol { .. } => (
                Exit::Failed,
                "compare the versions of vow on both sides; when they agree, do not trust this vault before somebody has \
                 found out why",
            ),
            VaultError::WrongHash { .. } => (
                Exit::Failed,
                "run it again; when it happens again, look at this machine's memory and network",
            ),
            VaultError::Signed { .. } | VaultError::Ledger { .. } => (Exit::Failed, UNTRUE),
        };
        let failure = Self::new(exit, error.to_string());
        if hint.is_empty() { failure } else { failure.hint(hint) }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let hint = match &error {
            PlanError::NotFound { .. } => {
                "make one with `vow init`, or say where it is with --config FILE".into()
            }
            PlanError::Read { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied => "run it as a user who may read that file".into(),
                ErrorKind::IsADirectory => "give the file in that folder: --config DIR/vow.toml".into(),
                ErrorKind::InvalidData => "it is no text: give another file with --config FILE".into(),
                _ => "give an existing file with --config FILE, or make one with `vow init`".into(),
            },
            PlanError::Fault { .. } => {
                "correct that line; `vow config check` checks the whole configuration".into()
            }
            PlanError::NoVault { known, .. } => {
                format!("name one of these: {}; or give a path or an address", known.join(", "))
            }
            PlanError::NoSource { known, .. } => format!("name one of these: {}", known.join(", ")),
        };
        let exit = match &error {
            PlanError::NoVault { .. } => Exit::NotFound,
            PlanError::Read { source, .. } if !is_wrong_path(source) => Exit::Failed,
            _ => Exit::Usage,
        };
        let failure = Self::new(exit, error.to_string()).hint(hint);
        match &error {
            PlanError::Read { source, .. } => failure.because(source),
            _ => failure,
        }
    }
}

/// Whether another path would have been right: none of the system's doing.
fn is_wrong_path(error: &io::Error) -> bool {
    use ErrorKind::{InvalidData, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory | InvalidData)
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        let hint = match &error {
            SpecError::NoSnapshot => "write SNAPSHOT:PATH, for example files@latest:/etc/hosts".into(),
            SpecError::NoPath { snapshot } => {
                format!("write {snapshot}:PATH, for example {snapshot}:/etc/hosts")
            }
            SpecError::BadPath { .. } => "paths in a snapshot are absolute: SNAPSHOT:/etc/hosts".into(),
        };
        Self::new(Exit::Usage, error.to_string()).hint(hint)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::WrongIdentity => Self::wrong_identity(),
            SessionError::Identity(_) => Self::new(Exit::Identity, error.to_string())
                .hint("give the file that `vow init` or `vow key new` wrote: --identity FILE"),
            SessionError::Recipient { .. } | SessionError::NoRecipient => {
                Self::new(Exit::Usage, error.to_string())
            }
            SessionError::Blob(_) | SessionError::Random => Self::failed(error.to_string()),
        }
    }
}

impl Failure {
    /// The identity given opens nothing here.
    pub(crate) fn wrong_identity() -> Self {
        Self::new(Exit::Identity, "the identity does not open this snapshot").hint(
            "give the identity of one of the recipients it is sealed to; `vow key list` shows which recipients those are",
        )
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Cancelled => Self::interrupted(),
            BackupError::Busy(_) => Self::new(Exit::Busy, error.to_string())
                .hint("wait for it to finish and run the command again"),
            BackupError::NoLevel { level, source } => {
                Self::from(source).during(format!("no vault accepted the snapshot; {level} said"))
            }
            BackupError::State(source) => source.into(),
            BackupError::Session(source) => source.into(),
            BackupError::Source(text) => Self::failed(text),
            other => Self::failed("the snapshot could not be made").because(&other),
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        if error.is_identity() {
            return Self::wrong_identity();
        }
        match error {
            ArchiveError::Vault(error) => error.into(),
            ArchiveError::Part { source, .. } if source.is_gone() => Self::from(*source),
            ArchiveError::NoSuchSnapshot { .. } => {
                Self::new(Exit::NotFound, error.to_string()).hint("`vow snapshots` lists what there is")
            }
            ArchiveError::Ambiguous { .. } => Self::new(Exit::Usage, error.to_string()).hint("say which one, with more of its name or id"),
            ArchiveError::NoEntry { .. } => Self::failed(error.to_string()).hint("`vow ls` shows what the snapshot holds, `vow find` looks for a name"),
            ArchiveError::Untrusted { .. } => Self::failed(error.to_string())
                .hint("compare the key with the recovery kit of that host, and restore with that kit's identity file"),
            ArchiveError::Write(ref source) => Self::failed("what was read could not be written").because(source),
            ArchiveError::Session { pack, source } => Self::from(source).during(format!("pack {pack} cannot be opened")),
            ArchiveError::Memory => Self::failed(error.to_string()),
            other => Self::failed(other.to_string())
                .hint("run `vow check --read-data` to see what is affected; another vault may have a good copy (--vault NAME)"),
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Archive(error) => error.into(),
            RestoreError::Cancelled => {
                Self::interrupted().hint("run the same command again: it goes on from here")
            }
            RestoreError::Target { action, path, source } => {
                let failure = Self::new(Exit::Failed, "the target cannot be used")
                    .hint("name another target, or make this one writable")
                    .hint_of(next_step(&source));
                failure.because(&DiskError::at(action, &path)(source))
            }
            full @ RestoreError::Full { .. } => Self::failed(full.to_string()),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Archive(error) => error.into(),
            ExportError::Write(source) => {
                Self::failed("the archive could not be written").because(&source).hint_of(next_step(&source))
            }
            ExportError::Data { path, source } => Self::from(source)
                .during(format!("{path} cannot be read to its end, so the archive ends there")),
            ExportError::Cancelled => Self::interrupted(),
        }
    }
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Archive(error) => error.into(),
            CheckError::Cancelled => Self::interrupted(),
        }
    }
}
