//! The damage matrix: whatever happens to whichever object, a check finds it, no wrong byte is restored, and snapshots that do not
//! need the object are whole.

use super::wounds::{WOUNDS, Wound, Wounded};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use vow_testkit::host::{below, files_below, scratch};
use vow_testkit::{Dice, Host, Tree};

/// Snapshots of which each adds packs: beyond 64 packs there are list segments.
const MANY: usize = 80;
const FEW: usize = 6;

/// A snapshot, and what the vault held when it was made.
struct Taken {
    id: String,
    tree: Tree,
    objects: BTreeSet<PathBuf>,
}

struct Patient {
    host: Host,
    source: PathBuf,
    taken: Vec<Taken>,
    _scratch: tempfile::TempDir,
}

impl Patient {
    fn new(snapshots: usize) -> Self {
        let scratch = scratch();
        let source = scratch.path().join("source");
        fs::create_dir_all(source.join("sub")).unwrap();
        let dice = &mut Dice::new(4);
        fs::write(source.join("noise"), dice.bytes(700_000)).unwrap();
        for number in 0..10 {
            fs::write(source.join(format!("sub/{number}")), dice.bytes(3000)).unwrap();
        }
        let host = Host::at(&scratch.path().join("host"), &[&source]);
        let mut patient = Self { host, source, taken: Vec::new(), _scratch: scratch };
        for number in 0..snapshots {
            fs::write(patient.source.join(format!("new {number}")), dice.bytes(2000)).unwrap();
            let id = patient.host.backup();
            if [0, snapshots - 2, snapshots - 1].contains(&number) {
                let tree = Tree::read(&patient.source);
                let objects = patient.objects("").into_iter().collect();
                patient.taken.push(Taken { id, tree, objects });
            }
        }
        patient
    }

    /// Files below a folder of the host's in the vault.
    fn objects(&self, folder: &str) -> Vec<PathBuf> {
        files_below(&self.host.objects(&self.host.vault()).join(folder))
    }

    /// Those that came between two of the snapshots taken.
    fn of_snapshot(&self, at: usize, folder: &str) -> Vec<PathBuf> {
        let before = at.checked_sub(1).map(|before| &self.taken[before].objects);
        let mine = |path: &PathBuf| {
            self.taken[at].objects.contains(path) && !before.is_some_and(|before| before.contains(path))
        };
        self.objects(folder).into_iter().filter(mine).collect()
    }

    /// Wounds one file in every way.
    fn try_all(&self, what: &str, path: &Path, other: Option<&Path>) {
        self.try_these(&WOUNDS, what, path, other);
    }

    fn try_these(&self, wounds: &[Wound], what: &str, path: &Path, other: Option<&Path>) {
        for wound in wounds.iter().copied() {
            let Some(_wounded) = Wounded::new(path, other, wound) else { continue };
            let case = format!("{what}: {wound:?} of {}", path.display());
            self.checks_find_it(&case);
            for (at, taken) in self.taken.iter().enumerate() {
                let touched: Vec<_> = [Some(path), other.filter(|_| wound == Wound::Swapped)].into();
                let needed = touched.iter().flatten().any(|path| {
                    taken.objects.contains(*path) || !path.starts_with(self.host.objects(&self.host.vault()))
                });
                self.restores_right_or_not(
                    taken,
                    needed || what == "host.pub",
                    &format!("{case}, snapshot {at}"),
                );
            }
        }
        let _ = self.host.check().expect(0);
    }

    fn checks_find_it(&self, case: &str) {
        let without = self.host.run(["check", "--read-data", "--json"]);
        for done in [without, self.host.check()] {
            let found = matches!(done.code, Some(1 | 4 | 10));
            assert!(found, "{case}: not found\n{}", done.story());
            assert!(done.said().len() > 40, "{case}: says nothing\n{}", done.story());
        }
    }

    /// A bare machine has the vault and the kit.
    fn restores_right_or_not(&self, taken: &Taken, may_fail: bool, case: &str) {
        let target = scratch();
        let done = self.host.restore_from(&self.host.vault(), &taken.id, target.path());
        let restored = below(target.path(), &self.source);
        let found = if restored.exists() { Tree::read(&restored) } else { Tree::default() };
        let files = |tree: &Tree| tree.filtered(|path| self.source.join(as_path(path)).is_file());
        let wrong = files(&taken.tree).differences(&files(&found));
        let wrong: Vec<_> = wrong.iter().filter(|line| !line.ends_with(": missing")).collect();
        assert!(wrong.is_empty(), "{case}: wrong bytes: {wrong:?}\n{}", done.story());
        if done.code == Some(0) {
            taken.tree.assert_equals(&found, case);
        } else {
            assert!(may_fail, "{case}: it does not need that object\n{}", done.story());
            assert!(done.said().len() > 40, "{case}: says nothing\n{}", done.story());
        }
    }
}

fn as_path(path: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(path))
}

#[test]
fn whatever_happens_to_an_object_is_found_and_never_restored() {
    let patient = Patient::new(MANY);
    let (first, last) = (patient.of_snapshot(0, "packs"), patient.of_snapshot(2, "packs"));
    assert!(first.len() >= 2 && !last.is_empty(), "packs with data and with the root: {first:?} {last:?}");
    for pack in first.iter().chain(&last) {
        patient.try_all("pack", pack, patient.of_snapshot(1, "packs").first().map(PathBuf::as_path));
    }
    let lists = patient.of_snapshot(2, "lists");
    assert!(!lists.is_empty(), "there are no list segments");
    patient.try_all("list segment", &lists[0], patient.of_snapshot(1, "lists").first().map(PathBuf::as_path));
    let manifest = &patient.of_snapshot(2, "manifests")[0];
    patient.try_all("manifest", manifest, patient.of_snapshot(1, "manifests").first().map(PathBuf::as_path));
    let _ = patient.host.check().expect(0);
}

#[test]
fn whatever_happens_to_what_no_restore_needs_is_found_and_harmless() {
    let patient = Patient::new(FEW);
    let index = patient.of_snapshot(0, "index");
    for wound in WOUNDS {
        let other = patient.of_snapshot(2, "index");
        let Some(_wounded) = Wounded::new(&index[0], other.first().map(PathBuf::as_path), wound) else {
            continue;
        };
        let case = format!("index segment: {wound:?}");
        patient.checks_find_it(&case);
        for taken in &patient.taken {
            patient.restores_right_or_not(taken, false, &case);
        }
    }
}

#[test]
fn whatever_happens_to_the_vaults_own_records_is_said() {
    let patient = Patient::new(FEW);
    let vault = patient.host.vault();
    let ledger = files_below(&vault.join("ledger"));
    patient.try_all("ledger", &ledger[3], Some(&ledger[1]));
    // Without its last entry a ledger is one that was rolled back, which no vault can tell by itself.
    let wounds: Vec<_> = WOUNDS.into_iter().filter(|wound| *wound != Wound::Deleted).collect();
    patient.try_these(&wounds, "ledger", &ledger[5], Some(&ledger[2]));
    patient.try_all("VOW", &vault.join("VOW"), Some(&vault.join("vault.key")));
    let public = patient.host.objects(&vault).join("host.pub");
    patient.try_all("host.pub", &public, Some(&vault.join("VOW")));
}

#[test]
fn a_backup_sends_again_what_was_lost_and_heals_nothing_by_deleting() {
    let patient = Patient::new(FEW);
    for pack in patient.of_snapshot(0, "packs") {
        fs::remove_file(pack).unwrap();
    }
    let tree = Tree::read(&patient.source);
    let id = patient.host.backup();
    patient.host.assert_restores(&id, &patient.source, &tree);
    // The older snapshots are what they were: damaged, there, and said to be.
    let done = patient.host.check().expect(4);
    assert!(done.said().contains(&patient.taken[0].id), "{}", done.story());
}

#[test]
fn a_lost_index_segment_stops_no_backup() {
    let patient = Patient::new(FEW);
    fs::remove_file(&patient.objects("index")[1]).unwrap();
    for number in 0..2 {
        fs::write(patient.source.join("afterwards"), format!("{number}")).unwrap();
        let id = patient.host.backup();
        patient.host.assert_restores(&id, &patient.source, &Tree::read(&patient.source));
    }
}

#[test]
fn a_damaged_ledger_keeps_nobody_from_restoring() {
    let patient = Patient::new(FEW);
    let entry = patient.host.vault().join("ledger/00000000000000000001");
    let mut bytes = fs::read(&entry).unwrap();
    bytes[100] ^= 1;
    fs::write(&entry, bytes).unwrap();
    for taken in &patient.taken {
        patient.host.assert_restores(&taken.id, &patient.source, &taken.tree);
    }
    // The check finds it, and looks at everything else.
    let checked = patient.host.check().expect(4);
    let vault = &checked.summary()["vaults"][0];
    assert_eq!(
        (&vault["packs_read"], &vault["damaged"]),
        (&vault["packs"], &json!([])),
        "{}",
        checked.story()
    );
    assert!(vault["ledger"][0].to_string().contains("position 1"), "{}", checked.story());
}
