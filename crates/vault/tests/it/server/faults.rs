//! A disk that is full, cannot be written to, or fails.

use crate::stand::{Party, Stand, snapshot};
use crate::wire::Reply;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vow_base::vault::Kind;
use vow_testkit::fixture::{FakeHost, Object};
use vow_testkit::shell::is_root;
use vow_testkit::{Dice, Volume};

fn on(volume: &Volume, config: &str) -> Stand {
    Stand::on(tempfile::tempdir().unwrap(), volume.path().join("vault"), config)
}

/// Stores packs until one is refused: those that were stored, and the refusal.
fn fill(host: &Party, length: usize, dice: &mut Dice) -> (Vec<Object>, Reply) {
    let mut stored = Vec::new();
    loop {
        let pack = Object::random(Kind::Pack, length, dice);
        let reply = host.put(&pack);
        if reply.status != 201 {
            return (stored, reply);
        }
        stored.push(pack);
    }
}

fn unfinished(vault: &Path) -> usize {
    std::fs::read_dir(vault.join("tmp")).unwrap().count()
}

#[test]
fn packs_are_refused_before_the_reserve_and_manifests_still_go_in() {
    if !is_root("a disk that fills up") {
        return;
    }
    let volume = Volume::tmpfs("size=16m");
    let stand = on(&volume, "reserve = \"6 MiB\"\n");
    let (host, reader) = (stand.host(1, "acme"), stand.with(9, "restore=all"));
    let own = snapshot(1, 1);
    for object in &own.objects {
        assert_eq!(host.put(object).status, 201);
    }
    let mut dice = Dice::new(1);
    let (stored, refused) = fill(&host, 1 << 20, &mut dice);
    assert_eq!((refused.status, refused.word().as_str()), (507, "full"), "{}", refused.text());
    assert!(stored.len() >= 7, "{}", stored.len());
    assert!(refused.header("retry-after").is_some());
    let told = || stand.admin().status().unwrap().findings.into_iter().any(|finding| finding.kind == "space");
    assert!(told(), "{:?}", stand.admin().status());
    // What was sent can be committed, and what a commit needs beside packs goes in.
    let segment = Object::random(Kind::List, 100_000, &mut dice);
    assert_eq!(host.put(&segment).status, 201);
    let manifest = host.path(Kind::Manifest, &own.manifest.id);
    assert_eq!(host.ask("PUT", &manifest, Some(&own.manifest.bytes)).status, 200);
    assert_eq!(reader.ask("GET", &host.path(Kind::Pack, &stored[0].id), None).body, stored[0].bytes);
    assert_eq!(unfinished(&stand.vault), 0);
}

#[test]
fn a_full_disk_loses_nothing_and_recovers() {
    if !is_root("a full disk") {
        return;
    }
    for options in ["size=12m", "size=200m,nr_inodes=800"] {
        let volume = Volume::tmpfs(options);
        let stand = on(&volume, "reserve = 0\n");
        let (host, reader) = (stand.host(1, "acme"), stand.with(9, "restore=all"));
        let own = snapshot(1, 1);
        assert_eq!(host.commit(&own).status, 200);
        let filler = volume.path().join("filler");
        std::fs::create_dir(&filler).unwrap();
        (0..50).for_each(|n| std::fs::write(filler.join(format!("before-{n}")), vec![1; 4096]).unwrap());
        let (stored, refused) = fill(&host, 150_000, &mut Dice::new(1));
        assert_eq!((refused.status, refused.word().as_str()), (507, "full"), "{options} {}", refused.text());
        assert!(!stored.is_empty());
        // To the last byte and name: then even a manifest is refused, and nothing of it stays.
        let mut number = 0;
        while std::fs::write(filler.join(number.to_string()), vec![1; 4096]).is_ok() {
            number += 1;
        }
        let mut content = own.content.clone();
        content.sequence = 2;
        let next = FakeHost::new(1).seal(&content);
        let path = host.path(Kind::Manifest, &next.id);
        let refused = host.ask("PUT", &path, Some(&next.bytes));
        assert_eq!((refused.status, refused.word().as_str()), (507, "full"), "{options} {}", refused.text());
        for pack in &stored {
            assert_eq!(reader.ask("GET", &host.path(pack.kind, &pack.id), None).body, pack.bytes);
        }
        assert_eq!(unfinished(&stand.vault), 0, "{options}");
        std::fs::remove_dir_all(&filler).unwrap();
        assert_eq!(host.ask("PUT", &path, Some(&next.bytes)).status, 200, "{options}");
        assert_eq!(stand.admin().status().unwrap().ledger, 2);
    }
}

#[test]
fn a_disk_that_becomes_read_only_is_reported_and_read() {
    if !is_root("a disk that becomes read-only") {
        return;
    }
    let volume = Volume::tmpfs("size=64m");
    let stand = on(&volume, "reserve = 0\n");
    let (host, reader) = (stand.host(1, "acme"), stand.with(9, "restore=all"));
    let own = snapshot(1, 1);
    assert_eq!(host.commit(&own).status, 200);
    volume.remount("ro");
    let pack = Object::random(Kind::Pack, 5000, &mut Dice::new(1));
    let refused = host.put(&pack);
    assert_eq!((refused.status, refused.word().as_str()), (500, "storage"), "{}", refused.text());
    assert!(!refused.text().contains("vault/hosts"), "{}", refused.text());
    for object in own.objects.iter().chain([&own.manifest]) {
        assert_eq!(reader.ask("GET", &host.path(object.kind, &object.id), None).body, object.bytes);
    }
    let receipts = host.ask("GET", &format!("/v1/hosts/{}/receipts", host.id()), None);
    assert_eq!(receipts.status, 200);
    let status = stand.admin().status().unwrap();
    assert!(status.read_only.unwrap().contains("Read-only"));
    assert!(status.findings.iter().any(|finding| finding.kind == "read-only"));
    let console = stand.admin();
    volume.remount("rw");
    assert_eq!(host.put(&pack).status, 201);
    assert_eq!(console.status().unwrap().read_only, None);
}

#[test]
fn after_a_sync_that_failed_nothing_is_acknowledged_any_more_and_everything_is_read() {
    if !is_root("a sync that fails") {
        return;
    }
    let stand = Stand::new("");
    let (host, reader) = (stand.host(1, "acme"), stand.with(9, "restore=all"));
    let own = snapshot(1, 1);
    assert_eq!(host.commit(&own).status, 200);
    let mut content = own.content.clone();
    content.sequence = 2;
    let next = FakeHost::new(1).seal(&content);
    let before = stand.tree();
    let pid = stand.pid().to_string();
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-e",
            "trace=fsync",
            "-e",
            "inject=fsync:error=EIO",
            "-o",
            "/dev/null",
            "-p",
            &pid,
        ])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let attached = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    };
    let until = Instant::now() + Duration::from_secs(20);
    while !attached() {
        assert!(Instant::now() < until, "strace does not attach");
        std::thread::sleep(Duration::from_millis(10));
    }
    // All threads, not only the first one.
    std::thread::sleep(Duration::from_millis(500));
    let mut dice = Dice::new(1);
    let refused = host.put(&Object::random(Kind::Pack, 5000, &mut dice));
    assert_eq!((refused.status, refused.word().as_str()), (500, "storage"), "{}", refused.text());
    strace.kill().unwrap();
    strace.wait().unwrap();
    // The disk is well again, as far as anybody can see; who knows what it lost.
    for _ in 0..3 {
        assert_eq!(host.put(&Object::random(Kind::Pack, 5000, &mut dice)).status, 500);
        assert_eq!(host.put(&next).status, 500);
    }
    for object in own.objects.iter().chain([&own.manifest]) {
        assert_eq!(reader.ask("GET", &host.path(object.kind, &object.id), None).body, object.bytes);
    }
    let status = stand.admin().status().unwrap();
    assert!(status.read_only.unwrap().contains("sync"));
    assert!(stand.log().contains("the storage failed"));
    let receipts = format!("/v1/hosts/{}/snapshots", host.id());
    assert_eq!(reader.ask("GET", &receipts, None).json()["receipts"].as_array().unwrap().len(), 1);
    crate::tree::only_added(&before, &stand.vault, |_| false);
}
