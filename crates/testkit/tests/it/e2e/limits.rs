//! Few descriptors, little memory, two at a time, interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_testkit::host::{below, scratch};
use vow_testkit::shell::run;
use vow_testkit::{Dice, Host, Tree};

fn large_source(folder: &Path, bytes: usize) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir(&source).unwrap();
    let dice = &mut Dice::new(20);
    for number in 0..bytes >> 24 {
        fs::write(source.join(format!("{number}")), dice.bytes(1 << 24)).unwrap();
    }
    source
}

#[test]
fn few_descriptors_and_little_memory_are_enough() {
    let scratch = scratch();
    let source = large_source(scratch.path(), 96 << 20);
    for folder in 0..300 {
        let inner = source.join(format!("d{folder}/e/f"));
        fs::create_dir_all(&inner).unwrap();
        for file in 0..10 {
            fs::write(inner.join(format!("{file}")), format!("{folder} {file}")).unwrap();
        }
    }
    let tree = Tree::read(&source);
    for (number, limit) in ["--nofile=64:64", "--data=419430400"].iter().enumerate() {
        let host = Host::new(&[&source]);
        let prlimit = ["prlimit", limit];
        let _ = run(&mut host.wrapped(&prlimit, ["backup", "--json"])).expect(0);
        let target = scratch.path().join(format!("target {number}"));
        let mut restore = host.wrapped(&prlimit, ["restore", "files@latest", "--identity"]);
        let _ = run(restore.arg(host.identity()).arg("--target").arg(&target)).expect(0);
        tree.assert_equals(&Tree::read(&below(&target, &source)), limit);
        fs::remove_dir_all(&target).unwrap();
        let mut check = host.wrapped(&prlimit, ["check", "--read-data", "--identity"]);
        let _ = run(check.arg(host.identity())).expect(0);
    }
}

#[test]
fn a_second_backup_of_the_same_host_is_told_to_wait() {
    let scratch = scratch();
    let source = large_source(scratch.path(), 96 << 20);
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let mut first = host.start(["backup", "--json"]);
    // As soon as it has its lock and has begun, it is stopped.
    let tmp = host.vault().join("tmp");
    while fs::read_dir(&tmp).unwrap().next().is_none() && !first.has_ended() {
        std::thread::sleep(Duration::from_millis(1));
    }
    first.signal("STOP");
    let second = host.run(["backup", "--json"]);
    first.signal("CONT");
    assert_eq!(second.code, Some(11), "{}", second.story());
    assert!(second.said().contains("another backup"), "{}", second.story());
    let _ = first.wait().expect(0);
    host.assert_restores(&host.backup(), &source, &Tree::read(&source));
}

#[test]
fn an_interrupted_backup_stops_soon_and_goes_on_later() {
    let scratch = scratch();
    let source = large_source(scratch.path(), 160 << 20);
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let running = host.start(["backup", "--json"]);
    let packs = || vow_testkit::host::files_below(&host.vault().join("hosts")).len();
    while packs() < 4 {
        std::thread::sleep(Duration::from_millis(2));
    }
    running.signal("INT");
    let began = std::time::Instant::now();
    let done = running.wait().expect(130);
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?} to stop", began.elapsed());
    assert!(vow_testkit::host::ids(&done).is_empty(), "{}", done.story());
    assert!(fs::read_dir(host.vault().join("tmp")).unwrap().next().is_none(), "left something behind");
    host.assert_restores(&host.backup(), &source, &Tree::read(&source));
    let _ = host.check().expect(0);
}
