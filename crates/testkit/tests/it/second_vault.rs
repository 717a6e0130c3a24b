//! A second vault that replicates the first: it believes nothing, loses nothing, and heals the first one's damage.

use std::ops::ControlFlow;
use std::sync::Arc;
use vow_base::disk::Disk;
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Deposit, Introduced, Kind, Retrieve, VaultError, Watch};
use vow_base::{HostId, ObjectId};
use vow_testkit::fixture::{FakeHost, Snapshot};
use vow_testkit::mem_disk::{Fate, Fault};
use vow_testkit::{Dice, FixedClock, MemDisk};
use vow_vault::replicate::{ReplicateOptions, Replication};
use vow_vault::scrub::{Outcome, ScrubOptions};
use vow_vault::{Story, Vault};

/// Two vaults, and a host that writes to the first.
struct Pair {
    disk: MemDisk,
    near: Vault,
    far_disk: MemDisk,
    far: Vault,
    host: FakeHost,
    dice: Dice,
    taken: Vec<Snapshot>,
}

fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn open(disk: &MemDisk) -> Vault {
    Vault::create(Arc::new(disk.clone()), Arc::new(FixedClock(1)), "/v".as_ref()).unwrap()
}

impl Pair {
    fn new(snapshots: u64) -> Self {
        let (disk, far_disk, host) = (MemDisk::new(), MemDisk::new(), FakeHost::new(1));
        let (near, far) = (open(&disk), open(&far_disk));
        near.join(&host.public()).unwrap();
        let mut pair = Self { disk, near, far_disk, far, host, dice: Dice::new(3), taken: Vec::new() };
        (0..snapshots).for_each(|_| pair.take());
        pair
    }

    fn take(&mut self) {
        let snapshot = self.host.snapshot(self.taken.len() as u64 + 1, 3, &mut self.dice);
        let deposit = self.near.deposit(&self.host.public()).unwrap();
        snapshot.put(&deposit).unwrap();
        snapshot.commit(&deposit).unwrap();
        self.taken.push(snapshot);
    }

    fn replicate(&self) -> Replication {
        self.far.replicate(&self.near, &ReplicateOptions::default(), &go_on).unwrap()
    }

    /// Everything of these snapshots is there and whole.
    fn assert_whole(&self, vault: &Vault, snapshots: &[Snapshot]) {
        let host = self.host.id();
        for snapshot in snapshots {
            for object in snapshot.objects.iter().chain([&snapshot.manifest]) {
                assert_eq!(vault.get(&host, object.kind, &object.id).unwrap(), object.bytes);
            }
        }
        let kept: Vec<_> = vault.committed(&host).unwrap().iter().map(|receipt| receipt.manifest).collect();
        assert!(snapshots.iter().all(|snapshot| kept.contains(&snapshot.manifest.id)));
    }

    fn path(&self, kind: Kind, id: &ObjectId) -> std::path::PathBuf {
        let host = format!("/v/hosts/{}", self.host.id());
        match kind {
            Kind::Pack => format!("{host}/packs/{}/{id}", &id.to_string()[..2]).into(),
            _ => format!("{host}/{}/{id}", kind.folder()).into(),
        }
    }
}

#[test]
fn a_replica_has_everything_and_its_own_receipts() {
    let mut pair = Pair::new(3);
    let report = pair.replicate();
    assert_eq!((report.copied.snapshots, report.copied.packs, report.lacking), (3, 9, 0));
    assert!(report.failed.is_empty() && report.story == Some(Story::Continues(3)));
    pair.assert_whole(&pair.far, &pair.taken);
    let receipts = pair.far.committed(&pair.host.id()).unwrap();
    assert!(receipts.iter().all(|receipt| receipt.vault_key == pair.far.public_key().0));
    // Again: nothing to do. Then only what is new.
    assert_eq!(pair.replicate().copied.bytes, 0);
    pair.take();
    assert_eq!(pair.replicate().copied.packs, 3);
    pair.assert_whole(&pair.far, &pair.taken);
}

#[test]
fn what_vanishes_at_the_source_stays_in_the_replica() {
    let pair = Pair::new(2);
    pair.replicate();
    for snapshot in &pair.taken {
        for object in &snapshot.objects {
            pair.disk.lose(&pair.path(object.kind, &object.id));
        }
    }
    assert!(pair.replicate().failed.is_empty());
    pair.assert_whole(&pair.far, &pair.taken);
}

#[test]
fn damage_is_not_passed_on_and_stops_nothing_else() {
    let mut pair = Pair::new(2);
    let bad = pair.taken[0].of_kind(Kind::Pack)[1].id;
    pair.disk.damage(&pair.path(Kind::Pack, &bad), |bytes| bytes[9] ^= 1);
    let report = pair.replicate();
    assert_eq!((report.copied.snapshots, report.lacking, report.failed.len()), (1, 1, 1));
    assert_eq!(report.failed[0].1, Some(pair.taken[0].manifest.id));
    pair.assert_whole(&pair.far, &pair.taken[1..]);
    // Once the source is healed, the rest follows.
    pair.disk.damage(&pair.path(Kind::Pack, &bad), |bytes| bytes[9] ^= 1);
    pair.take();
    assert_eq!(pair.replicate().copied.snapshots, 2);
    pair.assert_whole(&pair.far, &pair.taken);
}

#[test]
fn every_failing_operation_leaves_a_replica_that_the_next_run_completes() {
    for n in 0.. {
        let pair = Pair::new(2);
        pair.far_disk.fail_at(n, Fault::Broken);
        let began = pair.far_disk.operations().len();
        let outcome =
            pair.far.replicate(&pair.near, &ReplicateOptions { threads: 1, ..Default::default() }, &go_on);
        let clean = outcome.as_ref().is_ok_and(|report| report.failed.is_empty() && report.lacking == 0);
        let reached = pair.far_disk.operations().len() > began + n;
        assert!(clean || reached, "{outcome:?}");
        pair.far_disk.heal();
        // After a power cut that takes everything that was not durable, too.
        let disk = pair.far_disk.crash(|_| Fate::Lost);
        let far = open(&disk);
        let acknowledged = far.committed(&pair.host.id()).unwrap_or_default();
        for receipt in &acknowledged {
            let taken = pair.taken.iter().find(|taken| taken.manifest.id == receipt.manifest).unwrap();
            pair.assert_whole(&far, std::slice::from_ref(taken));
        }
        let report = far.replicate(&pair.near, &ReplicateOptions::default(), &go_on).unwrap();
        assert!(report.failed.is_empty() && report.lacking == 0, "{n}: {report:?}");
        pair.assert_whole(&far, &pair.taken);
        if !reached {
            assert!(n > 50, "only {n} operations");
            return;
        }
    }
}

#[test]
fn a_vault_that_was_rolled_back_is_noticed_and_not_copied_from() {
    let mut pair = Pair::new(2);
    let earlier = pair.disk.crash(|_| Fate::Kept);
    pair.take();
    pair.replicate();
    let old = open(&earlier);
    let report = pair.far.replicate(&old, &ReplicateOptions::default(), &go_on).unwrap();
    assert_eq!(report.story, Some(Story::RolledBack { seen: 3, now: 2 }));
    assert!(report.contradicted() && report.hosts == 0);

    // It goes on from its past with another future: the entry that was seen is another one now.
    let deposit = old.deposit(&pair.host.public()).unwrap();
    for sequence in [7, 8] {
        let other = pair.host.snapshot(sequence, 1, &mut pair.dice);
        other.put(&deposit).unwrap();
        other.commit(&deposit).unwrap();
    }
    let report = pair.far.replicate(&old, &ReplicateOptions::default(), &go_on).unwrap();
    assert_eq!(report.story, Some(Story::Rewritten { position: 3 }));
    pair.assert_whole(&pair.far, &pair.taken);
    assert_eq!(pair.far.committed(&pair.host.id()).unwrap().len(), 3);

    // Wiped and made anew with the same key.
    let empty = MemDisk::new();
    let key = pair.disk.read("/v/vault.key".as_ref(), 100).unwrap();
    let wiped = {
        drop(open(&empty));
        empty.damage("/v/vault.key".as_ref(), |bytes| *bytes = key);
        let vow = pair.disk.read("/v/VOW".as_ref(), 200).unwrap();
        empty.damage("/v/VOW".as_ref(), |bytes| *bytes = vow);
        open(&empty)
    };
    let report = pair.far.replicate(&wiped, &ReplicateOptions::default(), &go_on).unwrap();
    assert_eq!(report.story, Some(Story::RolledBack { seen: 3, now: 0 }));
}

#[test]
fn heads_that_others_present_are_kept_and_contradictions_stand_side_by_side() {
    let mut pair = Pair::new(1);
    let earlier = open(&pair.disk.crash(|_| Fate::Kept));
    pair.take();
    pair.far.witness_head(&pair.near.head().unwrap().unwrap()).unwrap();
    let other = pair.host.snapshot(5, 1, &mut pair.dice);
    let deposit = earlier.deposit(&pair.host.public()).unwrap();
    other.put(&deposit).unwrap();
    other.commit(&deposit).unwrap();
    pair.far.witness_head(&earlier.head().unwrap().unwrap()).unwrap();
    let folder = pair.far_disk.list("/v/witness".as_ref()).unwrap();
    assert_eq!(folder.len(), 1);
    let heads = pair.far_disk.list(format!("/v/witness/{}", folder[0]).as_ref()).unwrap();
    assert_eq!(heads.len(), 2, "{heads:?}");
    assert!(heads[1].starts_with(&format!("{}.", heads[0])));
    assert!(pair.far.witness_head(b"garbage").is_err());
}

/// A vault that lies: objects of one kind are changed on the way.
struct Liar<'v> {
    vault: &'v Vault,
    poisoned: Kind,
}

impl Retrieve for Liar<'_> {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        self.vault.hosts()
    }
    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        self.vault.committed(host)
    }
    fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        self.vault.objects(host, kind)
    }
    fn get(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        let mut bytes = self.vault.get(host, kind, id)?;
        if kind == self.poisoned {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        Ok(bytes)
    }
    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        at: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        self.vault.pack_range(host, id, at, length)
    }
}

impl Watch for Liar<'_> {
    fn vault_key(&self) -> Result<PublicKey, VaultError> {
        Ok(self.vault.public_key())
    }
    fn head(&self) -> Result<Option<Vec<u8>>, VaultError> {
        self.vault.head()
    }
    fn entries(&self, after: u64) -> Result<Vec<Vec<u8>>, VaultError> {
        self.vault.entries(after)
    }
    fn witness(&self, _: &[u8]) -> Result<(), VaultError> {
        Ok(())
    }
    fn heads_of(&self, asking: &PublicKey) -> Result<Vec<Vec<u8>>, VaultError> {
        self.vault.heads_of(asking)
    }
    fn introduced(&self, host: &HostId) -> Result<Option<Introduced>, VaultError> {
        self.vault.introduced(host)
    }
}

#[test]
fn a_poisoned_source_is_not_accepted() {
    for poisoned in [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest] {
        let pair = Pair::new(1);
        let liar = Liar { vault: &pair.near, poisoned };
        let report = pair.far.replicate(&liar, &ReplicateOptions::default(), &go_on).unwrap();
        assert_eq!((report.copied.snapshots, report.failed.len()), (0, 1), "{poisoned}");
        assert!(pair.far.committed(&pair.host.id()).unwrap().is_empty());
        // What the liar sent was refused, so the truth still fits in.
        pair.replicate();
        pair.assert_whole(&pair.far, &pair.taken);
    }
}

#[test]
fn a_scrub_finds_every_kind_of_damage_and_heals_it_from_the_other_vault() {
    let pair = Pair::new(2);
    pair.replicate();
    let clean = pair.near.scrub(&[], &ScrubOptions::default(), &go_on).unwrap();
    assert!(clean.found.is_empty() && clean.objects == 2 * (3 + 1 + 1 + 1), "{clean:?}");

    let one = &pair.taken[0];
    let [flipped, cut, lost] = [0, 1, 2].map(|at| one.of_kind(Kind::Pack)[at].id);
    pair.disk.damage(&pair.path(Kind::Pack, &flipped), |bytes| bytes[100] ^= 4);
    pair.disk.damage(&pair.path(Kind::Pack, &cut), |bytes| bytes.truncate(200));
    pair.disk.lose(&pair.path(Kind::Pack, &lost));
    let list = one.of_kind(Kind::List)[0].id;
    pair.disk.damage(&pair.path(Kind::List, &list), |bytes| bytes.fill(0));
    let manifest = pair.taken[1].manifest.id;
    pair.disk.damage(&pair.path(Kind::Manifest, &manifest), |bytes| bytes[80] ^= 1);

    let looked = pair.near.scrub(&[], &ScrubOptions { dry_run: true, ..Default::default() }, &go_on).unwrap();
    let found: Vec<_> = looked.found.iter().map(|found| found.object).collect();
    for object in [(Kind::Pack, flipped), (Kind::Pack, cut), (Kind::List, list), (Kind::Manifest, manifest)] {
        assert!(found.contains(&object), "{object:?} of {found:?}");
    }
    assert!(looked.found.iter().all(|found| found.outcome == Outcome::Left));

    // Alone it can only move damage aside; with the other vault it heals, what could not even be known to be missing in a second scrub.
    for _ in 0..2 {
        pair.near.scrub(&[&pair.far], &ScrubOptions::default(), &go_on).unwrap();
    }
    pair.assert_whole(&pair.near, &pair.taken);
    assert!(pair.near.scrub(&[], &ScrubOptions::default(), &go_on).unwrap().found.is_empty());
    let aside = format!("/v/quarantine/{}/packs", pair.host.id());
    assert_eq!(pair.disk.list(aside.as_ref()).unwrap().len(), 2, "nothing damaged was thrown away");
    assert!(pair.near.verify_ledger().unwrap().problems.is_empty());
}

#[test]
fn damage_that_nobody_can_heal_is_moved_aside_and_asked_of_the_host_again() {
    let pair = Pair::new(1);
    let pack = pair.taken[0].of_kind(Kind::Pack)[0].clone();
    pair.disk.damage(&pair.path(Kind::Pack, &pack.id), |bytes| bytes[100] ^= 4);
    let report = pair.near.scrub(&[], &ScrubOptions::default(), &go_on).unwrap();
    assert_eq!(report.open().count(), 1);
    assert_eq!(report.found[0].outcome, Outcome::Quarantined);
    let deposit = pair.near.deposit(&pair.host.public()).unwrap();
    assert_eq!(deposit.missing(Kind::Pack, &[pack.id]).unwrap(), [pack.id]);
    deposit.put(Kind::Pack, &pack.id, &pack.bytes).unwrap();
    pair.assert_whole(&pair.near, &pair.taken);
}

#[test]
fn a_scrub_with_a_budget_goes_on_where_it_stopped() {
    let pair = Pair::new(4);
    let whole = pair.near.scrub(&[], &ScrubOptions::default(), &go_on).unwrap().objects;
    let (mut objects, mut cursor, mut rounds) = (0, None, 0);
    loop {
        let options = ScrubOptions { budget_bytes: 1, cursor, ..Default::default() };
        let report = pair.near.scrub(&[], &options, &go_on).unwrap();
        objects += report.objects;
        rounds += 1;
        cursor = report.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(objects, whole);
    assert!(rounds >= 4, "a batch of each kind at least: {rounds}");
}

#[test]
fn folders_that_are_gone_are_made_again() {
    let pair = Pair::new(1);
    // A file system check took an empty folder away: a put into it fails until a rebuild, and nothing is lost.
    let host = pair.host.id();
    let empty = (0..=255u8)
        .map(|first| format!("/v/hosts/{host}/packs/{first:02x}"))
        .find(|folder| pair.disk.list(folder.as_ref()).unwrap().is_empty())
        .unwrap();
    pair.disk.lose(empty.as_ref());
    assert!(pair.near.objects(&host, Kind::Pack).is_err());
    assert_eq!(
        pair.near.rebuild().unwrap(),
        1 + 1,
        "the folder, and the one for details that a new vault has not yet"
    );
    assert_eq!(pair.near.objects(&host, Kind::Pack).unwrap().len(), 3);
    pair.assert_whole(&pair.near, &pair.taken);
}

#[test]
fn a_vault_left_to_itself_sweeps_scrubs_and_replicates() {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;
    use vow_vault::chores::{Chores, Standing, duties};
    let mut pair = Pair::new(2);
    let day = Duration::from_secs(86400);
    let chores = |pair: &Pair| {
        Chores::new(vec![
            duties::sweep(pair.far.clone(), day).unwrap(),
            duties::replicate(pair.far.clone(), "near", Arc::new(pair.near.clone()), day),
            duties::scrub(pair.far.clone(), None, vec![Arc::new(pair.near.clone())], day),
        ])
    };
    let round = |pair: &Pair, days: i64| -> Vec<Standing> {
        let (chores, clock) = (chores(pair), FixedClock(9 + days * 86_400_000_000_000));
        while chores.do_one(&clock, &AtomicBool::new(false), &|_| {}) {}
        chores.standing()
    };
    let good = |standing: &[Standing]| standing.iter().all(|chore| matches!(chore.said, Some(Ok(_))));
    let standing = round(&pair, 0);
    assert!(good(&standing), "{standing:?}");
    pair.assert_whole(&pair.far, &pair.taken);

    // Damage at both ends: the far one heals what the near one has, and says what nobody has.
    let (one, two) = (pair.taken[0].of_kind(Kind::Pack)[0].id, pair.taken[1].of_kind(Kind::Pack)[0].id);
    for (disk, id) in [(&pair.far_disk, one), (&pair.far_disk, two), (&pair.disk, two)] {
        disk.damage(&pair.path(Kind::Pack, &id), |bytes| bytes[50] ^= 1);
    }
    pair.take();
    let standing = round(&pair, 2);
    assert!(
        matches!(&standing[1].said, Some(Ok(text)) if text.contains("1 snapshot copied")),
        "{standing:?}"
    );
    assert!(matches!(&standing[2].said, Some(Err(text)) if text.contains(&two.to_string())), "{standing:?}");
    pair.assert_whole(&pair.far, &pair.taken[..1]);
    pair.assert_whole(&pair.far, &pair.taken[2..]);
    // A process that starts anew has not forgotten it, and a new round that has not come there yet has not either.
    let restarted = chores(&pair).standing();
    assert!(
        matches!(&restarted[2].said, Some(Err(text)) if text.contains(&two.to_string())),
        "{restarted:?}"
    );
    assert!(restarted[2].failing_since.is_some() && restarted[2].last_good.is_none(), "{restarted:?}");
    // Somebody brings it back by hand: the next look sees that, and it is well.
    let bytes = &pair.taken[1].of_kind(Kind::Pack)[0].bytes;
    pair.far.deposit(&pair.host.public()).unwrap().put(Kind::Pack, &two, bytes).unwrap();
    let standing = round(&pair, 4);
    assert!(matches!(standing[2].said, Some(Ok(_))), "{standing:?}");
    pair.assert_whole(&pair.far, &pair.taken);
}
