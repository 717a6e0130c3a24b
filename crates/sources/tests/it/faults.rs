//! Directories that cannot be read, or change under the walk.

use crate::support::{Place, options, place_of_child, run_alone, walk, walk_with};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vow_sources::files::FilesOptions;

#[test]
fn a_directory_that_one_may_not_read_is_a_problem_and_not_the_end() {
    let place = Place::new();
    for name in ["a/x", "closed/x", "listed/x", "passed/root/y", "z"] {
        place.write(name, b"");
    }
    let mode =
        |name: &str, mode| fs::set_permissions(place.at(name), Permissions::from_mode(mode)).expect("chmod");
    mode("", 0o755);
    mode("closed", 0o000);
    mode("listed", 0o444);
    mode("passed", 0o111);
    run_alone("faults::as_an_ordinary_user", place.path(), true);
    ["closed", "listed", "passed"].iter().for_each(|name| mode(name, 0o755));
}

#[test]
#[ignore = "started by another test, as an ordinary user"]
fn as_an_ordinary_user() {
    let place = place_of_child();
    let walked = walk(options(&[&place, &place.join("passed/root")])).expect("walk");
    let expected = ["a", "a/x", "closed", "listed", "passed", "passed/root", "passed/root/y", "z"];
    assert_eq!(walked.below(&place), expected);
    let denied = "cannot be read: Permission denied".to_owned();
    let expected =
        ["closed", "listed/x", "passed"].map(|name| (place.join(name).display().to_string(), denied.clone()));
    assert_eq!(walked.problems, expected);
}

/// Does something again and again while `test` runs.
fn meanwhile(disturb: impl Fn(usize) + Send, test: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..).take_while(|_| !over.load(Ordering::Relaxed)).for_each(disturb));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn what_vanishes_is_a_problem_and_the_rest_is_there() {
    let place = Place::new();
    for number in 0..50 {
        place.write(&format!("stays/{number}/x"), b"");
    }
    let root = place.at("goes");
    let disturb = |turn: usize| {
        let folder = root.join(format!("{}", turn % 20));
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::create_dir_all(folder.join("deep/er"));
        for name in ["a", "b", "deep/c", "deep/er/d"] {
            let _ = fs::write(folder.join(name), b"");
        }
    };
    (0..20).for_each(disturb);
    meanwhile(disturb, || {
        let (until, mut vanished) = (Instant::now() + Duration::from_secs(3), 0);
        while Instant::now() < until {
            let walked = walk(options(&[place.path()])).expect("walk");
            let stays = walked.below(&place.at("stays"));
            assert_eq!(stays.len(), 100);
            assert!(
                walked.problems.iter().all(|(_, text)| text == "vanished while it was read"),
                "{:?}",
                walked.problems
            );
            vanished += walked.problems.len();
        }
        assert!(vanished > 0, "nothing vanished at the right moment");
    });
}

#[test]
fn a_directory_swapped_for_a_link_is_never_followed() {
    let place = Place::new();
    place.write("tree/swapped/own", b"");
    place.write("secret/secret", b"");
    symlink("../secret", place.at("tree/zlink")).expect("symlink");
    let (swapped, link) = (place.at("tree/swapped"), place.at("tree/zlink"));
    let disturb = |_| renameat_with(CWD, &swapped, CWD, &link, RenameFlags::EXCHANGE).expect("exchange");
    meanwhile(disturb, || {
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            let look = |item: vow_store::source::Item| {
                assert_ne!(item.name(), b"secret");
                if item.name() == b"own" {
                    // Opened by way of the directory that was found, wherever it is now.
                    item.folder.open_file(b"own").map(drop).expect("open");
                }
            };
            let walked = walk_with(options(&[&place.at("tree")]), look).expect("walk");
            assert!(
                walked.problems.iter().all(|(_, text)| text.contains("while it was read")),
                "{:?}",
                walked.problems
            );
        }
    });
}

#[test]
fn more_threads_than_work_come_to_an_end() {
    let place = Place::new();
    place.write("x", b"");
    for _ in 0..200 {
        let walked = walk(FilesOptions { threads: 8, ..options(&[place.path()]) }).expect("walk");
        assert_eq!(walked.counts, [1]);
    }
}
