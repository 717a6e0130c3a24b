//! What the host remembers is only ever a hint: damaged, lost, or another host's, it changes no backup.

use super::wounds::{WOUNDS, Wounded};
use std::fs;
use std::path::{Path, PathBuf};
use vow_testkit::calendar::days_wrong;
use vow_testkit::host::{copy, files_below, ids, scratch};
use vow_testkit::{Dice, Host, Tree, shell};

fn source_in(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir(&source).unwrap();
    let dice = &mut Dice::new(12);
    for number in 0..60 {
        let length = dice.below(9000);
        fs::write(source.join(format!("{number}")), dice.bytes(length)).unwrap();
    }
    fs::write(source.join("large"), dice.bytes(2 << 20)).unwrap();
    source
}

#[test]
fn no_damage_to_the_state_reaches_a_snapshot() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    // Chunks shared with another source's snapshots are in the index as well.
    host.add_source("again", &source);
    host.backup();
    let mut round = 0;
    for number in 0..files_below(&host.state()).len() {
        for wound in WOUNDS {
            let files = files_below(&host.state());
            let (path, other) = (&files[number % files.len()], &files[(number + 1) % files.len()]);
            let Some(wounded) = Wounded::new(path, Some(other), wound) else { continue };
            std::mem::forget(wounded);
            round += 1;
            fs::write(source.join("changing"), format!("{round}")).unwrap();
            let done = host.run(["backup", "--json"]);
            assert_eq!(done.code, Some(0), "{} {wound:?}\n{}", path.display(), done.story());
            let tree = Tree::read(&source);
            for id in ids(&done) {
                host.assert_restores(&id, &source, &tree);
            }
        }
    }
    assert!(round > 50, "{round}");
    let _ = host.check().expect(0);
}

/// Its vault lies on the same machine: both clocks are wrong, far ahead once and far behind once.
#[test]
fn a_wrong_clock_hides_no_snapshot_and_lets_none_expire() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let mut made = Vec::new();
    for days in [0, 3650, 0, -3650, 0] {
        fs::write(source.join("changing"), format!("{} after {days}", made.len())).unwrap();
        let wrong = days_wrong(days);
        let done = shell::run(&mut host.wrapped(&wrong.each_ref().map(String::as_str), ["backup", "--json"]))
            .expect(0);
        made.push((ids(&done).remove(0), Tree::read(&source)));
        let (_, newest) = made.last().unwrap();
        host.assert_restores("files@latest", &source, newest);
    }
    let listed = host.run(["snapshots", "--json"]).expect(0).summary();
    let listed: Vec<_> =
        listed["snapshots"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    let order: Vec<_> = made.iter().map(|(id, _)| serde_json::Value::from(id.as_str())).collect();
    assert_eq!(listed, order);
    let vault = host.vault().display().to_string();
    for days in [0, 7300] {
        let wrong = days_wrong(days);
        let words = ["vault", "sweep", "--dir", &vault];
        let swept = shell::run(&mut host.wrapped(&wrong.each_ref().map(String::as_str), words));
        assert_eq!(swept.code, Some(4), "{}", swept.story());
    }
    for (id, tree) in &made {
        host.assert_restores(id, &source, tree);
    }
}

/// A cloned machine, or one whose disk was set back, must not continue the chain of the other.
#[test]
fn a_cloned_or_set_back_state_is_refused_until_a_person_says_otherwise() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let dir = scratch.path().join("host");
    let host = Host::at(&dir, &[&source]);
    host.backup();
    let kept = scratch.path().join("kept");
    copy(&host.state(), &kept);
    let (id, tree) = (host.backup(), Tree::read(&source));
    fs::remove_dir_all(host.state()).unwrap();
    copy(&kept, &host.state());
    fs::write(source.join("0"), "by another").unwrap();
    for _ in 0..2 {
        let done = host.run(["backup", "--json"]).expect(1);
        assert!(done.said().contains("another machine uses this host's keys"), "{}", done.story());
        assert!(done.said().contains(&host.state().join("chain").display().to_string()), "{}", done.story());
    }
    fs::remove_file(host.state().join("chain")).unwrap();
    host.assert_restores(&host.backup(), &source, &Tree::read(&source));
    host.assert_restores(&id, &source, &tree);
}

#[test]
fn the_state_of_another_host_is_ignored() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let hosts = ["one", "two"].map(|name| Host::at(&scratch.path().join(name), &[&source]));
    hosts.iter().for_each(|host| drop(host.backup()));
    fs::remove_dir_all(hosts[0].state()).unwrap();
    copy(&hosts[1].state(), &hosts[0].state());
    fs::write(source.join("0"), "changed").unwrap();
    hosts[0].assert_restores(&hosts[0].backup(), &source, &Tree::read(&source));
    let _ = hosts[0].check().expect(0);
}

/// Two machines with one key, each of which saw another vault.
#[test]
fn a_fork_is_refused_and_named() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let dir = scratch.path().join("host");
    let host = Host::at(&dir, &[&source]);
    let usb = scratch.path().join("usb");
    host.add_vault("usb", &usb);
    let first = (host.backup(), Tree::read(&source));
    let clone_dir = scratch.path().join("clone");
    copy(&dir, &clone_dir);
    fs::remove_dir_all(clone_dir.join("vault")).unwrap();
    let clone = Host::of(&clone_dir);

    // The clone reaches only the second vault, the original only its own.
    fs::write(source.join("0"), "by the clone").unwrap();
    let _ = clone.run(["backup", "--json"]).expect(3);
    fs::rename(&usb, usb.with_extension("away")).unwrap();
    fs::write(source.join("0"), "by the original").unwrap();
    let second = (ids(&host.run(["backup", "--json"]).expect(3)).remove(0), Tree::read(&source));
    fs::rename(usb.with_extension("away"), &usb).unwrap();
    let done = host.run(["backup", "--json"]).expect(3);
    assert!(done.said().contains("another machine uses this host's key"), "{}", done.story());
    for (id, tree) in [&first, &second] {
        host.assert_restores_from(&host.vault(), id, &source, tree);
    }
    host.assert_restores_from(&usb, &first.0, &source, &first.1);
    let _ = host.check().expect(0);
}
