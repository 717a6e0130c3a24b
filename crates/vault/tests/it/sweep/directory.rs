//! The sweep of a vault in a directory, on a disk that loses power at every operation that changes it.

use super::scene::{DAY, HOUR, RULES, START, TestClock, packs, send, sweep};
use std::path::Path;
use std::sync::Arc;
use vow_base::ObjectId;
use vow_base::clock::Clock;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_testkit::fixture::{FakeHost, Snapshot};
use vow_testkit::mem_disk::{Action, Fate};
use vow_testkit::{Dice, MemDisk};
use vow_vault::Vault;

const ROOT: &str = "/srv/vault";

struct Machine {
    disk: MemDisk,
    clock: TestClock,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { disk: MemDisk::new(), clock: TestClock::at(START) };
        machine.advance(0);
        let clock = Arc::new(machine.clock.clone());
        let vault = Vault::create(Arc::new(machine.disk.clone()), clock, Path::new(ROOT)).expect("a vault");
        vault.set_rules(RULES, "a test").expect("rules");
        for _ in 0..8 {
            machine.advance(DAY);
            machine.sweep().expect("an empty vault is swept");
        }
        machine
    }

    fn advance(&self, by: i64) {
        self.clock.advance(by);
        self.disk.set_time(self.clock.now());
    }

    fn vault(&self) -> Vault {
        let clock = Arc::new(self.clock.clone());
        Vault::open(Arc::new(self.disk.clone()), clock, Path::new(ROOT)).expect("the vault")
    }

    fn sweep(&self) -> Result<vow_vault::sweep::SweepReport, VaultError> {
        sweep(&self.vault())
    }

    /// The machine after its power was cut now.
    fn cut(&self, fate: impl FnMut(vow_testkit::mem_disk::Pending<'_>) -> Fate) -> Self {
        let machine = Self { disk: self.disk.crash(fate), clock: TestClock::at(self.clock.now()) };
        machine.advance(0);
        machine
    }
}

/// A vault whose next sweep expires, condemns and deletes.
fn ready() -> (Machine, FakeHost, Vec<Snapshot>) {
    let (machine, host, mut dice) = (Machine::new(), FakeHost::new(1), Dice::new(1));
    let vault = machine.vault();
    vault.join(&host.public()).expect("joining");
    let deposit = vault.deposit(&host.public()).expect("a deposit");
    let mut sent = Vec::new();
    let shared = packs(1, &mut dice);
    for sequence in 1..=5 {
        machine.advance(DAY);
        if sequence == 5 {
            machine.sweep().expect("a sweep");
        }
        let snapshot = host.snapshot_of(sequence, &[shared.clone(), packs(1, &mut dice)].concat(), &mut dice);
        send(&deposit, &snapshot, 1, || {}).expect("a snapshot");
        sent.push(snapshot);
    }
    machine.advance(DAY);
    (machine, host, sent)
}

/// Every kept snapshot can be read whole; their numbers.
fn check(machine: &Machine, host: &FakeHost, sent: &[Snapshot], when: &str) -> Vec<u64> {
    let vault = machine.vault();
    let kept = vault.committed(&host.id()).expect("receipts");
    for receipt in &kept {
        let at = usize::try_from(receipt.sequence).expect("a number") - 1;
        for object in sent[at].objects.iter().chain([&sent[at].manifest]) {
            let read = vault.get(&host.id(), object.kind, &object.id);
            assert_eq!(read.expect(when), object.bytes, "{when}");
        }
    }
    kept.iter().map(|receipt| receipt.sequence).collect()
}

fn objects(machine: &Machine, host: &FakeHost) -> Vec<(Kind, ObjectId)> {
    let vault = machine.vault();
    let of =
        |kind| vault.objects(&host.id(), kind).expect("a list").into_iter().map(move |(id, _)| (kind, id));
    [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest].into_iter().flat_map(of).collect()
}

fn settle(machine: &Machine) {
    for _ in 0..9 {
        machine.advance(11 * HOUR);
        let report = machine.sweep().expect("a sweep");
        assert_eq!(report.stopped, None, "{}", report.summary());
    }
}

#[test]
fn a_power_cut_at_any_moment_of_a_sweep_costs_nothing_that_is_kept() {
    let (start, host, sent) = ready();
    let smooth = start.cut(|_| Fate::Kept);
    let vault = smooth.vault();
    let before = smooth.disk.operations().len();
    let report = sweep(&vault).expect("a sweep");
    assert!(
        report.hosts[0].expired > 0
            && report.hosts[0].condemned.objects > 0
            && report.hosts[0].deleted.objects > 0
    );
    let log = smooth.disk.operations();
    let changes: Vec<_> =
        (before..log.len()).filter(|at| log[*at].action.changes()).map(|at| at - before).collect();
    assert!(log.iter().skip(before).any(|operation| operation.action == Action::Remove));
    settle(&smooth);
    let (kept, there) = (check(&smooth, &host, &sent, "smooth"), objects(&smooth, &host));
    assert_eq!(kept, [4, 5]);
    let mut dice = Dice::new(5);
    for n in changes {
        for fate in 0..3 {
            let machine = start.cut(|_| Fate::Kept);
            let vault = machine.vault();
            machine.disk.stop_at(n);
            sweep(&vault).expect_err("the power is cut");
            let after = machine.cut(|_| match fate {
                0 => Fate::Lost,
                1 => Fate::Kept,
                _ => dice.pick(&Fate::ALL),
            });
            let when = format!("operation {n}, fate {fate}");
            check(&after, &host, &sent, &when);
            settle(&after);
            assert_eq!(check(&after, &host, &sent, &when), kept, "{when}");
            assert_eq!(objects(&after, &host), there, "{when}");
        }
    }
}

#[test]
fn what_was_sent_again_while_a_deletion_lay_unfinished_stays() {
    let (machine, host, sent) = ready();
    let vault = machine.vault();
    // It dies directly after the first removal.
    let smooth = machine.cut(|_| Fate::Kept);
    let trial = smooth.vault();
    let before = smooth.disk.operations().len();
    sweep(&trial).expect("a sweep");
    let log = smooth.disk.operations();
    let folder = format!("{ROOT}/hosts/");
    let removal = (before..log.len())
        .find(|at| log[*at].action == Action::Remove && log[*at].path.starts_with(&folder))
        .expect("a removal");
    machine.disk.stop_at(removal - before + 1);
    sweep(&vault).expect_err("the power is cut");
    let machine = machine.cut(|_| Fate::Kept);
    let vault = machine.vault();
    let state = vault.state().expect("state");
    let deletion = state.deleting.values().next().expect("an unfinished deletion");
    let ((kind, id), _) = deletion.objects[0].clone();
    let object = sent
        .iter()
        .flat_map(|snapshot| &snapshot.objects)
        .chain(sent.iter().map(|snapshot| &snapshot.manifest));
    let object = object.into_iter().find(|object| object.id == id).expect("one that was sent");
    assert_eq!(kind, Kind::Pack);
    machine.advance(HOUR);
    let deposit = vault.deposit(&host.public()).expect("a deposit");
    deposit.put(kind, &id, &object.bytes).expect("it is gone, so it is taken");
    assert_eq!(deposit.missing(kind, &[id]).expect("an answer"), [id], "but not relied on yet");
    assert_eq!(vault.resume_deletions().expect("resumed"), deletion.objects.len() as u64);
    assert_eq!(vault.get(&host.id(), kind, &id).expect("still there"), object.bytes);
    assert!(deposit.missing(kind, &[id]).expect("an answer").is_empty());
}

#[test]
fn leftovers_of_unfinished_writes_go_after_a_day_by_the_machines_clock() {
    let machine = Machine::new();
    // Directories go by the machine's own clock, which is far from the one of this test: stored in 1970 is old.
    machine.disk.set_time(0);
    let path = Path::new(ROOT).join("tmp/left");
    vow_base::disk::Disk::create_new(&machine.disk, &path, false).expect("a file");
    let report = machine.sweep().expect("a sweep");
    assert_eq!(report.leftovers, 1);
    assert_eq!(machine.sweep().expect("a sweep").leftovers, 0);
}
