//! `vow.toml`: what the user wrote, checked, with every default filled in.

mod fault;
mod file;
mod find;
mod keys;
mod rate;
mod schedule;
mod shown;
mod sources;

pub(crate) use file::{check_name, parse};
pub(crate) use find::find;
pub(crate) use sources::{DrillPlan, Settings};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::Fingerprint;
use vow_base::sign::PublicKey;
use vow_protocol::Address;
use vow_sources::adapter::Capture;
use vow_store::session::Recipient;

/// The plan of one host.
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) file: PathBuf,
    /// How that file was found.
    pub(crate) origin: &'static str,
    /// The customer.
    pub(crate) tenant: String,
    /// Name of the host.
    pub(crate) host: String,
    /// Whom snapshots are sealed to.
    pub(crate) recipients: Vec<Recipient>,
    /// Keys of restorers that a vault is told of when this host joins it.
    pub(crate) readers: Vec<PublicKey>,
    /// Folder of the host's keys.
    pub(crate) keys: PathBuf,
    /// Folder of the host's own records and caches.
    pub(crate) state: PathBuf,
    /// zstd level.
    pub(crate) compression: i32,
    /// The levels.
    pub(crate) vaults: Vec<VaultPlan>,
    /// What is captured.
    pub(crate) sources: Vec<SourcePlan>,
}

/// One level of the plan.
#[derive(Debug, Clone)]
pub(crate) struct VaultPlan {
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) place: Place,
    /// The fingerprint of its key, when it is pinned; always behind an address.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Bytes per second that uploads may take.
    pub(crate) limit_upload: Option<u64>,
    /// Bytes per second that downloads may take.
    pub(crate) limit_download: Option<u64>,
    /// Whether what it cannot take while it is away waits on this host.
    pub(crate) spool: bool,
}

/// Where a vault is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// In a folder; an absolute path.
    Folder(PathBuf),
    /// Behind a network.
    Address(Address),
}

impl Place {
    /// The place that a text names: an address, or else a path.
    pub(crate) fn of_text(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Folder(PathBuf::from(text)), Self::Address)
    }

    /// Whether a level at such a place has a spool when the plan does not say.
    pub(crate) fn default_spool(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl VaultPlan {
    /// A vault at this place, with every option as it is when the plan does not say.
    pub(crate) fn at(name: impl Into<String>, place: Place) -> Self {
        let (name, spool) = (name.into(), place.default_spool());
        Self { name, place, fingerprint: None, limit_upload: None, limit_download: None, spool }
    }

    /// Its folder, when it is in one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(path) => Some(path),
            Place::Address(_) => None,
        }
    }
}

/// One source of the plan.
#[derive(Debug, Clone)]
pub(crate) struct SourcePlan {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) kind: String,
    /// When it is due; not used yet.
    pub(crate) schedule: Option<String>,
    /// How it is drilled.
    pub(crate) drill: DrillPlan,
    /// What is captured, and how.
    pub(crate) capture: Arc<dyn Capture>,
    /// The same as keys and values.
    pub(crate) settings: Settings,
}

impl Config {
    /// Finds, reads and checks the configuration.
    pub(crate) fn load(flag: Option<&Path>) -> Outcome<Self> {
        let (path, origin) = find(flag)?;
        Self::read(&path, origin)
    }

    /// Reads and checks one file.
    pub(crate) fn read(path: &Path, origin: &'static str) -> Outcome<Self> {
        let absolute = std::path::absolute(path).map_err(|e| Failure::io("find", path, e))?;
        let text = std::fs::read_to_string(&absolute).map_err(|error| {
            let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::Usage } else { Exit::Failed };
            let failure = Failure::new(exit, format!("cannot read the configuration {}", path.display()));
            failure
                .because(&error)
                .hint("give an existing file with --config FILE, or make one with `vow init`")
        })?;
        parse(&text, &absolute, origin)
    }

    /// Every folder of Vow's own that this plan names: none of them is ever captured.
    pub(crate) fn own_paths(&self) -> Vec<PathBuf> {
        let vaults = self.vaults.iter().filter_map(VaultPlan::folder).map(Path::to_owned);
        vaults.chain([self.state.clone(), self.keys.clone()]).collect()
    }

    /// No vault of the plan has this name.
    pub(crate) fn no_vault(&self, name: &str, or: &str) -> Failure {
        let names: Vec<_> = self.vaults.iter().map(|plan| plan.name.as_str()).collect();
        Failure::new(Exit::NotFound, format!("there is no vault {name:?} in {}", self.file.display()))
            .hint(format!("name one of these: {}; {or}", names.join(", ")))
    }

    /// The sources with these names; all of them when none is named.
    pub(crate) fn sources_named(&self, names: &[String]) -> Outcome<Vec<&SourcePlan>> {
        if names.is_empty() {
            return Ok(self.sources.iter().collect());
        }
        let known = || self.sources.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut chosen: Vec<&SourcePlan> = Vec::new();
        for name in names {
            let Some(source) = self.sources.iter().find(|source| source.name == *name) else {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("there is no source {name:?} in {}", self.file.display()),
                )
                .hint(format!("name one of these: {}", known())));
            };
            if !chosen.iter().any(|other| other.name == source.name) {
                chosen.push(source);
            }
        }
        Ok(chosen)
    }
}
