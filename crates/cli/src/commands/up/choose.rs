//! What a new plan captures, chosen from what is on the machine. Facts in, a choice out: what is left out has a reason and a next step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vow_agent::audit::{Entry, Size, State};
use vow_sources::adapter::Discovered;
use vow_sources::discover::{Inventory, MountKind};

/// What is known.
pub(super) struct Facts<'f> {
    /// What becomes of everything that may hold data, without a plan.
    pub(super) ledger: &'f [Entry],
    /// What is on the machine.
    pub(super) inventory: &'f Inventory,
    /// What adapters have found.
    pub(super) servers: &'f [Discovered],
    /// The home folder of an ordinary user; none for root.
    pub(super) home: Option<&'f Path>,
    /// Bytes that the first backup may take; none when nobody can say.
    pub(super) room_bytes: Option<u64>,
    /// Counts what lies in a folder, as far as time allows.
    pub(super) size: &'f dyn Fn(&Path) -> Size,
    /// Whether a folder is the user's own.
    pub(super) own: &'f dyn Fn(&Path) -> bool,
}

/// What is captured, and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Folders and files, with a word about each.
    pub(super) paths: Vec<(PathBuf, String)>,
    /// What else was found.
    pub(super) left: Vec<Left>,
    /// Database servers.
    pub(super) servers: Vec<Server>,
    /// SQLite databases of services.
    pub(super) sqlite: Vec<PathBuf>,
}

impl Choice {
    /// Whether nothing at all is captured.
    pub(super) fn is_empty(&self) -> bool {
        let servers = self.servers.iter().all(|server| server.problem.is_some());
        self.paths.is_empty() && self.sqlite.is_empty() && servers
    }
}

/// Something that is not captured.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) what: String,
    /// Why it is left out, and what to do about that.
    pub(super) why: String,
}

/// A database server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// The type of source.
    pub(super) kind: &'static str,
    /// What it is.
    pub(super) name: String,
    /// Where it answers.
    pub(super) url: Option<String>,
    /// Its databases.
    pub(super) databases: Vec<String>,
    /// Why it is not captured.
    pub(super) problem: Option<String>,
}

/// Types of sources that are captured from a running server.
const SERVERS: [&str; 5] = ["postgres", "mariadb", "redis", "etcd", "ldap"];
/// Where SQLite databases are those of services. Elsewhere there are thousands, of browsers and caches, and they are files like others.
const SERVICES: [&str; 4] = ["/var/lib", "/var/www", "/srv", "/opt"];
const SQLITE_MAX: usize = 200;
/// Where disks come and go.
const REMOVABLE: [&str; 2] = ["/media", "/run/media"];

/// Chooses.
pub(super) fn choose(facts: &Facts<'_>) -> Choice {
    let mut choice = Choice::default();
    servers(facts, &mut choice);
    let everything_fits = everything_fits(facts);
    let mut room = facts.room_bytes;
    for (path, (what, bytes)) in candidates(facts) {
        if choice.paths.iter().any(|(taken, _)| path.starts_with(taken)) {
            continue;
        }
        if let Some(why) = refused(facts, &path) {
            choice.left.push(Left { path, what, why });
            continue;
        }
        if !everything_fits && let Some(room) = &mut room {
            let size = bytes.map_or_else(|| (facts.size)(&path), |bytes| Size { bytes, ..Size::default() });
            // What may not be read takes no room either.
            if size.cut_short || size.bytes > *room {
                choice.left.push(Left { path, what, why: too_large(&size, *room) });
                continue;
            }
            *room -= size.bytes;
        }
        choice.paths.push((path, what));
    }
    let of_services = |path: &PathBuf| {
        SERVICES.iter().any(|place| path.starts_with(place))
            && choice.paths.iter().any(|(taken, _)| path.starts_with(taken))
    };
    let found = facts.servers.iter().filter(|found| found.kind == "sqlite" && found.problems.is_empty());
    choice.sqlite =
        found.filter_map(|found| found.data.clone()).filter(of_services).take(SQLITE_MAX).collect();
    choice
}

fn too_large(size: &Size, room: u64) -> String {
    let (bytes, room) = (crate::ui::bytes(size.bytes), crate::ui::bytes(room));
    let found = if size.cut_short {
        format!("it has more than {bytes}, there was no time to count all of it")
    } else {
        format!("it has {bytes}")
    };
    format!(
        "{found}, and the vault on this machine has room for {room} more: join a vault behind an address, or make room, and add it \
         to paths"
    )
}

/// Folders that nobody captures, outer ones first, with what they are and how large, when that was counted.
fn candidates(facts: &Facts<'_>) -> BTreeMap<PathBuf, (String, Option<u64>)> {
    let mut found: BTreeMap<PathBuf, (String, Option<u64>)> = BTreeMap::new();
    if let Some(home) = facts.home {
        found.insert(home.to_owned(), ("your home folder".into(), None));
    }
    for entry in facts.ledger {
        let State::Unknown { offer: Some(offer), .. } = &entry.state else { continue };
        // A server's own folder has another type of source.
        if !offer.is_files() {
            continue;
        }
        let bytes = entry.bytes.filter(|_| !entry.at_least && entry.finding.starts_with("folder:"));
        for path in offer.paths() {
            let known = found.entry(path.clone()).or_insert_with(|| (entry.what.clone(), bytes));
            if known.0 == "folder" {
                known.0.clone_from(&entry.what);
            }
            known.1 = known.1.or(bytes);
        }
    }
    // An outer folder is as large as everything in it: an inner one is chosen when the outer one is left out.
    found
}

/// Why a folder is not captured, whatever its size.
fn refused(facts: &Facts<'_>, path: &Path) -> Option<String> {
    let mount = facts.inventory.mounts.iter().filter(|mount| path.starts_with(&mount.point));
    let mount = mount.max_by_key(|mount| mount.point.len());
    if mount.is_some_and(|mount| mount.kind == MountKind::Network) {
        return Some("it lies behind a network: back it up where it is, or add it to paths".into());
    }
    // The stick that is to take the recovery key away may be there; when it is gone, runs would miss what was on it.
    if mount.is_some_and(|mount| is_removable(Path::new(&mount.point))) {
        return Some("it is mounted where disks come and go: add it to paths when it stays".into());
    }
    match facts.home {
        Some(home) if path != home && !(facts.own)(path) => {
            Some("it is not this account's: run `vow up` as root to have the whole machine".into())
        }
        _ => None,
    }
}

/// Whether disks that are carried about are mounted there.
fn is_removable(point: &Path) -> bool {
    REMOVABLE.iter().any(|folder| point.starts_with(folder))
}

/// Whether all the disks of this machine are emptier than the room there is.
fn everything_fits(facts: &Facts<'_>) -> bool {
    let Some(room) = facts.room_bytes else { return true };
    let disks = facts.inventory.mounts.iter();
    let disks = disks.filter(|mount| matches!(mount.kind, MountKind::Disk | MountKind::Overlay));
    let disks = disks.filter(|mount| !is_removable(Path::new(&mount.point)));
    let mut seen: Vec<&str> = Vec::new();
    let mut used = 0_u64;
    for disk in disks {
        if !seen.contains(&disk.device.as_str()) {
            seen.push(&disk.device);
            used = used.saturating_add(disk.used_bytes.unwrap_or(u64::MAX));
        }
    }
    used <= room
}

fn servers(facts: &Facts<'_>, choice: &mut Choice) {
    for found in facts.servers.iter().filter(|found| SERVERS.contains(&found.kind)) {
        let problem = found
            .problems
            .first()
            .cloned()
            .or_else(|| found.url.is_none().then(|| "where it answers is not known".to_owned()));
        choice.servers.push(Server {
            kind: found.kind,
            name: found.name.clone(),
            url: found.url.clone(),
            databases: found.parts.iter().map(|part| part.name.clone()).collect(),
            problem,
        });
    }
    // Those that are captured have the plain names.
    choice.servers.sort_by_key(|server| server.problem.is_some());
}

#[cfg(test)]
mod tests {
    use super::*;
    use vow_agent::audit::Offer;
    use vow_sources::discover::Mount;

    fn entry(finding: &str, bytes: Option<u64>) -> Entry {
        let (kind, path) = finding.split_once(':').expect("a kind");
        Entry {
            finding: finding.into(),
            what: kind.into(),
            path: Some(path.into()),
            bytes,
            at_least: false,
            state: State::Unknown { offer: Offer::files(&[Path::new(path)]), kind: None },
        }
    }

    fn mount(point: &str, kind: MountKind, used_bytes: u64) -> Mount {
        Mount {
            point: point.into(),
            fs_type: "ext4".into(),
            source: point.into(),
            device: point.into(),
            kind,
            read_only: false,
            size_bytes: None,
            used_bytes: Some(used_bytes),
        }
    }

    fn chosen(ledger: &[Entry], mounts: Vec<Mount>, home: Option<&str>, room: Option<u64>) -> Choice {
        let inventory = Inventory { mounts, ..Inventory::default() };
        choose(&Facts {
            ledger,
            inventory: &inventory,
            servers: &[],
            home: home.map(Path::new),
            room_bytes: room,
            size: &|path| {
                let cut_short = path.ends_with("huge");
                Size {
                    bytes: 70,
                    at_least: cut_short || path.ends_with("closed"),
                    cut_short,
                    ..Size::default()
                }
            },
            own: &|path| path.starts_with("/srv/mine"),
        })
    }

    fn names(choice: &Choice) -> (Vec<&str>, Vec<&str>) {
        let text = |path: &PathBuf| path.to_str().map(|text| &*Box::leak(text.to_owned().into_boxed_str()));
        (
            choice.paths.iter().filter_map(|(path, _)| text(path)).collect(),
            choice.left.iter().filter_map(|left| text(&left.path)).collect(),
        )
    }

    #[test]
    fn what_lies_in_a_chosen_folder_is_not_named_again() {
        let ledger =
            [entry("folder:/home", None), entry("home:/home/ada", None), entry("folder:/etc", Some(5))];
        let choice = chosen(&ledger, Vec::new(), None, None);
        assert_eq!(names(&choice), (vec!["/etc", "/home"], vec![]));
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_what_lies_behind_a_network() {
        let ledger = [
            entry("folder:/data", Some(1000)),
            entry("home:/data/ada", None),
            entry("folder:/etc", Some(5)),
            entry("home:/huge", None),
            entry("mount:/nfs", Some(1)),
            entry("mount:/media/ada/stick", Some(1)),
        ];
        let mounts = || {
            vec![
                mount("/", MountKind::Disk, 2000),
                mount("/nfs", MountKind::Network, 0),
                mount("/media/ada/stick", MountKind::Disk, 1),
            ]
        };
        let choice = chosen(&ledger, mounts(), None, Some(100));
        let left = vec!["/data", "/huge", "/media/ada/stick", "/nfs"];
        assert_eq!(names(&choice), (vec!["/data/ada", "/etc"], left));
        assert!(choice.left[0].why.contains("it has 1000 B"), "{choice:?}");
        // Where all of the disks fits, nothing is counted.
        let choice = chosen(&ledger, mounts(), None, Some(2000));
        assert_eq!(names(&choice), (vec!["/data", "/etc", "/huge"], vec!["/media/ada/stick", "/nfs"]));
    }

    #[test]
    fn a_folder_of_which_a_part_may_not_be_read_is_chosen_all_the_same() {
        let mounts = || vec![mount("/", MountKind::Disk, 2000)];
        let choice = chosen(&[], mounts(), Some("/home/closed"), Some(100));
        assert_eq!(names(&choice), (vec!["/home/closed"], vec![]));
        let choice = chosen(&[], mounts(), Some("/home/huge"), Some(100));
        assert_eq!(names(&choice), (vec![], vec!["/home/huge"]));
        assert!(choice.is_empty() && choice.left[0].why.contains("no time to count"), "{choice:?}");
    }

    #[test]
    fn an_ordinary_user_has_what_is_theirs() {
        let ledger =
            [entry("folder:/etc", Some(5)), entry("home:/home/bob", None), entry("folder:/srv/mine", None)];
        let choice = chosen(&ledger, Vec::new(), Some("/home/ada"), None);
        assert_eq!(names(&choice), (vec!["/home/ada", "/srv/mine"], vec!["/etc", "/home/bob"]));
    }

    #[test]
    fn a_server_that_cannot_be_logged_into_is_known_with_the_reason() {
        let found = |problems: &[&str]| Discovered {
            kind: "postgres",
            name: "PostgreSQL".into(),
            url: Some("postgres:///?host=/run".into()),
            data: None,
            running: true,
            parts: Vec::new(),
            problems: problems.iter().map(|text| (*text).to_owned()).collect(),
        };
        let inventory = Inventory::default();
        let choice = choose(&Facts {
            ledger: &[],
            inventory: &inventory,
            servers: &[found(&[]), found(&["it wants a password"])],
            home: None,
            room_bytes: None,
            size: &|_| Size::default(),
            own: &|_| true,
        });
        let problems: Vec<_> = choice.servers.iter().map(|server| server.problem.as_deref()).collect();
        assert_eq!(problems, [None, Some("it wants a password")]);
    }
}
