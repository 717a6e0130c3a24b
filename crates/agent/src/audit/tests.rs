mod appearing;

use super::*;
use crate::plan::Waiver;
use jiff::civil::date;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_sources::adapter::Discovered;
use vow_sources::discover::{Inventory, Mount, MountKind, Place, Service, Volume, WebRoot};
use vow_sources::files::LeftOut;

fn mount(point: &str, kind: MountKind) -> Mount {
    Mount {
        point: point.into(),
        fs_type: "ext4".into(),
        source: "/dev/x".into(),
        device: format!("1:{}", point.len()),
        kind,
        read_only: false,
        size_bytes: Some(1 << 30),
        used_bytes: Some(1 << 20),
    }
}

fn service(process: &str, container: Option<&str>) -> Service {
    Service {
        process: process.into(),
        ports: [1234].into(),
        public: true,
        program: None,
        unit: None,
        container: container.map(str::to_owned),
    }
}

fn files(name: &str, roots: &[&str], excludes: &[&str]) -> FilesSource {
    let excludes: Vec<_> = excludes.iter().map(|pattern| (*pattern).to_owned()).collect();
    let left_out = LeftOut::by(&excludes).expect("patterns");
    FilesSource {
        name: name.into(),
        roots: roots.iter().map(PathBuf::from).collect(),
        left_out,
        one_file_system: false,
    }
}

/// What becomes of each thing; folders are those given, and all of them count as full.
fn judge(
    inventory: &Inventory,
    files: &[FilesSource],
    sources: &[(&str, &str)],
    tree: &[&str],
) -> BTreeMap<String, State> {
    judge_with(inventory, files, sources, tree, &[], &[])
}

/// The same with servers that were found, and with files, each with the bytes that are said.
fn judge_with(
    inventory: &Inventory,
    files: &[FilesSource],
    sources: &[(&str, &str)],
    tree: &[&str],
    servers: &[Discovered],
    loose: &[(&str, u64)],
) -> BTreeMap<String, State> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        tree.iter().map(PathBuf::from).filter(|path| path.parent() == Some(folder)).collect()
    };
    let beside = |folder: &Path| -> Vec<(PathBuf, u64)> {
        let all = loose.iter().map(|(path, bytes)| (PathBuf::from(path), *bytes));
        all.filter(|(path, _)| path.parent() == Some(folder)).collect()
    };
    // By where it answers.
    let captured =
        |found: &Discovered| found.url.is_some() && sources.iter().any(|(kind, _)| *kind == found.kind);
    let servers: Vec<_> = servers.iter().map(|found| Server { found, captured: captured(found) }).collect();
    let named: Vec<_> = sources.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect();
    let host = Host {
        inventory,
        files,
        sources: &named,
        kinds: &["files", "postgres", "redis"],
        own: &[PathBuf::from("/var/lib/vow")],
        servers: &servers,
        folders: &folders,
        loose: &beside,
    };
    // No time to count: everything unknown has at least nothing.
    let sizer = Sizer::new(Duration::ZERO, Duration::ZERO);
    ledger(&host, &sizer).into_iter().map(|entry| (entry.finding, entry.state)).collect()
}

fn unknown(states: &BTreeMap<String, State>) -> Vec<&str> {
    let unknown = states.iter().filter(|(_, state)| matches!(state, State::Unknown { .. }));
    unknown.map(|(name, _)| name.as_str()).collect()
}

fn covered(by: &str) -> State {
    State::Covered { by: by.into() }
}

/// Folders that exist wherever tests run, so that they are not empty: `/usr/bin` is always there.
#[test]
fn what_no_source_reaches_is_unknown_and_the_rest_is_not() {
    let inventory = Inventory {
        mounts: vec![
            mount("/", MountKind::Disk),
            mount("/srv/data", MountKind::Disk),
            mount("/tmp", MountKind::Memory),
            mount("/mnt/nfs", MountKind::Network),
            // Where disks come and go, one that stayed.
            mount("/media/archive", MountKind::Disk),
            mount("/run/media/ada/disk", MountKind::Disk),
            mount("/mnt/again", MountKind::Bind),
            mount("/x/merged", MountKind::Overlay),
        ],
        ..Inventory::default()
    };
    let plan = [files("system", &["/etc", "/srv/data"], &[])];
    let states = judge(&inventory, &plan, &[], &["/etc", "/usr", "/dev"]);
    assert_eq!(states["folder:/etc"], covered("system"));
    assert_eq!(states["mount:/srv/data"], covered("system"));
    assert_eq!(unknown(&states), ["mount:/media/archive", "mount:/mnt/nfs", "mount:/run/media/ada/disk"]);
    for spare in ["folder:/usr", "folder:/dev", "mount:/tmp", "mount:/mnt/again", "mount:/x/merged"] {
        assert!(matches!(states[spare], State::Spare { .. }), "{spare}: {:?}", states[spare]);
    }
}

#[test]
fn patterns_and_file_systems_end_what_a_source_reaches() {
    let inventory = Inventory {
        mounts: vec![mount("/", MountKind::Disk), mount("/srv/big", MountKind::Disk)],
        web_roots: vec![
            WebRoot { path: "/srv/www/cache".into(), file: "x".into(), server: "nginx" },
            WebRoot { path: "/srv/www/site".into(), file: "x".into(), server: "nginx" },
        ],
        ..Inventory::default()
    };
    let mut plan = [files("srv", &["/srv"], &["/srv/www/cache"])];
    let states = judge(&inventory, &plan, &[], &["/srv"]);
    assert_eq!(states["mount:/srv/big"], covered("srv"));
    assert_eq!(states["web-root:/srv/www/site"], covered("srv"));
    assert!(matches!(states["web-root:/srv/www/cache"], State::Excluded { .. }));
    plan[0].one_file_system = true;
    let states = judge(&inventory, &plan, &[], &["/srv"]);
    assert_eq!(states["folder:/srv"], covered("srv"));
    assert_eq!(unknown(&states), ["mount:/srv/big"]);
}

#[test]
fn services_are_known_covered_or_strange() {
    let inventory = Inventory {
        services: vec![
            service("sshd", None),
            service("postgres", None),
            service("redis-server", None),
            service("slapd", None),
            service("systemd-resolve", None),
            service("homegrown", None),
            service("redis-server", Some("0123456789ab")),
        ],
        places: vec![Place { what: "LDAP", path: "/var/lib/ldap".into() }],
        volumes: vec![Volume {
            runtime: "docker",
            name: "shop".into(),
            path: "/var/lib/docker/volumes/shop/_data".into(),
        }],
        ..Inventory::default()
    };
    let states = judge(&inventory, &[], &[("postgres", "orders"), ("ldap", "people")], &[]);
    assert_eq!(states["service:postgres"], covered("orders"));
    assert_eq!(states["service:slapd"], covered("people"));
    assert_eq!(states["place:/var/lib/ldap"], covered("people"));
    assert_eq!(
        unknown(&states),
        [
            "service:homegrown",
            "service:redis-server",
            "service:redis-server@0123456789ab",
            "volume:/var/lib/docker/volumes/shop/_data",
        ]
    );
    // Where it answers is not known here, so no whole lines can be offered.
    let State::Unknown { offer: None, kind: Some("redis") } = &states["service:redis-server"] else {
        panic!("{states:?}")
    };
    let State::Unknown { offer: None, kind: None } = &states["service:homegrown"] else {
        panic!("{states:?}")
    };
}

fn server(kind: &'static str, running: bool) -> Discovered {
    Discovered {
        kind,
        name: kind.into(),
        url: Some(format!("{kind}:///run/it")),
        data: None,
        running,
        parts: Vec::new(),
        problems: Vec::new(),
    }
}

#[test]
fn files_beside_folders_are_found_where_folders_are_judged_one_by_one() {
    let inventory = Inventory {
        mounts: vec![mount("/", MountKind::Disk)],
        swap_files: vec!["/swapfile".into()],
        ..Inventory::default()
    };
    // Folders that are there wherever tests run: what is empty is nothing.
    let tree = ["/etc", "/etc/alternatives", "/etc/apt", "/home"];
    let files_there =
        [("/swapfile", 9), ("/dump.sql", 7), ("/etc/a.tar", 5), ("/etc/b.tar", 6), ("/home/x", 1)];
    let plan = [files("some", &["/etc/apt", "/etc/b.tar", "/home"], &[])];
    let states = judge_with(&inventory, &plan, &[], &tree, &[], &files_there);
    assert_eq!(unknown(&states), ["files:/", "files:/etc", "folder:/etc/alternatives"]);
    let State::Unknown { offer: Some(offer), .. } = &states["files:/etc"] else { panic!("{states:?}") };
    assert_eq!(offer.paths(), [PathBuf::from("/etc/a.tar")]);
    // A disk with files alone is found as a whole, whatever its file system has made there.
    let disk = Inventory { mounts: vec![mount("/mnt", MountKind::Disk)], ..Inventory::default() };
    let states = judge_with(&disk, &[], &[], &["/mnt/lost+found"], &[], &[("/mnt/x", 1)]);
    assert_eq!(unknown(&states), ["mount:/mnt"]);
    // Of very many the folder is offered.
    let names: Vec<_> = (0..60).map(|number| format!("/etc/{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let states = judge_with(&inventory, &plan, &[], &tree, &[], &many);
    let State::Unknown { offer: Some(offer), .. } = &states["files:/etc"] else { panic!("{states:?}") };
    assert_eq!(offer.paths(), [PathBuf::from("/etc")]);
}

#[test]
fn the_folder_of_a_server_is_for_a_source_of_its_type() {
    // Whatever it holds really: it is a folder that is there wherever tests run.
    let place = Place { what: "Redis", path: "/var/lib/dpkg".into() };
    let inventory =
        Inventory { mounts: vec![mount("/", MountKind::Disk)], places: vec![place], ..Inventory::default() };
    let tree = ["/var", "/var/lib", "/var/lib/dpkg"];
    // Reached by a source of files: fine unless the server runs.
    let plan = [files("lib", &["/var/lib"], &[])];
    let running = [server("redis", true)];
    let states = judge_with(&inventory, &plan, &[], &tree, &running, &[]);
    assert_eq!(unknown(&states), ["place:/var/lib/dpkg"]);
    let State::Unknown { offer: Some(offer), .. } = &states["place:/var/lib/dpkg"] else {
        panic!("{states:?}")
    };
    assert!(!offer.is_files(), "{offer}");
    let states = judge_with(&inventory, &plan, &[], &tree, &[server("redis", false)], &[]);
    assert_eq!(unknown(&states), [""; 0]);
    // A folder among others, likewise: its files are not offered.
    let plan = [files("app", &["/var/lib/app"], &[])];
    let states = judge_with(&inventory, &plan, &[], &tree, &running, &[]);
    assert_eq!(unknown(&states), ["folder:/var/lib/dpkg", "place:/var/lib/dpkg"]);
    let states = judge_with(&inventory, &plan, &[("redis", "cache")], &tree, &running, &[]);
    assert_eq!((unknown(&states), &states["folder:/var/lib/dpkg"]), (vec![], &covered("cache")));
}

#[test]
fn the_source_of_another_server_covers_no_folder_of_this_one() {
    let place = Place { what: "Redis", path: "/var/lib/dpkg".into() };
    let inventory =
        Inventory { mounts: vec![mount("/", MountKind::Disk)], places: vec![place], ..Inventory::default() };
    let tree = ["/var", "/var/lib", "/var/lib/dpkg"];
    let plan = [("redis", "cache")];
    let here = |running| Discovered {
        url: None,
        data: Some("/var/lib/dpkg/data".into()),
        ..server("redis", running)
    };
    let other = || Discovered { data: Some("/srv/redis".into()), ..server("redis", true) };
    for running in [true, false] {
        let states = judge_with(&inventory, &[], &plan, &tree, &[other(), here(running)], &[]);
        assert_eq!(unknown(&states), ["folder:/var/lib/dpkg", "place:/var/lib/dpkg"], "{running}");
    }
    // It does not run now, and the source that captures no other is taken for its own.
    let states = judge_with(&inventory, &[], &plan, &tree, &[here(false)], &[]);
    assert_eq!(states["place:/var/lib/dpkg"], covered("cache"));
}

#[test]
fn sizes_are_counted_for_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("a/b")).expect("folders");
    std::fs::write(folder.path().join("a/b/c"), vec![1; 100_000]).expect("a file");
    std::os::unix::fs::symlink("/usr", folder.path().join("a/usr")).expect("a link");
    let size = Sizer::new(Duration::from_secs(60), Duration::from_secs(60)).size(folder.path());
    assert_eq!((size.files, size.at_least), (1, false));
    assert!((100_000..1_000_000).contains(&size.bytes), "{size:?}");
    assert!(Sizer::new(Duration::ZERO, Duration::ZERO).size(folder.path()).at_least);
    assert_eq!(Sizer::new(Duration::ZERO, Duration::ZERO).size(Path::new("/nonexistent")), Size::default());
}

/// A machine in a folder, to which things are added one after another: each is found at the next look, and closed by what is offered.
#[test]
fn what_is_added_is_found_and_closed_by_the_lines_that_are_offered() {
    let root = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    let roots = std::cell::RefCell::new(vec!["/etc".to_owned()]);
    let look = || {
        let inventory = vow_sources::discover::look(&vow_sources::discover::Machine::below(root.path()));
        let roots = roots.borrow();
        let roots: Vec<_> = roots.iter().map(String::as_str).collect();
        judge(&inventory, &[files("files", &roots, &[])], &[], &[])
    };
    write("proc/self/mountinfo", "");
    let mut mounts = String::new();
    assert!(unknown(&look()).is_empty());
    for (path, text, gap) in [
        ("etc/nginx/conf.d/site.conf", "root /srv/site;", "web-root:/srv/site"),
        ("var/lib/docker/volumes/shop/_data/x", "x", "volume:/var/lib/docker/volumes/shop/_data"),
        ("var/spool/cron/crontabs/ann", "0 1 * * * backup.sh\n", "crontab:/var/spool/cron/crontabs/ann"),
        ("var/lib/ldap/data.mdb", "x", "place:/var/lib/ldap"),
        ("etc/passwd", "ann:x:1000:1000::/home/ann:/bin/sh\n", "home:/home/ann"),
        ("mnt/big/x", "x", "mount:/mnt/big"),
    ] {
        write("srv/site/index.html", "");
        write("home/ann/.profile", "");
        write(path, text);
        if gap.starts_with("mount:") {
            mounts.push_str("40 28 253:2 / /mnt/big rw - nfs4 far:/big rw\n");
            write("proc/self/mountinfo", &mounts);
        }
        let states = look();
        assert_eq!(unknown(&states), [gap]);
        let State::Unknown { offer: Some(offer), .. } = &states[gap] else { panic!("{gap}: {states:?}") };
        let offered = offer.paths().iter().map(|path| path.to_str().expect("text").to_owned());
        roots.borrow_mut().extend(offered);
        assert_eq!(look()[gap], covered("files"));
    }
}

fn finding(name: &str) -> Finding {
    let (text, hint) = (String::new(), String::new());
    Finding {
        finding: name.into(),
        check: "coverage",
        severity: Severity::High,
        text,
        hint,
        offer: None,
        waived: None,
    }
}

fn waiver(name: &str, until: jiff::civil::Date) -> Waiver {
    Waiver { finding: name.into(), reason: "scratch".into(), by: "ann".into(), until }
}

#[test]
fn waivers_hold_by_name_until_their_day() {
    let mut findings =
        ["folder:/scratch", "web-root:/scratch/www", "folder:/scratchy", "service:x"].map(finding);
    let waivers = [
        waiver("folder:/scratch", date(2026, 11, 28)),
        waiver("service:x", date(2026, 11, 27)),
        waiver("service:gone", date(2030, 1, 1)),
    ];
    let notes = apply(&mut findings, &waivers, date(2026, 11, 28));
    let waived: Vec<_> =
        findings.iter().filter(|finding| finding.waived.is_some()).map(|f| f.finding.as_str()).collect();
    assert_eq!(waived, ["folder:/scratch", "web-root:/scratch/www"]);
    assert_eq!(notes.len(), 2);
    assert!(notes[0].contains("service:x") && notes[0].contains("ended"), "{notes:?}");
    assert!(notes[1].contains("service:gone") && notes[1].contains("nothing"), "{notes:?}");
}

#[test]
fn what_lies_in_an_unknown_folder_is_closed_with_it() {
    let names = ["folder:/etc", "crontab:/etc/crontab", "home:/etc", "folder:/etcetera", "service:x"];
    let mut findings =
        names.map(|name| Finding { offer: Offer::files(&[Path::new("/etc")]), ..finding(name) });
    nest(&mut findings);
    let offered: Vec<_> = findings.iter().map(|finding| finding.offer.is_some()).collect();
    assert_eq!(offered, [true, false, false, true, true]);
    assert!(findings[1].hint.contains("folder:/etc"));
}

proptest! {
    /// Whatever a folder is called, what is offered is TOML that names that folder.
    #[test]
    fn what_is_offered_can_be_read(name in "[^/\\x00]{1,40}") {
        // It stands for what was no text.
        prop_assume!(!name.contains('\u{FFFD}'));
        let path = format!("/mnt/{name}");
        let inventory = Inventory { mounts: vec![mount(&path, MountKind::Network)], ..Inventory::default() };
        let states = judge(&inventory, &[], &[], &[]);
        let State::Unknown { offer: Some(offer), .. } = &states[&format!("mount:{path}")] else {
            panic!("{states:?}")
        };
        let read: toml::Table = offer.to_string().parse().expect("TOML");
        prop_assert_eq!(read["source"][0]["paths"][0].as_str(), Some(path.as_str()));
    }
}
