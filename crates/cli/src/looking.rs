//! What is on this host, and what the plan makes of it: what `vow discover` shows and `vow audit` judges.

use crate::commands::discover::{cover, document, files_source, source_of};
use crate::failure::{Failure, Outcome};
use crate::ui::{self, Ui, plain};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_agent::audit::{Entry, FilesSource, Host, Sizer, State, ledger};
use vow_agent::plan::{Config, SourcePlan};
use vow_sources::adapter::{ADAPTERS, Discovered, Within};
use vow_sources::discover::{Inventory, Machine, look};
use vow_sources::files::LeftOut;

/// Counting what lies in folders that nobody knows may take this long, and one of them this long.
const COUNTING: Duration = Duration::from_secs(2);
const COUNTING_ONE: Duration = Duration::from_millis(500);
/// Folders in one folder that are looked at.
const FOLDERS_MAX: usize = 1000;

/// What was seen.
pub(crate) struct Look<'c> {
    /// The sources of the plan.
    pub(crate) sources: &'c [SourcePlan],
    /// Servers and files that adapters know.
    pub(crate) servers: Vec<Discovered>,
    /// Everything else.
    pub(crate) inventory: Inventory,
    /// What becomes of it.
    pub(crate) ledger: Vec<Entry>,
}

impl<'c> Look<'c> {
    /// Looks.
    pub(crate) fn new(config: Option<&'c Config>) -> Outcome<Self> {
        let sources = config.map(|config| config.sources.as_slice()).unwrap_or_default();
        let own = config.map(Config::own_paths).unwrap_or_default();
        let roots = sources.iter().flat_map(|source| source.capture.roots()).collect();
        let within = Within { roots, never: own.clone() };
        let servers = ADAPTERS.iter().flat_map(|adapter| adapter.discover(&within)).collect();
        let inventory = look(&Machine::this());
        let files = sources
            .iter()
            .filter(|source| source.kind == "files")
            .map(files_of)
            .collect::<Outcome<Vec<_>>>()?;
        let named: Vec<_> = sources.iter().map(|source| (source.kind.clone(), source.name.clone())).collect();
        let kinds: Vec<_> = ADAPTERS.iter().map(|adapter| adapter.kind()).collect();
        let host = Host {
            inventory: &inventory,
            files: &files,
            sources: &named,
            kinds: &kinds,
            own: &own,
            folders: &folders,
        };
        let ledger = ledger(&host, &Sizer::new(COUNTING, COUNTING_ONE));
        Ok(Self { sources, servers, inventory, ledger })
    }

    /// The document of `vow discover`.
    pub(crate) fn document(&self, uncovered: u64) -> Value {
        let one = |server: &Discovered| {
            document(server, source_of(self.sources, server), files_source(self.sources, server))
        };
        json!({
            "message_type": "summary",
            "status": "ok",
            "uncovered": uncovered,
            "servers": self.servers.iter().map(one).collect::<Vec<_>>(),
            "inventory": self.inventory,
            "ledger": self.ledger,
        })
    }

    /// For people: what is covered in short, what is not in full.
    pub(crate) fn print(&self, ui: Ui) {
        for entry in &self.ledger {
            let line = match &entry.state {
                State::Covered { by } => format!("{}: covered by {by}", name(entry)),
                State::Excluded { by, pattern } => {
                    format!("{}: excluded by {by} with {pattern:?}", name(entry))
                }
                State::Unknown { .. } => format!("{}: NOT COVERED", name(entry)),
                State::Spare { .. } => continue,
            };
            ui.line(&plain(&line));
        }
        for unseen in &self.inventory.unseen {
            ui.warn(&plain(&format!("not seen: {}: {}", unseen.what, unseen.why)));
        }
    }

    /// Databases that no source captures: the server, the part, and whether a source leaves it out on purpose.
    pub(crate) fn databases(
        &self,
    ) -> impl Iterator<Item = (&Discovered, &vow_sources::adapter::Part, crate::commands::discover::Cover<'c>)>
    {
        self.servers.iter().flat_map(|server| {
            let source = source_of(self.sources, server);
            server.parts.iter().map(move |part| (server, part, cover(source, part)))
        })
    }
}

fn name(entry: &Entry) -> String {
    let size = entry.bytes.map_or_else(String::new, |bytes| {
        let least = if entry.at_least { "at least " } else { "" };
        format!(", {least}{}", ui::bytes(bytes))
    });
    match &entry.path {
        Some(path) if entry.finding.starts_with("service:") => format!("{} ({path})", entry.what),
        Some(path) => format!("{} {path}{size}", entry.what),
        None => format!("{}{size}", entry.what),
    }
}

fn files_of(source: &SourcePlan) -> Outcome<FilesSource> {
    let left_out = LeftOut::by(&source.capture.excludes());
    let left_out = left_out
        .map_err(|e| Failure::failed(format!("the source {} cannot be used", source.name)).because(&e))?;
    let one_file_system =
        source.settings.iter().any(|(key, value)| key == "one_file_system" && value.as_bool() == Some(true));
    Ok(FilesSource { name: source.name.clone(), roots: source.capture.roots(), left_out, one_file_system })
}

/// The folders in a folder, in order; no links.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut found: Vec<_> = entries.filter(is_folder).map(|entry| entry.path()).take(FOLDERS_MAX).collect();
    found.sort();
    found
}
