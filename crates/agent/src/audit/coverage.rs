//! The ledger of a host: everything that may hold data, and what becomes of it.

use super::places::{is_mixed, spare};
use super::services::{Known, known};
use super::sizes::{Size, Sizer};
use super::{Entry, Finding, Severity, State};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vow_sources::discover::{Inventory, Mount, MountKind};
use vow_sources::files::LeftOut;

/// A source of files.
pub struct FilesSource {
    /// Its name.
    pub name: String,
    /// Its paths.
    pub roots: Vec<PathBuf>,
    /// What it leaves out.
    pub left_out: LeftOut,
    /// It stays on the file systems of its paths.
    pub one_file_system: bool,
}

/// What is known of a host.
pub struct Host<'h> {
    /// What is on it.
    pub inventory: &'h Inventory,
    /// Sources of files.
    pub files: &'h [FilesSource],
    /// Types and names of all sources.
    pub sources: &'h [(String, String)],
    /// Types of sources that this program knows.
    pub kinds: &'h [&'static str],
    /// Vow's own folders.
    pub own: &'h [PathBuf],
    /// Names in a folder: paths of the folders in it.
    pub folders: &'h dyn Fn(&Path) -> Vec<PathBuf>,
}

/// Whether sources of files reach a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// This one captures it.
    By(String),
    /// This one would, but for a pattern.
    Excluded(String, String),
    /// None does.
    Not,
}

/// Folders are gone into this deep to tell what is covered from what is not.
const DEPTH_MAX: usize = 4;
/// Places of database servers, and the types of sources that capture them.
const SERVERS: [(&str, &[&str]); 4] = [
    ("PostgreSQL", &["postgres"]),
    ("MariaDB", &["mariadb", "mysql"]),
    ("Redis", &["redis", "valkey"]),
    ("Valkey", &["redis", "valkey"]),
];
/// Entries of one kind at most.
const ENTRIES_MAX: usize = 2000;

impl Host<'_> {
    /// Whether sources of files reach a path.
    pub fn coverage(&self, path: &Path) -> Coverage {
        let mut excluded = None;
        for source in self.files {
            let Some(root) = source
                .roots
                .iter()
                .filter(|root| path.starts_with(root))
                .max_by_key(|root| root.as_os_str().len())
            else {
                continue;
            };
            if source.one_file_system && self.mount_of(path) != self.mount_of(root) {
                continue;
            }
            // A root itself is captured whatever the patterns say.
            match source.left_out.pattern(path, true).filter(|_| path != root) {
                None => return Coverage::By(source.name.clone()),
                Some(pattern) => {
                    excluded = excluded.or(Some(Coverage::Excluded(source.name.clone(), pattern.to_owned())))
                }
            }
        }
        excluded.unwrap_or(Coverage::Not)
    }

    /// The mount that a path lies on.
    fn mount_of(&self, path: &Path) -> Option<&Mount> {
        let inside = self.inventory.mounts.iter().filter(|mount| path.starts_with(&mount.point));
        inside.max_by_key(|mount| mount.point.len())
    }

    fn is_mount(&self, path: &Path) -> bool {
        self.inventory.mounts.iter().any(|mount| Path::new(&mount.point) == path)
    }

    /// Whether a path of a plan lies below a folder.
    fn has_root_below(&self, folder: &Path) -> bool {
        let below = |root: &PathBuf| root.starts_with(folder) && root != folder;
        self.files.iter().any(|source| source.roots.iter().any(below)) || self.own.iter().any(below)
    }
}

/// Everything that may hold data, and what becomes of it.
pub fn ledger(host: &Host<'_>, sizer: &Sizer) -> Vec<Entry> {
    let mut entries = Vec::new();
    for mount in &host.inventory.mounts {
        mounted(host, mount, sizer, &mut entries);
    }
    entries.truncate(ENTRIES_MAX);
    let mut paths = BTreeSet::new();
    let inventory = host.inventory;
    let roots = inventory
        .web_roots
        .iter()
        .map(|root| ("web-root", format!("web root of {}", root.server), &root.path));
    let places = inventory.places.iter().map(|place| ("place", place.what.to_owned(), &place.path));
    let homes =
        inventory.homes.iter().map(|home| ("home", format!("home of {}", home.users.join(", ")), &home.path));
    let volumes = inventory
        .volumes
        .iter()
        .map(|volume| ("volume", format!("{} volume {}", volume.runtime, volume.name), &volume.path));
    let crontabs = inventory.cron_jobs.iter().map(|job| ("crontab", "crontab".to_owned(), &job.file));
    for (kind, what, path) in
        roots.chain(places).chain(homes).chain(volumes).chain(crontabs).take(ENTRIES_MAX)
    {
        if paths.insert((kind, path)) {
            // The files of a database server are worth nothing while it runs: a source of its type captures it.
            let server = SERVERS.iter().find(|(name, _)| kind == "place" && *name == what);
            let state =
                server.map_or_else(|| state_of(host, Path::new(path)), |(_, kinds)| adapter(host, kinds));
            let (finding, path) = (format!("{kind}:{path}"), Some(path.clone()));
            entries.push(Entry { finding, what, path, bytes: None, at_least: false, state });
        }
    }
    entries.extend(services(host));
    entries.extend(super::devices::entries(host.inventory));
    entries
}

fn mounted(host: &Host<'_>, mount: &Mount, sizer: &Sizer, entries: &mut Vec<Entry>) {
    let point = Path::new(&mount.point);
    let is_root = mount.point == "/";
    let skipped = match mount.kind {
        MountKind::Memory => Some("it is in memory, and gone at every start"),
        MountKind::Bind => Some("it is another view of a folder that is judged by itself"),
        MountKind::Overlay if !is_root => Some("images bring it"),
        _ => spare(point).filter(|_| !is_root),
    };
    let whole = match skipped {
        Some(why) => Some(State::Spare { why: why.to_owned() }),
        None => match host.coverage(point) {
            Coverage::By(by) => Some(State::Covered { by }),
            // What lies behind a network is not gone into: that may take for ever.
            _ if mount.kind == MountKind::Network => Some(state_of(host, point)),
            _ => None,
        },
    };
    if let Some(state) = whole {
        entries.push(Entry {
            finding: format!("mount:{}", mount.point),
            what: format!("{} on {}", mount.fs_type, mount.source),
            path: Some(mount.point.clone()),
            bytes: mount.used_bytes,
            at_least: false,
            state,
        });
        return;
    }
    let before = entries.len();
    folders_of(host, point, DEPTH_MAX, sizer, entries);
    if entries.len() == before {
        // Nothing in it but files, or nothing that may be seen.
        let is_empty = mount.used_bytes == Some(0);
        let state = if is_empty { State::Spare { why: "it is empty".into() } } else { state_of(host, point) };
        entries.push(Entry {
            finding: format!("mount:{}", mount.point),
            what: format!("{} on {}", mount.fs_type, mount.source),
            path: Some(mount.point.clone()),
            bytes: mount.used_bytes,
            at_least: false,
            state,
        });
    }
}

fn folders_of(host: &Host<'_>, folder: &Path, depth: usize, sizer: &Sizer, entries: &mut Vec<Entry>) {
    for path in (host.folders)(folder) {
        if host.is_mount(&path) || entries.len() >= ENTRIES_MAX {
            continue;
        }
        let state = state_of(host, &path);
        let covered = matches!(state, State::Covered { .. });
        if depth > 1 && !covered && (host.has_root_below(&path) || is_mixed(&path)) {
            let before = entries.len();
            folders_of(host, &path, depth - 1, sizer, entries);
            if entries.len() > before {
                continue;
            }
        }
        // Spare and covered folders are not counted: the time is for what nobody knows.
        let size = match state {
            State::Unknown { .. } | State::Excluded { .. } => sizer.size(&path),
            _ => Size::default(),
        };
        let counted = matches!(state, State::Unknown { .. } | State::Excluded { .. });
        if counted && size.files == 0 && !size.at_least {
            continue;
        }
        entries.push(Entry {
            finding: format!("folder:{}", path.display()),
            what: "folder".to_owned(),
            path: Some(path.display().to_string()),
            bytes: counted.then_some(size.bytes),
            at_least: size.at_least,
            state,
        });
    }
}

fn state_of(host: &Host<'_>, path: &Path) -> State {
    if host.own.iter().any(|own| path.starts_with(own)) {
        return State::Spare { why: "it is Vow's own".into() };
    }
    match host.coverage(path) {
        Coverage::By(by) => State::Covered { by },
        Coverage::Excluded(by, pattern) => State::Excluded { by, pattern },
        Coverage::Not => match spare(path) {
            Some(why) => State::Spare { why: why.to_owned() },
            None => State::Unknown { offer: Some(files_block(path)) },
        },
    }
}

fn services(host: &Host<'_>) -> Vec<Entry> {
    let one = |service: &vow_sources::discover::Service| {
        let ports = service.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let inside = service.container.as_ref().map_or_else(String::new, |id| format!("@{id}"));
        let state = match known(&service.process) {
            Known::NoData(why) => State::Spare { why: why.to_owned() },
            Known::Adapter(kinds) => adapter(host, kinds),
            Known::Folder(folder) => state_of(host, Path::new(folder)),
            Known::Stranger => State::Unknown { offer: None },
        };
        Entry {
            finding: format!("service:{}{inside}", service.process),
            what: format!("{} listens on {ports}", service.process),
            path: service.program.clone(),
            bytes: None,
            at_least: false,
            state,
        }
    };
    host.inventory.services.iter().take(ENTRIES_MAX).map(one).collect()
}

/// A database server: covered when a source of its type is in the plan; which of its databases are is judged one by one.
fn adapter(host: &Host<'_>, kinds: &[&'static str]) -> State {
    if let Some((_, name)) = host.sources.iter().find(|(kind, _)| kinds.contains(&kind.as_str())) {
        return State::Covered { by: name.clone() };
    }
    let kind = kinds.iter().find(|kind| host.kinds.contains(kind));
    State::Unknown {
        offer: kind.map(|kind| {
            format!(
                "[[source]]\nname = \"{kind}\"\ntype = \"{kind}\"\n# url = \"…\": `vow discover` shows it\n"
            )
        }),
    }
}

/// Lines that capture a path.
fn files_block(path: &Path) -> String {
    let name: String = path
        .to_string_lossy()
        .trim_matches('/')
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(60)
        .collect();
    let name = name.trim_matches('-');
    let name = if name.is_empty() { "files" } else { name };
    let path = toml_string(&path.to_string_lossy());
    format!("[[source]]\nname = \"{name}\"\ntype = \"files\"\npaths = [{path}]\n")
}

/// A TOML string: what a name contains cannot end it.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

impl Entry {
    /// The finding about it, when it is one.
    pub fn finding(&self) -> Option<Finding> {
        let (text, offer, severity) = match &self.state {
            State::Unknown { offer } => {
                (format!("{} is captured by no source", self.named()), offer.clone(), Severity::High)
            }
            // It was left out on purpose, and is shown; that something of value is known to be there is for a person to accept.
            State::Excluded { by, pattern } if !self.finding.starts_with("folder:") => {
                let text =
                    format!("{} is left out by the pattern {pattern:?} of the source {by}", self.named());
                (text, None, Severity::Low)
            }
            _ => return None,
        };
        let hint = match &offer {
            Some(_) => "add the lines offered to vow.toml, or accept it with a [[waiver]]".to_owned(),
            None => "find out what it keeps, and capture that; or accept it with a [[waiver]]".to_owned(),
        };
        Some(Finding {
            finding: self.finding.clone(),
            check: "coverage",
            severity,
            text,
            hint,
            offer,
            waived: None,
        })
    }

    fn named(&self) -> String {
        let size = match (self.bytes, self.at_least) {
            (Some(bytes), true) => format!(" (at least {} MB)", bytes.div_ceil(1_000_000)),
            (Some(bytes), false) => format!(" ({} MB)", bytes.div_ceil(1_000_000)),
            (None, _) => String::new(),
        };
        match &self.path {
            Some(path) if self.what == "folder" => format!("the folder {path}{size}"),
            Some(path) => format!("{}: {path}{size}", self.what),
            None => format!("{}{size}", self.what),
        }
    }
}
