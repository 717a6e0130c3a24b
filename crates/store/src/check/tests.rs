use super::*;
use crate::archive::testing::{Lie, Maker, MemVault, Spec, dir, file, noise};
use crate::restore::testing::hard_tree;
use std::sync::Arc;

const EVERYTHING: CheckOptions = CheckOptions { read_data: true, threads: 2 };
const QUICK: CheckOptions = CheckOptions { read_data: false, threads: 2 };

struct World {
    vault: Arc<MemVault>,
    one: Maker,
    snapshots: Vec<SnapshotInfo>,
}

/// Two hosts; the first has three snapshots that share most, one of them with so many packs that its list has segments.
fn world() -> World {
    let vault = Arc::new(MemVault::default());
    let (mut one, mut two) = (Maker::new(&vault, 1), Maker::new(&vault, 2));
    let mut specs = hard_tree();
    let mut snapshots = vec![one.snapshot("files", &specs)];
    specs.push(file(b"zz-more", &noise(2_400_000, 9)));
    snapshots.push(one.snapshot("files", &specs));
    specs.push(file(b"zz-most", &noise(20_000, 10)));
    snapshots.push(one.snapshot("files", &specs));
    snapshots.push(two.snapshot("files", &hard_tree()));
    World { vault, one, snapshots }
}

impl World {
    fn check(&self, options: &CheckOptions) -> CheckReport {
        check(&self.one.archive(), options, &Monitor::silent()).expect("check")
    }

    fn blind(&self, options: &CheckOptions) -> CheckReport {
        let archive = Archive::new(self.vault.clone(), None, Vec::new());
        check(&archive, options, &Monitor::silent()).expect("check")
    }

    /// The snapshots whose manifests need an object.
    fn need(&self, kind: Kind, id: &ObjectId) -> Vec<ObjectId> {
        let needs = |info: &&SnapshotInfo| {
            let all = self.vault.all();
            let host = info.manifest.host_id();
            let expanded =
                info.manifest.packs.expand(|id| all.get(&(host, Kind::List, *id)).cloned().ok_or(()));
            let expanded = expanded.expect("a sound list");
            match kind {
                Kind::Pack => expanded.packs.contains(id),
                Kind::List => expanded.lists.contains(id),
                _ => info.id == *id,
            }
        };
        self.snapshots.iter().filter(needs).map(|info| info.id).collect()
    }
}

#[test]
fn a_sound_vault_is_found_sound() {
    let world = world();
    for (report, listings) in [
        (world.blind(&QUICK), 0),
        (world.blind(&EVERYTHING), 0),
        (world.check(&QUICK), 3),
        (world.check(&EVERYTHING), 3),
    ] {
        assert_eq!(report.damaged, []);
        assert_eq!((report.snapshots, report.listings), (4, listings));
        assert_eq!(report.packs, world.vault.ids(Kind::Pack).len() as u64);
    }
    // The other host's snapshot is sealed to somebody else: said, and no damage.
    assert_eq!(world.check(&QUICK).unopened, [world.snapshots[3].id]);
    assert!(!world.vault.ids(Kind::List).is_empty(), "the test needs list segments");
}

#[test]
fn every_damaged_object_is_found_and_no_other_is_blamed() {
    let world = world();
    for kind in [Kind::Pack, Kind::List, Kind::Manifest] {
        let ids = world.vault.ids(kind);
        let step = if kind == Kind::Pack { ids.len() / 12 } else { 1 };
        for id in ids.iter().step_by(step.max(1)) {
            let needed = world.need(kind, id);
            let sound = world.vault.all().iter().find(|(key, _)| key.2 == *id).expect("it").1.clone();
            for at in [0, 30, 70, sound.len() / 2, sound.len() - 1] {
                world.vault.spoil(kind, id, |bytes| bytes[at] ^= 4);
                for report in [world.blind(&EVERYTHING), world.check(&EVERYTHING)] {
                    let found: Vec<_> = report.damaged.iter().map(|d| (d.kind, d.id)).collect();
                    assert_eq!(found, [(kind, *id)], "byte {at}");
                    assert_eq!(sorted(&report.damaged[0].snapshots), sorted(&needed), "byte {at}");
                }
                world.vault.spoil(kind, id, |bytes| bytes.clone_from(&sound));
            }
        }
    }
    assert_eq!(world.check(&EVERYTHING).damaged, []);
}

#[test]
fn what_is_missing_or_cut_short_is_found_without_reading_it() {
    let world = world();
    for kind in [Kind::Pack, Kind::List, Kind::Manifest] {
        let ids = world.vault.ids(kind);
        for id in ids.iter().step_by((ids.len() / 8).max(1)) {
            let needed = world.need(kind, id);
            let (key, sound) = {
                let all = world.vault.all();
                let (key, sound) = all.iter().find(|(key, _)| key.2 == *id).expect("it");
                (*key, sound.clone())
            };
            world.vault.all().remove(&key);
            for report in [world.blind(&QUICK), world.check(&QUICK)] {
                assert_eq!(report.damaged.iter().map(|d| d.id).collect::<Vec<_>>(), [*id]);
                assert_eq!(sorted(&report.damaged[0].snapshots), sorted(&needed));
            }
            world.vault.all().insert(key, sound[..sound.len() - 1].to_vec());
            assert_eq!(world.blind(&QUICK).damaged.iter().map(|d| d.id).collect::<Vec<_>>(), [*id]);
            world.vault.all().insert(key, sound);
        }
    }
}

#[test]
fn two_packs_swapped_are_both_found() {
    let world = world();
    let packs = world.vault.ids(Kind::Pack);
    let bytes = |id: &ObjectId| world.vault.all().iter().find(|(key, _)| key.2 == *id).expect("it").1.clone();
    let (a, b) = (bytes(&packs[0]), bytes(&packs[1]));
    world.vault.spoil(Kind::Pack, &packs[0], |bytes| *bytes = b);
    world.vault.spoil(Kind::Pack, &packs[1], |bytes| *bytes = a);
    let found: Vec<_> = world.check(&EVERYTHING).damaged.iter().map(|d| d.id).collect();
    assert_eq!(found, packs[..2]);
}

/// What a taken-over host could sign.
#[test]
fn listings_that_lie_are_found() {
    let lies: [(&str, Vec<Spec>); 2] = [
        ("folder is missing", vec![dir(b"a"), file(b"b/c", b"x")]),
        ("folder is missing", vec![file(b"a", b"x"), file(b"a/b", b"x")]),
    ];
    for (reason, specs) in lies {
        let vault = Arc::new(MemVault::default());
        let mut maker = Maker::new(&vault, 1);
        maker.snapshot("files", &specs);
        let report = check(&maker.archive(), &QUICK, &Monitor::silent()).expect("check");
        assert_eq!(report.damaged.len(), 1, "{report:?}");
        assert!(report.damaged[0].reason.contains(reason), "{report:?}");
        assert_eq!(report.damaged[0].snapshots.len(), 1);
    }
}

#[test]
fn references_into_a_group_that_lie_are_found_without_reading_it() {
    let lies: [Lie; 4] = [
        |chunks| (chunks[0].start, chunks[1].start) = (chunks[1].start, chunks[0].start),
        |chunks| chunks[1].start += 1,
        |chunks| chunks[2].id = chunks[1].id,
        |chunks| chunks.iter_mut().for_each(|chunk| chunk.whole += 1),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let vault = Arc::new(MemVault::default());
        let mut maker = Maker::new(&vault, 1);
        maker.lie = Some((b"large", lie));
        maker.snapshot("files", &[file(b"large", &noise(25_000, 1))]);
        let report = check(&maker.archive(), &QUICK, &Monitor::silent()).expect("check");
        assert_eq!(report.damaged.len(), 1, "{number}: {report:?}");
        let reason = &report.damaged[0].reason;
        assert!(reason.contains("does not fit the pack"), "{number}: {report:?}");
    }
}

#[test]
fn a_manifest_that_does_not_name_all_its_packs_is_found() {
    let vault = Arc::new(MemVault::default());
    let mut maker = Maker::new(&vault, 1);
    let info = maker.snapshot("files", &hard_tree());
    let short = maker.newest().root().top.children[0].1.place.pack;
    let named = info.manifest.packs.expand(|_| Err(())).expect("a short list").packs;
    let fewer: Vec<_> = named.into_iter().filter(|pack| *pack != short).collect();
    let mut manifest = info.manifest.clone();
    manifest.sequence += 1;
    manifest.packs = vow_base::pack_list::PackList::build(&fewer).0;
    let second = maker.accept(manifest);
    let report = check(&maker.archive(), &QUICK, &Monitor::silent()).expect("check");
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    assert!(report.damaged[0].reason.contains("does not name"), "{report:?}");
    assert!(report.damaged[0].snapshots.contains(&second.id));
}

#[test]
fn two_manifests_with_one_number_are_found() {
    let world = world();
    let mut maker = world.one;
    maker.sequence = 1;
    let again = maker.snapshot("files", &hard_tree());
    let report = check(&maker.archive(), &QUICK, &Monitor::silent()).expect("check");
    assert_eq!(report.damaged.iter().map(|d| d.id).collect::<Vec<_>>(), [again.id]);
    assert_eq!(report.damaged[0].snapshots, [again.id]);
}

#[test]
fn a_vault_that_goes_away_is_no_damage() {
    let world = world();
    for options in [QUICK, EVERYTHING] {
        let mut cut_short = 0;
        for reads in (0..).step_by(13) {
            *world.vault.patience.lock().expect("lock") = Some(reads);
            match check(&world.one.archive(), &options, &Monitor::silent()) {
                Ok(report) => {
                    assert_eq!(report.damaged, []);
                    break;
                }
                Err(CheckError::Archive(error)) => assert!(error.is_gone(), "after {reads}: {error}"),
                Err(other) => panic!("after {reads}: {other}"),
            }
            cut_short += 1;
        }
        assert!(cut_short > 2, "{cut_short}");
    }
}

#[test]
fn a_request_to_stop_is_heard() {
    let world = world();
    let monitor = Monitor::silent();
    monitor.cancel();
    let stopped = check(&world.one.archive(), &EVERYTHING, &monitor);
    assert!(matches!(stopped, Err(CheckError::Cancelled)));
}

fn sorted(ids: &[ObjectId]) -> Vec<ObjectId> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
