//! Backups that are killed at any moment: nothing acknowledged is lost, and the next run succeeds.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use vow_testkit::host::scratch;
use vow_testkit::shell::{self, is_soak};
use vow_testkit::{Dice, Host, Tree, VaultServer};

#[test]
fn a_killed_backup_harms_nothing() {
    let rounds = if is_soak() { 200 } else { 12 };
    let dice = &mut Dice::new(5);
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let mut taken = Vec::new();
    let mut cut_short = 0;
    for round in 0..rounds {
        // So long a whole run takes on this machine, now: a kill at a random moment of that is one at a random step.
        let began = Instant::now();
        churn(&source, round, dice);
        host.backup();
        let whole = usize::try_from(began.elapsed().as_micros()).unwrap_or(150_000);
        churn(&source, round, dice);
        for _ in 0..3 {
            let running = host.start(["backup", "--json"]);
            std::thread::sleep(Duration::from_micros(dice.below(whole) as u64));
            cut_short += usize::from(running.kill().signal == Some(9));
        }
        let id = host.backup();
        let tree = Tree::read(&source);
        host.assert_restores(&id, &source, &tree);
        taken.push((id, tree));
        taken.drain(..taken.len().saturating_sub(15));
    }
    assert!(cut_short * 2 > rounds, "only {cut_short} runs were cut short: the test proves little");
    let _ = host.check().expect(0);
    for (id, tree) in &taken {
        host.assert_restores(id, &source, tree);
    }
}

#[test]
fn a_killed_restore_is_completed_by_the_next() {
    let dice = &mut Dice::new(15);
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    churn(&source, 0, dice);
    let host = Host::at(&scratch.path().join("host"), &[&source]);
    let id = host.backup();
    let tree = Tree::read(&source);
    for _ in 0..4 {
        let target = scratch.path().join("target");
        for _ in 0..3 {
            let identity = host.identity().display().to_string();
            let target = target.display().to_string();
            let running = host.start(["restore", &id, "--identity", &identity, "--target", &target]);
            std::thread::sleep(Duration::from_micros(dice.below(80_000) as u64));
            running.kill();
        }
        let _ = host.restore(&id, &target).expect(0);
        tree.assert_equals(&Tree::read(&vow_testkit::host::below(&target, &source)), "completed");
        fs::remove_dir_all(&target).unwrap();
    }
}

/// A host, a vault's server, a sweep and a replication, all at work at once and all killed again and again.
#[test]
fn whoever_is_killed_what_was_acknowledged_is_on_both_vaults_in_the_end() {
    let rounds = if is_soak() { 100 } else { 5 };
    let dice = &mut Dice::new(25);
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    let mut near = VaultServer::at(&scratch.path().join("near")).made(&[]);
    let far = VaultServer::at(&scratch.path().join("far")).made(&[]);
    let host = Host::joining(&scratch.path().join("host"), &source, &near.token(&["--tenant", "acme"]));
    far.follow(&near);
    let mut taken = Vec::new();
    let mut cut_short = 0;
    for round in 0..rounds {
        churn(&source, round, dice);
        let began = Instant::now();
        taken.push((host.backup(), Tree::read(&source)));
        let whole = usize::try_from(began.elapsed().as_micros()).unwrap_or(150_000);
        churn(&source, round, dice);
        let url = near.url();
        let keep = |words: &str, more: &[&str]| {
            let words = ["vault"].into_iter().chain(words.split(' ')).chain(["--dir"]).map(OsStr::new);
            let mut command =
                far.command(words.chain([far.dir().as_os_str()]).chain(more.iter().map(OsStr::new)));
            shell::start(&mut command)
        };
        let work = [
            host.start(["backup", "--json"]),
            keep("replicate", &["--from", &url]),
            keep("sweep", &[]),
            keep("scrub --threads 1", &[]),
        ];
        std::thread::sleep(Duration::from_micros(dice.below(whole) as u64));
        near.kill();
        let killed = work.into_iter().map(|running| usize::from(running.kill().signal == Some(9)));
        cut_short += killed.sum::<usize>();
        near.start();
    }
    assert!(cut_short > rounds, "only {cut_short} were cut short: the test proves little");
    taken.push((host.backup(), Tree::read(&source)));
    let _ = far.keep("replicate", &["--from", &near.url()]).expect(0);
    for vault in [&near, &far] {
        let status = vault.keep("status --json --verify-ledger", &[]).expect(0).summary();
        assert_eq!(status["problems"].as_array().unwrap().len(), 0, "{status}");
        let scrubbed = vault.keep("scrub --json", &[]).expect(0).summary();
        assert_eq!(
            (&scrubbed["open"], &scrubbed["found"].as_array().unwrap().len()),
            (&0.into(), &0),
            "{scrubbed}"
        );
    }
    for (id, tree) in &taken {
        host.assert_restores_from(Path::new(&near.url()), id, &source, tree);
        host.assert_restores_from(Path::new(&far.url()), id, &source, tree);
    }
}

/// Some files come, some go, some change; about 10 MB each time.
pub(super) fn churn(source: &Path, round: usize, dice: &mut Dice) {
    for number in 0..4 {
        fs::write(source.join(format!("large {number}")), dice.bytes(2 << 20)).unwrap();
    }
    let folder = source.join(format!("round {}", round % 5));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    for number in 0..150 {
        let length = dice.below(20_000);
        fs::write(folder.join(format!("{number}")), dice.bytes(length)).unwrap();
    }
}
