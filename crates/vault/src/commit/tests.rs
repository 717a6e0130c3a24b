//! What a commit looks at, condition by condition: each of these fails when its condition is taken away.

use crate::Vault;
use crate::deposit::HostDeposit;
use crate::state::Object as Named;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::ObjectId;
use vow_base::detail::Detail;
use vow_base::disk::Disk;
use vow_base::id::join_ids;
use vow_base::manifest::Manifest;
use vow_base::pack_list::PackList;
use vow_base::receipt::Event;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_testkit::fixture::{FakeHost, Object, Snapshot};
use vow_testkit::{Dice, FixedClock, MemDisk};

struct Bench {
    disk: MemDisk,
    vault: Vault,
    host: FakeHost,
    dice: Dice,
}

impl Bench {
    fn new() -> Self {
        let disk = MemDisk::new();
        let vault = Vault::create(Arc::new(disk.clone()), Arc::new(FixedClock(7)), Path::new("/vault"));
        let (vault, host) = (vault.expect("a vault"), FakeHost::new(1));
        vault.join(&host.public()).expect("joining");
        Self { disk, vault, host, dice: Dice::new(1) }
    }

    fn deposit(&self) -> HostDeposit {
        self.vault.deposit(&self.host.public()).expect("a deposit")
    }

    fn snapshot(&mut self, sequence: u64) -> Snapshot {
        self.host.snapshot(sequence, 2, &mut self.dice)
    }

    /// An entry of the ledger, as a sweep makes them.
    fn append(&self, event: Event, objects: &[Named]) {
        let detail = Detail::new("a test").about(objects);
        let position = self.vault.state().expect("state").position;
        self.vault.inner.append_event(position, event, Some(self.host.id()), &detail).expect("an entry");
    }

    fn has_manifest(&self, id: &ObjectId) -> bool {
        self.vault.get(&self.host.id(), Kind::Manifest, id).is_ok()
    }

    fn lose_manifest(&self, id: &ObjectId) {
        let folder = PathBuf::from(format!("/vault/hosts/{}/manifests", self.host.id()));
        self.disk.remove(&folder.join(id.to_string())).expect("removed");
    }
}

fn put(deposit: &HostDeposit, object: &Object) {
    deposit.put(object.kind, &object.id, &object.bytes).expect("put");
}

#[track_caller]
fn missing(result: Result<impl std::fmt::Debug, VaultError>) -> Vec<Named> {
    match result {
        Err(VaultError::Missing(missing)) => missing,
        other => panic!("not refused for what is missing: {other:?}"),
    }
}

fn named(objects: &[&Object]) -> Vec<Named> {
    let mut named: Vec<_> = objects.iter().map(|object| (object.kind, object.id)).collect();
    named.sort_unstable();
    named
}

/// A list segment of this depth: section 6 of the format document, by hand.
fn segment(depth: u8, ids: &[ObjectId]) -> Object {
    let joined = join_ids(ids);
    let length = u8::try_from(joined.len()).expect("few");
    Object::new(
        Kind::List,
        [&b"VOWLIST1\xa2\x00"[..], &[depth], &b"\x01\x58"[..], &[length], &joined].concat(),
    )
}

/// A manifest like this one's, with another list of packs.
fn listing(bench: &Bench, like: &Snapshot, depth: u8, tops: &[&Object], count: u64) -> Object {
    let ids: Vec<_> = tops.iter().map(|top| top.id).collect();
    let packs = PackList { depth, count, ids: join_ids(&ids).into() };
    bench.host.seal(&Manifest { packs, ..like.content.clone() })
}

/// No sweep does that to a manifest that could still be committed. Should one do it, nothing may be lost by it.
#[test]
fn a_manifest_that_is_on_its_way_out_is_not_accepted_before_it_lives_again() {
    let mut bench = Bench::new();
    let (one, two) = (bench.snapshot(1), bench.snapshot(2));
    let deposit = bench.deposit();
    for snapshot in [&one, &two] {
        snapshot.put(&deposit).expect("objects");
    }
    bench.append(Event::Condemned, &[(Kind::Manifest, one.manifest.id)]);
    one.commit(&deposit).expect("it is revived");
    let known = bench.vault.state().expect("state").of_host(&bench.host.id());
    assert!(known.condemned.is_empty() && known.kept().count() == 1);
    bench.append(Event::Condemned, &[(Kind::Manifest, two.manifest.id)]);
    bench.append(Event::Deleting, &[(Kind::Manifest, two.manifest.id)]);
    assert!(matches!(two.commit(&deposit), Err(VaultError::Busy { .. })));
    bench.vault.resume_deletions().expect("resumed");
    two.commit(&deposit).expect("now it is accepted");
    assert!(bench.has_manifest(&two.manifest.id));
}

#[test]
fn committing_again_brings_a_lost_manifest_back_but_not_one_that_expired() {
    let mut bench = Bench::new();
    let (snapshot, deposit) = (bench.snapshot(1), bench.deposit());
    snapshot.put(&deposit).expect("objects");
    let receipt = snapshot.commit(&deposit).expect("a receipt");
    bench.lose_manifest(&snapshot.manifest.id);
    assert_eq!(snapshot.commit(&deposit).expect("the same"), receipt);
    assert!(bench.has_manifest(&snapshot.manifest.id));
    bench.append(Event::Expired, &[(Kind::Manifest, snapshot.manifest.id)]);
    bench.lose_manifest(&snapshot.manifest.id);
    assert_eq!(snapshot.commit(&deposit).expect("the same"), receipt);
    assert!(!bench.has_manifest(&snapshot.manifest.id), "nothing would ever remove it again");
}

#[test]
fn every_list_that_is_missing_is_named_at_once() {
    let mut bench = Bench::new();
    let (snapshot, deposit) = (bench.snapshot(1), bench.deposit());
    let packs: Vec<_> = snapshot.of_kind(Kind::Pack).iter().map(|pack| pack.id).collect();
    let lists = [segment(0, &packs[..1]), segment(0, &packs[1..])];
    let manifest = listing(&bench, &snapshot, 1, &[&lists[0], &lists[1]], 2);
    snapshot.put(&deposit).expect("objects");
    let commit = || deposit.commit(&manifest.id, &manifest.bytes);
    assert_eq!(missing(commit()), named(&[&lists[0], &lists[1]]));
    lists.iter().for_each(|list| put(&deposit, list));
    commit().expect("all is there");
}

#[test]
fn lists_of_lists_are_followed_and_each_of_them_is_needed() {
    let mut bench = Bench::new();
    let (snapshot, deposit) = (bench.snapshot(1), bench.deposit());
    let packs = snapshot.of_kind(Kind::Pack);
    let lower = segment(0, &packs.iter().map(|pack| pack.id).collect::<Vec<_>>());
    let upper = segment(1, &[lower.id]);
    let manifest = listing(&bench, &snapshot, 2, &[&upper], 2);
    let index = snapshot.of_kind(Kind::Index)[0];
    let commit = || deposit.commit(&manifest.id, &manifest.bytes);
    for object in [index, packs[0], &upper] {
        put(&deposit, object);
    }
    assert_eq!(missing(commit()), named(&[&lower]));
    put(&deposit, &lower);
    assert_eq!(missing(commit()), named(&[packs[1]]));
    put(&deposit, packs[1]);
    // Only its own entry stands between a condemned list and its removal.
    bench.append(Event::Condemned, &[(Kind::List, lower.id)]);
    assert_eq!(missing(commit()), named(&[&lower]));
    put(&deposit, &lower);
    commit().expect("sent again, it lives");
}

#[test]
fn what_an_expired_snapshot_needed_is_looked_at_like_everything_else() {
    let mut bench = Bench::new();
    let (one, deposit) = (bench.snapshot(1), bench.deposit());
    one.put(&deposit).expect("objects");
    one.commit(&deposit).expect("a receipt");
    let packs: Vec<_> = one.of_kind(Kind::Pack).into_iter().cloned().collect();
    let two = bench.host.snapshot_of(2, &packs, &mut bench.dice);
    two.put(&deposit).expect("objects");
    bench.append(Event::Expired, &[(Kind::Manifest, one.manifest.id)]);
    bench.append(Event::Condemned, &[(Kind::Pack, packs[1].id)]);
    assert_eq!(missing(two.commit(&deposit)), named(&[&packs[1]]));
    put(&deposit, &packs[1]);
    two.commit(&deposit).expect("sent again, it lives");
}

#[test]
fn the_number_of_a_snapshot_that_expired_stays_taken() {
    let mut bench = Bench::new();
    let (one, other, deposit) = (bench.snapshot(1), bench.snapshot(1), bench.deposit());
    one.put(&deposit).expect("objects");
    other.put(&deposit).expect("objects");
    one.commit(&deposit).expect("a receipt");
    bench.append(Event::Expired, &[(Kind::Manifest, one.manifest.id)]);
    let Err(VaultError::Refused(why)) = other.commit(&deposit) else { panic!("a fork was accepted") };
    assert!(why.contains("another machine"), "{why}");
}
