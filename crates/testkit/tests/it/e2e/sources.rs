//! What the tests of all types of sources need: a host with one source, its truth, its proof, tools that lie.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_sources::adapter::{Ground, Proof, Tried, adapter};
use vow_store::archive::{Archive, Snapshot};
use vow_store::session::Identities;
use vow_testkit::{Host, Volume, host, shell::Done};
use vow_vault::Vault;

/// A host with a source `db` of this type and these lines, in a folder that goes with the second value.
pub(crate) fn host_of(kind: &str, lines: &str) -> (Host, tempfile::TempDir) {
    let folder = host::scratch();
    fs::create_dir(folder.path().join("data")).unwrap();
    let host = Host::at(&folder.path().join("host"), &[&folder.path().join("data")]);
    host.add_to_plan(&format!("[[source]]\nname = \"db\"\ntype = \"{kind}\"\n{lines}"));
    (host, folder)
}

/// Puts other lines in the place of those that a plan has.
pub(crate) fn change(host: &Host, from: &str, to: &str) {
    let plan = fs::read_to_string(host.config()).unwrap();
    assert!(plan.contains(from), "{from} is not in {plan}");
    fs::write(host.config(), plan.replace(from, to)).unwrap();
}

pub(crate) fn back_up(host: &Host) -> Done {
    host.run(["backup", "db", "--json"])
}

/// Insists that no snapshot is made, and that these words are said.
#[track_caller]
pub(crate) fn fails(host: &Host, words: &[&str]) {
    let done = back_up(host).expect(1);
    for word in words {
        assert!(done.said().contains(word), "{word:?} is not said\n{}", done.story());
    }
    let listed = host.run(["snapshots", "--json"]).expect(0).summary();
    let taken: Vec<_> =
        listed["snapshots"].as_array().unwrap().iter().filter(|one| one["source"] == "db").collect();
    assert!(taken.is_empty(), "there is a snapshot: {taken:?}");
}

/// Runs a command with the recovery kit.
pub(crate) fn open(host: &Host, arguments: &[&str]) -> Done {
    let identity = host.identity().display().to_string();
    host.run(arguments.iter().copied().chain(["--identity", &identity]))
}

/// A document of the newest snapshot.
pub(crate) fn document(host: &Host, path: &str) -> serde_json::Value {
    let text = open(host, &["cat", &format!("db@latest:/{path}")]).expect(0).text();
    serde_json::from_str(&text).unwrap()
}

/// Restores the newest snapshot into a scratch place and compares it with its truth.
pub(crate) fn prove(host: &Host, kind: &str) -> Proof {
    vow_sources::sqlite::helper::set_program(host::binary());
    on_newest(host, |snapshot, place| {
        adapter(kind).unwrap().prove(snapshot, Ground::at(place), &[], &|| false).unwrap()
    })
}

/// Restores the newest snapshot, damages what came back, and says what the proof made of each damage.
pub(crate) fn sabotage(host: &Host, kind: &str) -> Vec<Tried> {
    on_newest(host, |snapshot, place| {
        adapter(kind).unwrap().sabotage(snapshot, Ground::at(place), &|| false).unwrap()
    })
}

fn on_newest<T>(host: &Host, act: impl FnOnce(&Snapshot, &Path) -> T) -> T {
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), &host.vault()).unwrap();
    let identity = fs::read_to_string(host.identity()).unwrap();
    let keys = Arc::new(Identities::parse(&identity).unwrap());
    let archive = Archive::new(Arc::new(vault), Some(keys), Vec::new());
    let snapshot = archive.open(&archive.find("db@latest").unwrap()).unwrap();
    let place = host::scratch();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    act(&snapshot, place.path())
}

/// Drills on a volume that fills up as soon as the scratch server has made a file of this name.
#[track_caller]
pub(crate) fn drill_filling(host: &Host, volume: &Volume, file: &str) -> Done {
    let (identity, place) = (host.identity().display().to_string(), volume.path().display().to_string());
    let mut running = host.start(["drill", "db", "--json", "--identity", &identity, "--scratch", &place]);
    while !host::files_below(&volume.path()).iter().any(|path| path.ends_with(file)) {
        assert!(!running.has_ended(), "too fast: {:?}", running.wait());
        std::thread::sleep(Duration::from_millis(2));
    }
    volume.fill();
    running.wait()
}

/// A program that is this script; in it `$REAL` is the true one.
pub(crate) fn script(folder: &Path, name: &str, real: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\nREAL={real}\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Insists that a secret is in no argument, environment, output or file while `act` runs, but in the file `keeper`.
pub(crate) fn assert_hidden(secret: &str, folder: &Path, keeper: &Path, act: impl FnOnce() -> Done) {
    let done = AtomicBool::new(false);
    let shown = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if let Some(path) = shown_by_a_process(secret) {
                    return Some(path);
                }
            }
            None
        });
        let ran = act();
        done.store(true, Ordering::Relaxed);
        assert!(!ran.said().contains(secret), "{}", ran.story());
        watch.join().unwrap()
    });
    assert_eq!(shown, None);
    let holders: Vec<_> = host::files_below(folder).into_iter().filter(|path| holds(path, secret)).collect();
    assert_eq!(holders, [keeper]);
}

fn shown_by_a_process(secret: &str) -> Option<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut files =
        processes.flat_map(|process| ["cmdline", "environ"].map(|name| process.path().join(name)));
    files.find(|path| holds(path, secret)).map(|path| path.display().to_string())
}

fn holds(path: &Path, secret: &str) -> bool {
    fs::read(path).unwrap_or_default().windows(secret.len()).any(|part| part == secret.as_bytes())
}
