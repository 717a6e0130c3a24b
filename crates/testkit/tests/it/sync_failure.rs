//! A sync fails: FAULTS 2. No acknowledgement, never a second sync of that file, and nothing more is written.

use crate::scenario::{ROOT, Scenario, new_disk};
use std::collections::HashSet;
use std::sync::Arc;
use vow_base::vault::{Deposit, Kind, Retrieve};
use vow_testkit::fixture::{FakeHost, Object};
use vow_testkit::mem_disk::{Action, Fate, Fault, Operation};
use vow_testkit::{Dice, FixedClock, MemDisk};
use vow_vault::{HostDeposit, Vault};

fn vault(disk: &MemDisk, host: &FakeHost) -> (Vault, HostDeposit) {
    let vault = Vault::create(Arc::new(disk.clone()), Arc::new(FixedClock(1)), ROOT.as_ref()).unwrap();
    vault.join(&host.public()).unwrap();
    let deposit = vault.deposit(&host.public()).unwrap();
    (vault, deposit)
}

fn changes(operations: &[Operation]) -> Vec<&Operation> {
    operations.iter().filter(|operation| operation.action.changes()).collect()
}

#[test]
fn after_a_failed_sync_nothing_is_written_and_everything_is_read() {
    for action in [Action::Sync, Action::SyncDir] {
        let (disk, host, mut dice) = (new_disk(), FakeHost::new(1), Dice::new(1));
        let (vault, deposit) = vault(&disk, &host);
        let good = host.snapshot(1, 1, &mut dice);
        good.put(&deposit).unwrap();
        good.commit(&deposit).unwrap();

        let bad = Object::random(Kind::Pack, 500, &mut dice);
        let before = disk.operations().len();
        let rehearsal = disk.crash(|_| Fate::Lost);
        let twin = Vault::open(Arc::new(rehearsal.clone()), Arc::new(FixedClock(1)), ROOT.as_ref()).unwrap();
        let twin = twin.deposit(&host.public()).unwrap();
        let skip = rehearsal.operations().len();
        twin.put(bad.kind, &bad.id, &bad.bytes).unwrap();
        let at = rehearsal.operations()[skip..].iter().position(|o| o.action == action).unwrap();
        disk.fail_at(at, Fault::Broken);

        let error = deposit.put(bad.kind, &bad.id, &bad.bytes).unwrap_err().to_string();
        assert!(error.contains("sync") && error.contains("os error 5"), "{error}");
        let log = disk.operations().split_off(before);
        assert_eq!(log.last().map(|operation| operation.action), Some(action), "something followed");

        // The same object, another one, a commit, a join, through this deposit and a new one.
        let quiet = disk.operations().len();
        let other = Object::random(Kind::Pack, 500, &mut dice);
        for object in [&bad, &other] {
            let error = deposit.put(object.kind, &object.id, &object.bytes).unwrap_err().to_string();
            assert!(error.contains("nothing is written any more"), "{error}");
        }
        good.commit(&deposit).unwrap_err();
        vault.join(&FakeHost::new(2).public()).unwrap_err();
        vault.deposit(&host.public()).unwrap_err();
        assert_eq!(changes(&disk.operations()[quiet..]), Vec::<&Operation>::new());

        assert_eq!(vault.committed(&host.id()).unwrap().len(), 1);
        assert_eq!(deposit.receipts().unwrap().len(), 1);
        for object in &good.objects {
            assert_eq!(vault.get(&host.id(), object.kind, &object.id).unwrap(), object.bytes);
        }
    }
}

#[test]
fn no_file_is_ever_synced_again_after_its_sync_failed() {
    let scenario = Scenario::new(false);
    let dry = new_disk();
    let skip = dry.operations().len();
    scenario.run(&dry).1.unwrap();
    let operations = dry.operations().split_off(skip);
    for fault in [Fault::Broken, Fault::Full] {
        let syncs = operations.iter().enumerate().filter(|(_, operation)| operation.action == Action::Sync);
        for (n, _) in syncs {
            let disk = new_disk();
            disk.fail_at(n, fault);
            let (acknowledged, ended) = scenario.run(&disk);
            ended.unwrap_err();
            disk.heal();
            scenario.check_and_complete(&disk, &acknowledged, &format!("{fault:?} at the sync {n}"));
            let mut synced = HashSet::new();
            for operation in disk.operations().into_iter().filter(|o| o.action == Action::Sync) {
                assert!(synced.insert(operation.path.clone()), "{operation:?} came twice");
            }
        }
    }
}

#[test]
fn a_full_disk_at_a_sync_gives_up_the_file_and_nothing_else() {
    let (disk, host, mut dice) = (new_disk(), FakeHost::new(1), Dice::new(1));
    let (_, deposit) = vault(&disk, &host);
    let pack = Object::random(Kind::Pack, 500, &mut dice);
    // Looking for it, creating, writing, and then the sync.
    disk.fail_at(3, Fault::Full);
    assert!(deposit.put(pack.kind, &pack.id, &pack.bytes).unwrap_err().is_full());
    deposit.put(pack.kind, &pack.id, &pack.bytes).unwrap();
}
