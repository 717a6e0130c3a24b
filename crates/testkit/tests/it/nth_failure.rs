//! The n-th operation fails, for every n: FAULTS 3 and 5. What was acknowledged stays, and a healthy disk completes the rest.

use crate::scenario::{ROOT, Scenario, interesting, new_disk};
use std::path::Path;
use vow_base::vault::VaultError;
use vow_testkit::mem_disk::Fault;

#[test]
fn whichever_operation_fails_nothing_acknowledged_is_lost() {
    let scenario = Scenario::new(false);
    let dry = new_disk();
    let skip = dry.operations().len();
    scenario.run(&dry).1.unwrap();
    for fault in [Fault::Broken, Fault::Full] {
        for n in interesting(&dry, skip) {
            let context = format!("{fault:?} at {:?}", dry.operations()[skip + n]);
            let disk = new_disk();
            disk.fail_at(n, fault);
            let (acknowledged, ended) = scenario.run(&disk);
            disk.heal();
            match ended {
                // A temporary file that could not be removed, or a manifest that only saves syncs.
                Ok(()) => {}
                Err(error) => {
                    let full = error.is_full();
                    assert!(matches!(error, VaultError::Disk(_)), "{context}: {error}");
                    assert_eq!(full, fault == Fault::Full, "{context}: {error}");
                }
            }
            scenario.check_and_complete(&disk, &acknowledged, &context);
        }
    }
}

#[test]
fn a_full_disk_leaves_no_temporary_file() {
    use vow_base::disk::Disk;
    use vow_testkit::mem_disk::Action;
    let scenario = Scenario::new(false);
    let dry = new_disk();
    let skip = dry.operations().len();
    scenario.run(&dry).1.unwrap();
    let operations = dry.operations().split_off(skip);
    for (n, operation) in operations.iter().enumerate() {
        if matches!(operation.action, Action::Write | Action::Sync | Action::Rename) {
            let disk = new_disk();
            disk.fail_at(n, Fault::Full);
            scenario.run(&disk).1.unwrap_err();
            let left = disk.list(&Path::new(ROOT).join("tmp")).unwrap();
            assert!(left.is_empty(), "{operation:?}: {left:?}");
        }
    }
}
