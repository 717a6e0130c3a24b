//! The plan of a host, `vow.toml`: what the user wrote, checked, with every default filled in.

mod agent;
mod error;
mod fault;
mod file;
mod find;
mod groups;
mod keys;
mod schedule;
mod shown;
mod sources;
mod waiver;

pub use agent::{AgentPlan, ConsolePlan, Due, Ionice, PingFrom, Timing};
pub use error::PlanError;
pub use file::{check_name, parse};
pub use find::find;
pub use groups::GroupPlan;
pub use shown::quoted;
pub use sources::{DRILL_WITHIN_SECS, DrillPlan, Settings};
pub use waiver::Waiver;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::Fingerprint;
use vow_base::sign::PublicKey;
use vow_protocol::Address;
use vow_sources::adapter::Capture;
use vow_store::session::Recipient;

/// The plan of one host.
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// How that file was found.
    pub origin: &'static str,
    /// The customer.
    pub tenant: String,
    /// Name of the host.
    pub host: String,
    /// Whom snapshots are sealed to.
    pub recipients: Vec<Recipient>,
    /// Keys of restorers that a vault is told of when this host joins it.
    pub readers: Vec<PublicKey>,
    /// Folder of the host's keys.
    pub keys: PathBuf,
    /// Folder of the host's own records and caches.
    pub state: PathBuf,
    /// zstd level.
    pub compression: i32,
    /// The levels.
    pub vaults: Vec<VaultPlan>,
    /// What is captured.
    pub sources: Vec<SourcePlan>,
    /// What is captured at one moment.
    pub groups: Vec<GroupPlan>,
    /// Who is told.
    pub console: Option<ConsolePlan>,
    /// How the agent works.
    pub agent: AgentPlan,
    /// When sources are due, by name.
    pub timings: BTreeMap<String, Timing>,
    /// Gaps that were accepted.
    pub waivers: Vec<Waiver>,
    /// SHA-256 of the file's text.
    pub hash: [u8; 32],
}

/// One level of the plan.
#[derive(Debug, Clone)]
pub struct VaultPlan {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// The fingerprint of its key, when it is pinned; always behind an address.
    pub fingerprint: Option<Fingerprint>,
    /// Bytes per second that uploads may take.
    pub limit_upload: Option<u64>,
    /// Bytes per second that downloads may take.
    pub limit_download: Option<u64>,
    /// Whether what it cannot take while it is away waits on this host.
    pub spool: bool,
}

/// Where a vault is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a folder; an absolute path.
    Folder(PathBuf),
    /// Behind a network.
    Address(Address),
    /// In a bucket, `s3://BUCKET/PREFIX`, read without the server that serves it. No plan names one: hosts send to the server.
    Bucket(String),
}

/// How the places of buckets begin.
pub const BUCKET_SCHEME: &str = "s3://";

impl Place {
    /// The place that a text names: a bucket, an address, or else a path.
    pub fn of_text(text: &str) -> Self {
        if text.starts_with(BUCKET_SCHEME) {
            return Self::Bucket(text.trim_end_matches('/').to_owned());
        }
        text.parse().map_or_else(|_| Self::Folder(PathBuf::from(text)), Self::Address)
    }

    /// Whether a level at such a place has a spool when the plan does not say.
    pub fn default_spool(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Bucket(url) => f.write_str(url),
        }
    }
}

impl VaultPlan {
    /// A vault at this place, with every option as it is when the plan does not say.
    pub fn at(name: impl Into<String>, place: Place) -> Self {
        let (name, spool) = (name.into(), place.default_spool());
        Self { name, place, fingerprint: None, limit_upload: None, limit_download: None, spool }
    }

    /// Its folder, when it is in one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(path) => Some(path),
            Place::Address(_) | Place::Bucket(_) => None,
        }
    }
}

/// One source of the plan.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// When it is due, as it was written.
    pub schedule: Option<String>,
    /// How it is drilled.
    pub drill: DrillPlan,
    /// What is captured, and how.
    pub capture: Arc<dyn Capture>,
    /// The same as keys and values.
    pub settings: Settings,
}

/// The recovery kit that `vow init` and `vow up` make beside the plan.
pub const RECOVERY_KEY: &str = "recovery.agekey";
/// How the names of files with identities end, after a dot.
const IDENTITY_SUFFIX: &str = "agekey";

impl Config {
    /// Finds, reads and checks the configuration.
    pub fn load(flag: Option<&Path>) -> Result<Self, PlanError> {
        let (path, origin) = find(flag)?;
        Self::read(&path, origin)
    }

    /// Reads and checks one file.
    pub fn read(path: &Path, origin: &'static str) -> Result<Self, PlanError> {
        let unreadable = |source| PlanError::Read { file: path.to_owned(), source };
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let text = std::fs::read_to_string(&absolute).map_err(unreadable)?;
        parse(&text, &absolute, origin)
    }

    /// Everything of Vow's own that lies where this plan names it or beside it: none of it is ever captured.
    pub fn own_paths(&self) -> Vec<PathBuf> {
        let vaults = self.vaults.iter().filter_map(VaultPlan::folder).map(Path::to_owned);
        let folders = vaults.chain([self.state.clone(), self.keys.clone()]).chain(self.own_console());
        folders.chain(self.identities()).collect()
    }

    /// The recovery kit that was made with the plan, when nobody has moved it away.
    pub fn recovery_key(&self) -> Option<PathBuf> {
        let kit = self.file.parent()?.join(RECOVERY_KEY);
        kit.exists().then_some(kit)
    }

    /// Identities that lie beside the plan, known by their names: they open what is sealed, and belong into no backup.
    fn identities(&self) -> Vec<PathBuf> {
        let entries = self.file.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|name| name == IDENTITY_SUFFIX)).collect()
    }

    /// The console that `vow up` made beside the plan.
    fn own_console(&self) -> Option<PathBuf> {
        let folder = self.file.parent()?.join("console");
        folder.join("console.toml").is_file().then_some(folder)
    }

    /// The group that a source is captured with; one of its own when it has hooks or a snapshot.
    pub fn group_of(&self, source: &str) -> Option<&GroupPlan> {
        self.groups.iter().find(|plan| plan.group.sources.iter().any(|name| name == source))
    }

    /// The source under whose name the agent captures this one: the first of its group.
    pub fn leader_of<'n>(&'n self, source: &'n str) -> &'n str {
        self.group_of(source).and_then(|plan| plan.group.sources.first()).map_or(source, String::as_str)
    }

    /// Sources of a plan as they are captured: whoever asks for one of a group asks for all of it.
    pub fn gathered<'c>(&'c self, sources: &[&'c SourcePlan]) -> Vec<&'c SourcePlan> {
        let mut all: Vec<&SourcePlan> = Vec::new();
        for source in sources {
            let names =
                self.group_of(&source.name).map(|plan| plan.group.sources.as_slice()).unwrap_or_default();
            let with = names.iter().filter_map(|name| self.sources.iter().find(|other| other.name == *name));
            for one in if names.is_empty() { vec![*source] } else { with.collect() } {
                if !all.iter().any(|other| other.name == one.name) {
                    all.push(one);
                }
            }
        }
        all
    }

    /// No vault of the plan has this name.
    pub fn no_vault(&self, name: &str) -> PlanError {
        let known = self.vaults.iter().map(|plan| plan.name.clone()).collect();
        PlanError::NoVault { name: name.to_owned(), file: self.file.clone(), known }
    }

    /// The sources with these names; all of them when none is named.
    pub fn sources_named(&self, names: &[String]) -> Result<Vec<&SourcePlan>, PlanError> {
        if names.is_empty() {
            return Ok(self.sources.iter().collect());
        }
        let mut chosen: Vec<&SourcePlan> = Vec::new();
        for name in names {
            let Some(source) = self.sources.iter().find(|source| source.name == *name) else {
                let known = self.sources.iter().map(|source| source.name.clone()).collect();
                return Err(PlanError::NoSource { name: name.clone(), file: self.file.clone(), known });
            };
            if !chosen.iter().any(|other| other.name == source.name) {
                chosen.push(source);
            }
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_for_fuzzing_are_valid() {
        let shown = |text: &str| {
            let config = parse(text, Path::new("/etc/vow/vow.toml"), "fuzzing");
            config.unwrap_or_else(|error| panic!("a seed is valid: {error}\n{text}")).shown()
        };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus-seeds/config");
        let mut seeds = 0;
        for entry in std::fs::read_dir(folder).expect("seeds") {
            let once = shown(&std::fs::read_to_string(entry.expect("an entry").path()).expect("text"));
            assert_eq!(shown(&once), once, "what is shown of a configuration is that configuration");
            seeds += 1;
        }
        assert!(seeds > 0);
    }
}
