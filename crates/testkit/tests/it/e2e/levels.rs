//! Several vaults: one read-only, one missing, one wiped. The healthy one takes the snapshot, the others are caught up.

use std::fs;
use std::path::{Path, PathBuf};
use vow_testkit::host::{ids, scratch};
use vow_testkit::shell::{is_root, run};
use vow_testkit::{Dice, Host, Tree, VaultServer, Volume};

struct Pair {
    host: Host,
    source: PathBuf,
    second: PathBuf,
    taken: Vec<(String, Tree)>,
    dice: Dice,
    _scratch: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let scratch = scratch();
        let (source, second) = (scratch.path().join("source"), scratch.path().join("second"));
        fs::create_dir(&source).unwrap();
        let host = Host::at(&scratch.path().join("host"), &[&source]);
        host.add_vault("usb", &second);
        let mut pair =
            Self { host, source, second, taken: Vec::new(), dice: Dice::new(9), _scratch: scratch };
        pair.backup(0);
        pair
    }

    /// Adds a file, takes the others away, and backs up.
    fn backup(&mut self, code: i32) -> vow_testkit::shell::Done {
        for old in fs::read_dir(&self.source).unwrap().flatten() {
            fs::remove_file(old.path()).unwrap();
        }
        let name = format!("file {}", self.taken.len());
        fs::write(self.source.join(name), self.dice.bytes(2_500_000)).unwrap();
        let done = self.host.run(["backup", "--json"]).expect(code);
        self.taken.push((ids(&done).remove(0), Tree::read(&self.source)));
        done
    }

    fn assert_all_in(&self, vault: &Path) {
        for (id, tree) in &self.taken {
            self.host.assert_restores_from(vault, id, &self.source, tree);
        }
    }
}

#[test]
fn a_missing_vault_is_said_and_caught_up_without_the_sources() {
    let mut pair = Pair::new();
    let away = pair.second.with_extension("unplugged");
    fs::rename(&pair.second, &away).unwrap();
    for _ in 0..3 {
        let done = pair.backup(3);
        assert!(done.said().contains("usb"), "{}", done.story());
        assert_eq!(done.summary()["snapshots"][0]["levels"][1]["status"], "failed");
    }
    assert!(!pair.second.exists(), "a vault was made where the disk is not mounted");
    fs::rename(&away, &pair.second).unwrap();
    pair.backup(0);
    pair.assert_all_in(&pair.second);
    pair.assert_all_in(&pair.host.vault());
    let _ = pair.host.check().expect(0);
}

#[test]
fn without_any_vault_there_is_no_backup() {
    let pair = Pair::new();
    for vault in [pair.second.clone(), pair.host.vault()] {
        fs::rename(&vault, vault.with_extension("away")).unwrap();
    }
    let done = pair.host.run(["backup", "--json"]).expect(10);
    assert!(done.said().contains("no vault"), "{}", done.story());
}

#[test]
fn a_wiped_vault_gets_everything_back_from_the_other() {
    let mut pair = Pair::new();
    pair.backup(0);
    pair.backup(0);
    fs::remove_dir_all(&pair.second).unwrap();
    let done = pair.backup(3);
    assert!(done.said().contains("there is no vault"), "{}", done.story());
    let _ = pair.host.run(["vault", "init", "usb"]).expect(0);
    pair.backup(0);
    pair.assert_all_in(&pair.second);
    let _ = pair.host.check().expect(0);
}

#[test]
fn lost_packs_come_back_from_the_other_vault_or_are_said_to_be_lost() {
    let mut pair = Pair::new();
    let packs = pair.host.objects(&pair.second).join("packs");
    let lost = vow_testkit::host::files_below(&packs);
    for pack in &lost {
        fs::remove_file(pack).unwrap();
    }
    let id = pair.taken[0].0.clone();
    let done = pair.host.check().expect(4);
    assert!(done.said().contains(&id), "{}", done.story());
    // The first vault still has it, and a restore by the plan finds it there.
    pair.host.assert_restores(&id, &pair.source, &pair.taken[0].1);
    pair.backup(0);
    pair.host.assert_restores_from(&pair.second, &pair.taken[1].0, &pair.source, &pair.taken[1].1);
}

#[test]
fn a_vault_that_turns_read_only_is_said_and_still_restores() {
    if !is_root("a vault that turns read-only is said and still restores") {
        return;
    }
    let (scratch, volume) = (scratch(), Volume::tmpfs("size=64m"));
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "first").unwrap();
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let kept = volume.path().join("vault");
    fs::rename(host.vault(), scratch.path().join("gone")).unwrap();
    vow_testkit::host::copy(&scratch.path().join("gone"), &kept);
    std::os::unix::fs::symlink(&kept, host.vault()).unwrap();
    let (id, tree) = (host.backup(), Tree::read(&source));
    volume.remount("ro");
    fs::write(source.join("file"), "second").unwrap();
    let done = host.run(["backup", "--json"]).expect(1);
    assert!(done.said().contains("Read-only"), "{}", done.story());
    host.assert_restores(&id, &source, &tree);
    let _ = host.check().expect(0);
    host.add_vault("usb", &scratch.path().join("usb"));
    let _ = host.run(["backup", "--json"]).expect(3);
    volume.remount("rw");
    host.assert_restores(&host.backup(), &source, &Tree::read(&source));
    host.assert_restores_from(&kept, "files@latest", &source, &Tree::read(&source));
}

/// Killed between the commit and the record of it, and the vault that has it is away: the host does not take itself for a clone.
#[test]
fn a_commit_that_was_not_recorded_is_no_fork() {
    let mut pair = Pair::new();
    let (first, second) = (pair.host.vault(), pair.second.clone());
    let away = |vault: &Path| fs::rename(vault, vault.with_extension("away")).unwrap();
    let back = |vault: &Path| fs::rename(vault.with_extension("away"), vault).unwrap();
    let kill = |host: &Host| {
        // The first rename of the chain's record says what is about to be committed; the second one would say that it was.
        let strace = ["strace", "-f", "-o", "/dev/null", "-P", "chain"];
        let record = host.state().join("chain").display().to_string();
        let rule = ["-P", &record, "-e", "trace=rename", "-e", "inject=rename:signal=KILL:when=2"];
        let done = run(&mut host.wrapped(&[&strace[..], &rule].concat(), ["backup", "--json"]));
        assert!(done.code != Some(0), "it was not killed\n{}", done.story());
    };
    away(&second);
    fs::write(pair.source.join("only in the first vault"), "x").unwrap();
    kill(&pair.host);
    back(&second);
    away(&first);
    pair.backup(3);
    fs::write(pair.source.join("only in the second vault"), "x").unwrap();
    kill(&pair.host);
    back(&first);
    away(&second);
    pair.backup(3);
    back(&second);
    pair.backup(0);
    pair.backup(0);
    for vault in [&first, &second] {
        pair.assert_all_in(vault);
    }
    let _ = pair.host.check().expect(0);
}

/// A host of the time before introductions: its next backup brings one, and from then on a replica lets its reader in without anybody's help.
#[test]
fn a_host_that_joined_long_ago_introduces_itself_and_is_restored_from_a_replica() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "first").unwrap();
    let near = VaultServer::at(&scratch.path().join("near")).made(&[]);
    let far = VaultServer::at(&scratch.path().join("far")).made(&[]);
    let host = Host::joining(&scratch.path().join("host"), &source, &near.token(&["--tenant", "acme"]));
    let of_host = host.objects(&near.store());
    fs::remove_file(of_host.join("introduction")).unwrap();
    far.follow(&near);
    let first = host.backup();
    assert!(of_host.join("introduction").exists(), "the next contact is enough");
    let _ = far.keep("replicate", &["--from", &near.url()]).expect(0);
    let hosts = far.keep("hosts", &[]).expect(0);
    assert!(hosts.text().contains("acme") && hosts.text().contains("restore=host="), "{}", hosts.story());
    host.assert_restores_from(Path::new(&far.url()), &first, &source, &Tree::read(&source));
    // A plan that names more readers than were ever let in there: said, and everything else goes on.
    fs::remove_file(of_host.join("introduction")).unwrap();
    let plan = fs::read_to_string(host.config()).unwrap();
    let more = plan.replace("readers = [", &format!("readers = [\"{}\", ", "7".repeat(64)));
    assert_ne!(plan, more);
    fs::write(host.config(), more).unwrap();
    fs::write(source.join("file"), "second").unwrap();
    let noted = host.run(["backup"]).expect(0);
    assert!(
        noted.said().contains("was not let in") && !of_host.join("introduction").exists(),
        "{}",
        noted.story()
    );
}

/// A vault in a folder of the plan: no token ever let the host in there, and nobody was asked who may read.
#[test]
fn a_replica_of_a_folder_lets_in_the_reader_of_its_host() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "first").unwrap();
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let taken = host.backup();
    let far = VaultServer::at(&scratch.path().join("far")).made(&[]);
    let _ = far.keep("replicate", &["--from", &host.vault().display().to_string()]).expect(0);
    let hosts = far.keep("hosts", &["--json"]).expect(0).summary();
    assert_eq!((&hosts["hosts"][0]["tenant"], &hosts["hosts"][0]["name"]), (&"acme".into(), &"web-1".into()));
    fs::remove_dir_all(host.vault()).unwrap();
    host.assert_restores_from(Path::new(&far.url()), &taken, &source, &Tree::read(&source));
}
