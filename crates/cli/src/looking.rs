//! What is on this host, and what the plan makes of it: what `vow discover` shows and `vow audit` judges.

use crate::commands::discover::{cover, document, files_source, source_of};
use crate::failure::{Failure, Outcome};
use crate::ui::{self, Ui, plain};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_agent::audit::{Entry, FOLDERS_MAX, FilesSource, Host, Server, Sizer, State, ledger};
use vow_agent::drill::scratch;
use vow_agent::plan::{Config, SourcePlan};
use vow_sources::adapter::{ADAPTERS, Discovered, Within};
use vow_sources::discover::{Inventory, Machine, Mount, MountKind, look};
use vow_sources::files::LeftOut;

/// Counting what lies in folders that nobody knows may take this long, and one of them this long.
const COUNTING: Duration = Duration::from_secs(2);
const COUNTING_ONE: Duration = Duration::from_millis(500);
/// Looking for databases that are files may take this long.
const FINDING: Duration = Duration::from_secs(3);

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
    /// What adapters had no time for.
    pub(crate) notes: Vec<String>,
}

impl<'c> Look<'c> {
    /// Looks.
    pub(crate) fn new(config: Option<&'c Config>) -> Outcome<Self> {
        let sources = config.map(|config| config.sources.as_slice()).unwrap_or_default();
        let own = config.map(Config::own_paths).unwrap_or_default();
        let roots = sources.iter().flat_map(|source| source.capture.roots()).collect();
        let inventory = look(&Machine::this());
        // What lies behind a network may keep one waiting for ever, and a second view shows nothing new.
        let elsewhere = |mount: &&Mount| matches!(mount.kind, MountKind::Network | MountKind::Bind);
        let elsewhere = inventory.mounts.iter().filter(elsewhere).map(|mount| PathBuf::from(&mount.point));
        let within = Within { roots, never: own.iter().cloned().chain(elsewhere).collect(), time: FINDING };
        // Scratch servers of a drill that is under way are gone when it ends.
        let stays = |found: &Discovered| !found.data.as_deref().is_some_and(scratch::is_in_use);
        let found = ADAPTERS.iter().flat_map(|adapter| adapter.discover(&within)).filter(stays);
        // An adapter names what it had no time for as well.
        let is_something =
            |found: &Discovered| found.data.is_some() || found.url.is_some() || !found.parts.is_empty();
        let (servers, rest): (Vec<_>, Vec<_>) = found.partition(is_something);
        let said = |rest: &Discovered| format!("{}: {}", rest.name, rest.problems.join("; "));
        let notes = rest.iter().map(said).collect();
        let files = sources
            .iter()
            .filter(|source| source.kind == "files")
            .map(files_of)
            .collect::<Outcome<Vec<_>>>()?;
        let named: Vec<_> = sources.iter().map(|source| (source.kind.clone(), source.name.clone())).collect();
        let found: Vec<_> = servers
            .iter()
            .map(|found| Server { found, captured: source_of(sources, found).is_some() })
            .collect();
        let kinds: Vec<_> = ADAPTERS.iter().map(|adapter| adapter.kind()).collect();
        let host = Host {
            inventory: &inventory,
            files: &files,
            sources: &named,
            servers: &found,
            kinds: &kinds,
            own: &own,
            folders: &folders,
            loose: &loose,
        };
        let ledger = ledger(&host, &Sizer::new(COUNTING, COUNTING_ONE));
        Ok(Self { sources, servers, inventory, ledger, notes })
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
        self.notes.iter().for_each(|note| ui.warn(&plain(note)));
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

/// The folders in a folder, in order; no links. One more than are judged one by one says that there are too many.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut found: Vec<_> =
        entries.filter(is_folder).map(|entry| entry.path()).take(FOLDERS_MAX + 1).collect();
    found.sort();
    found
}

/// The files in a folder that are not empty, with the bytes allocated to each, in order; no links.
fn loose(folder: &Path) -> Vec<(PathBuf, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let meta = entry.metadata().ok().filter(|meta| meta.is_file() && meta.len() > 0)?;
        Some((entry.path(), meta.blocks().saturating_mul(512)))
    });
    let mut found: Vec<_> = files.take(FOLDERS_MAX).collect();
    found.sort();
    found
}
