//! The ledger of a host: everything that may hold data, and what becomes of it.

use super::places::{is_mixed, spare};
use super::services::{server_place, services};
use super::sizes::{Size, Sizer};
use super::{Entry, Finding, Offer, Severity, State};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vow_sources::adapter::Discovered;
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

/// A database server, or a database that is a file.
pub struct Server<'h> {
    /// What was found.
    pub found: &'h Discovered,
    /// Whether a source captures it.
    pub captured: bool,
}

/// What is known of a host.
pub struct Host<'h> {
    /// What is on it.
    pub inventory: &'h Inventory,
    /// Sources of files.
    pub files: &'h [FilesSource],
    /// Types and names of all sources.
    pub sources: &'h [(String, String)],
    /// What adapters have found.
    pub servers: &'h [Server<'h>],
    /// Types of sources that this program knows.
    pub kinds: &'h [&'static str],
    /// Vow's own folders.
    pub own: &'h [PathBuf],
    /// Names in a folder: paths of the folders in it.
    pub folders: &'h dyn Fn(&Path) -> Vec<PathBuf>,
    /// Files that lie directly in a folder, with the bytes allocated to each; none that are empty.
    pub loose: &'h dyn Fn(&Path) -> Vec<(PathBuf, u64)>,
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
/// Files of a container that are mounted from outside, and no data.
const OF_CONTAINERS: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
/// Entries of one kind at most.
pub(super) const ENTRIES_MAX: usize = 2000;
/// A folder with more folders in it is judged as a whole.
pub const FOLDERS_MAX: usize = 1000;
/// Files of one folder that are offered by name; of more the folder is offered.
const LOOSE_MAX: usize = 50;

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
    let mut full = entries.len() >= ENTRIES_MAX;
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
    let all = roots.chain(places).chain(homes).chain(volumes).chain(crontabs);
    for (number, (kind, what, path)) in all.enumerate() {
        if number == ENTRIES_MAX {
            full = true;
            break;
        }
        if paths.insert((kind, path)) {
            let state = state_of(host, Path::new(path));
            let (finding, path) = (format!("{kind}:{path}"), Some(path.clone()));
            entries.push(Entry { finding, what, path, bytes: None, at_least: false, state });
        }
    }
    entries.extend(services(host));
    entries.extend(super::devices::entries(host.inventory));
    if full || host.inventory.services.len() > ENTRIES_MAX {
        entries.push(too_many());
    }
    entries
}

/// What was not judged is not covered.
fn too_many() -> Entry {
    Entry {
        finding: "ledger:full".to_owned(),
        what: format!("something among more than {ENTRIES_MAX} things, of which not all were looked at,"),
        path: None,
        bytes: None,
        at_least: false,
        state: State::Unknown { offer: None, kind: None },
    }
}

fn mounted(host: &Host<'_>, mount: &Mount, sizer: &Sizer, entries: &mut Vec<Entry>) {
    let point = Path::new(&mount.point);
    let is_root = mount.point == "/";
    let skipped = match mount.kind {
        MountKind::Memory => Some("it is in memory, and gone at every start"),
        MountKind::Bind => Some("it is another view of a folder that is judged by itself"),
        MountKind::Overlay if !is_root => Some("images bring it"),
        _ if OF_CONTAINERS.contains(&mount.point.as_str()) => Some("whoever starts a container makes it"),
        _ => spare(point).filter(|_| !is_root),
    };
    let whole = match skipped {
        Some(why) => Some(State::Spare { why: why.to_owned() }),
        None => server_place(host, point).or_else(|| match host.coverage(point) {
            Coverage::By(by) => Some(State::Covered { by }),
            // What lies behind a network is not gone into: that may take for ever.
            _ if mount.kind == MountKind::Network => Some(state_of(host, point)),
            _ => None,
        }),
    };
    let entry = |state| Entry {
        finding: format!("mount:{}", mount.point),
        what: format!("{} on {}", mount.fs_type, mount.source),
        path: Some(mount.point.clone()),
        bytes: mount.used_bytes,
        at_least: false,
        state,
    };
    if let Some(state) = whole {
        entries.push(entry(state));
        return;
    }
    let before = entries.len();
    folders_of(host, point, DEPTH_MAX, sizer, entries);
    let loose = loose(host, point);
    let is_spare = |entry: &Entry| matches!(entry.state, State::Spare { .. });
    // Nothing in it but files, or nothing that may be seen; `lost+found` beside them says nothing.
    let only_files = entries[before..].iter().all(is_spare) && !is_root && loose.is_some();
    if entries.len() > before && !only_files {
        entries.extend(loose);
        return;
    }
    let is_empty = mount.used_bytes == Some(0);
    let state = if is_empty { State::Spare { why: "it is empty".into() } } else { state_of(host, point) };
    entries.push(entry(state));
}

fn folders_of(host: &Host<'_>, folder: &Path, depth: usize, sizer: &Sizer, entries: &mut Vec<Entry>) {
    let inside = (host.folders)(folder);
    if inside.len() > FOLDERS_MAX {
        return;
    }
    for path in inside {
        if host.is_mount(&path) || entries.len() >= ENTRIES_MAX {
            continue;
        }
        let state = state_of(host, &path);
        let covered = matches!(state, State::Covered { .. });
        if depth > 1 && !covered && (host.has_root_below(&path) || is_mixed(&path)) {
            let before = entries.len();
            folders_of(host, &path, depth - 1, sizer, entries);
            if entries.len() > before {
                entries.extend(loose(host, &path));
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

/// Files beside the folders of a folder that is judged folder by folder.
fn loose(host: &Host<'_>, folder: &Path) -> Option<Entry> {
    let is_swap = |path: &Path| host.inventory.swap_files.iter().any(|swap| Path::new(swap) == path);
    let is_unknown =
        |(path, _): &(PathBuf, u64)| !is_swap(path) && matches!(state_of(host, path), State::Unknown { .. });
    let unknown: Vec<_> = (host.loose)(folder).into_iter().filter(is_unknown).collect();
    let paths: Vec<_> = unknown.iter().map(|(path, _)| path.as_path()).collect();
    let offer = match paths.len() {
        0 => return None,
        1..=LOOSE_MAX => Offer::files(&paths),
        _ => Offer::files(&[folder]),
    };
    Some(Entry {
        finding: format!("files:{}", folder.display()),
        what: "files beside folders".to_owned(),
        path: Some(folder.display().to_string()),
        bytes: Some(unknown.iter().map(|(_, bytes)| bytes).sum()),
        at_least: false,
        state: State::Unknown { offer, kind: None },
    })
}

pub(super) fn state_of(host: &Host<'_>, path: &Path) -> State {
    if host.own.iter().any(|own| path.starts_with(own)) {
        return State::Spare { why: "it is Vow's own".into() };
    }
    // The files of a database server are worth nothing while it runs: a source of its type captures it.
    if let Some(state) = server_place(host, path) {
        return state;
    }
    match host.coverage(path) {
        Coverage::By(by) => State::Covered { by },
        Coverage::Excluded(by, pattern) => State::Excluded { by, pattern },
        Coverage::Not => match spare(path) {
            Some(why) => State::Spare { why: why.to_owned() },
            None => State::Unknown { offer: Offer::files(&[path]), kind: None },
        },
    }
}

impl Entry {
    /// The finding about it, when it is one.
    pub fn finding(&self) -> Option<Finding> {
        let (text, offer, kind, severity) = match &self.state {
            State::Unknown { offer, kind } => {
                (format!("{} is captured by no source", self.named()), offer.clone(), *kind, Severity::High)
            }
            // It was left out on purpose, and is shown; that something of value is known to be there is for a person to accept.
            State::Excluded { by, pattern } if !self.finding.starts_with("folder:") => {
                let text =
                    format!("{} is left out by the pattern {pattern:?} of the source {by}", self.named());
                (text, None, None, Severity::Low)
            }
            _ => return None,
        };
        let hint = match (&offer, kind) {
            (Some(_), _) => "add the lines offered to vow.toml, or accept it with a [[waiver]]".to_owned(),
            (None, Some(kind)) => format!(
                "add a [[source]] of type \"{kind}\" (docs/sources.md; `vow discover` shows what answers where), or accept it with a [[waiver]]"
            ),
            (None, None) => {
                "find out what it keeps, and capture that; or accept it with a [[waiver]]".to_owned()
            }
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
            Some(path) if self.finding.starts_with("files:") => {
                format!("what lies directly in the folder {path}{size}")
            }
            Some(path) => format!("{}: {path}{size}", self.what),
            None => format!("{}{size}", self.what),
        }
    }
}
