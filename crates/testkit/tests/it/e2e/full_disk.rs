//! Vaults that fill up: by bytes and by inodes.

use std::fs;
use std::path::{Path, PathBuf};
use vow_testkit::host::{files_below, ids, scratch};
use vow_testkit::shell::is_root;
use vow_testkit::{Dice, Host, Tree, VaultServer, Volume};

fn source_of(folder: &Path, bytes: usize) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("first"), Dice::new(1).bytes(bytes)).unwrap();
    source
}

#[test]
fn a_full_vault_fails_loudly_and_recovers() {
    if !is_root("a full vault fails loudly and recovers") {
        return;
    }
    for (full, roomy, kind) in
        [("size=8m", "size=200m", "bytes"), ("nr_inodes=320,size=200m", "nr_inodes=4000,size=200m", "inodes")]
    {
        let (scratch, volume) = (scratch(), Volume::tmpfs(full));
        let source = source_of(scratch.path(), 3 << 20);
        let host = Host::at(&volume.path().join("host"), &[&source]);
        let (before, id) = (Tree::read(&source), host.backup());
        if kind == "inodes" {
            fill_inodes(&volume.path());
        }
        for number in 0..10 {
            fs::write(source.join(format!("more {number}")), Dice::new(number + 2).bytes(2 << 20)).unwrap();
        }
        let done = host.run(["backup", "--json"]).expect(1);
        assert!(done.said().contains("No space left"), "{kind}\n{}", done.story());
        assert!(ids(&done).is_empty(), "{kind}: acknowledged\n{}", done.story());
        let temporaries = files_below(&host.vault().join("tmp"));
        assert!(temporaries.is_empty(), "{kind}: left behind {temporaries:?}");
        host.assert_restores(&id, &source, &before);
        let _ = host.check().expect(0);

        volume.remount(roomy);
        let again = host.backup();
        host.assert_restores(&again, &source, &Tree::read(&source));
        host.assert_restores(&id, &source, &before);
        let _ = host.check().expect(0);
    }
}

/// Leaves a few inodes.
fn fill_inodes(folder: &Path) {
    let mut made = Vec::new();
    for number in 0..1000 {
        let path = folder.join(format!("filler {number}"));
        match fs::File::create(&path) {
            Ok(_) => made.push(path),
            Err(_) => break,
        }
    }
    made.iter().rev().take(3).for_each(|path| fs::remove_file(path).unwrap());
}

#[test]
fn a_second_vault_takes_over_and_the_full_one_is_caught_up_without_the_source() {
    if !is_root("a second vault takes over and the full one is caught up without the source") {
        return;
    }
    let (scratch, volume) = (scratch(), Volume::tmpfs("size=8m"));
    let source = source_of(scratch.path(), 100);
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let small = volume.path().join("vault");
    host.add_vault("small", &small);
    host.backup();
    fs::write(source.join("large"), Dice::new(3).bytes(12 << 20)).unwrap();
    let tree = Tree::read(&source);
    let done = host.run(["backup", "--json"]).expect(3);
    let id = ids(&done).remove(0);
    let levels = &done.summary()["snapshots"][0]["levels"];
    assert_eq!(
        (&levels[0]["status"], &levels[1]["status"]),
        (&"ok".into(), &"failed".into()),
        "{}",
        done.story()
    );
    host.assert_restores(&id, &source, &tree);

    // What the full vault lacks is not on the host any more: it can only come from the other vault.
    volume.remount("size=100m");
    fs::remove_file(source.join("large")).unwrap();
    let _ = host.run(["backup", "--json"]).expect(0);
    host.assert_restores_from(&small, &id, &source, &tree);
    let _ = host.check().expect(0);
}

#[test]
fn a_full_disk_of_the_host_itself_costs_no_vault_anything() {
    if !is_root("a full disk of the host itself costs no vault anything") {
        return;
    }
    let (scratch, volume) = (scratch(), Volume::tmpfs("size=1m"));
    let source = source_of(scratch.path(), 2 << 20);
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    host.backup();
    fs::remove_dir_all(host.state()).unwrap();
    std::os::unix::fs::symlink(volume.path(), host.state()).unwrap();
    fs::write(volume.path().join("filler"), vec![1; 2 << 20]).unwrap_err();
    let done = host.run(["backup", "--json"]);
    // Either it does without, or it says why not; it never says that all is well when it recorded nothing.
    assert!(matches!(done.code, Some(0 | 1 | 3)), "{}", done.story());
    fs::remove_file(volume.path().join("filler")).unwrap();
    let id = host.backup();
    host.assert_restores(&id, &source, &Tree::read(&source));
    let _ = host.check().expect(0);
}

/// The usual plan: an own vault, and one far away that this host can only add to. Nobody can give the own one what it missed.
#[test]
fn what_a_full_vault_missed_is_sent_again_when_nobody_can_be_read_for_it() {
    if !is_root("what_a_full_vault_missed_is_sent_again_when_nobody_can_be_read_for_it") {
        return;
    }
    let (scratch, disk) = (scratch(), Volume::tmpfs("size=80m,mode=0755"));
    let source = source_of(scratch.path(), 3_000_000);
    let far = VaultServer::at(&scratch.path().join("far")).made(&[]);
    let host = Host::joining(&scratch.path().join("host"), &source, &far.token(&["--tenant", "acme"]));
    host.add_vault("own", &disk.path().join("vault"));
    let _ = host.backup();
    let filler = disk.path().join("filler");
    assert!(fs::write(&filler, vec![1_u8; 80 << 20]).is_err(), "the disk is full");
    fs::write(source.join("meanwhile"), Dice::new(5).bytes(900_000)).unwrap();
    let _ = host.run(["backup", "--json"]).expect(3);
    // As long as it is full, nothing is sent to the others again.
    let packs = || {
        let below = |name: &PathBuf| name.components().any(|part| part.as_os_str() == "packs");
        // Of content alone: a folder above the source, which others use, may have another time in each listing.
        let large = |name: &PathBuf| fs::metadata(name).is_ok_and(|meta| meta.len() > 100_000);
        let all = files_below(&far.store()).into_iter();
        all.filter(|name| below(name) && large(name)).collect::<std::collections::BTreeSet<_>>()
    };
    // Of packs alone: manifests, ledger entries and what a vault notes of the other's head come with every run.
    let before = packs();
    let _ = host.run(["backup", "--json"]).expect(3);
    assert!(before.len() > 1, "{before:?}");
    assert_eq!(packs(), before);
    fs::remove_file(&filler).unwrap();
    fs::write(source.join("later"), "and one more\n").unwrap();
    let id = host.backup();
    host.assert_restores_from(&disk.path().join("vault"), &id, &source, &Tree::read(&source));
}
