//! The n-th system call of the real binary fails, for every n until none does. A failed sync of a vault is never acknowledged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vow_testkit::host::{copy, ids, scratch};
use vow_testkit::shell::{Done, is_soak, run};
use vow_testkit::{Dice, Host, Tree};

struct Bench {
    template: PathBuf,
    source: PathBuf,
    before: (String, Tree),
    after: Tree,
    scratch: tempfile::TempDir,
}

impl Bench {
    /// A host with one snapshot, and changes since.
    fn new() -> Self {
        let scratch = scratch();
        let (source, template) = (scratch.path().join("source"), scratch.path().join("template"));
        fs::create_dir(&source).unwrap();
        let dice = &mut Dice::new(8);
        fs::write(source.join("kept"), dice.bytes(300_000)).unwrap();
        let host = Host::at(&template, &[&source]);
        let before = (host.backup(), Tree::read(&source));
        fs::write(source.join("new"), dice.bytes(500_000)).unwrap();
        fs::write(source.join("small"), "small").unwrap();
        let after = Tree::read(&source);
        Self { template, source, before, after, scratch }
    }

    /// A backup whose `n`-th call of this kind fails, and the calls that did; none when there were not so many.
    fn inject(&self, calls: &str, error: &str, n: usize) -> Option<(Host, Done, String)> {
        let dir = self.scratch.path().join("host");
        let _ = fs::remove_dir_all(&dir);
        copy(&self.template, &dir);
        let host = Host::of(&dir);
        let log = self.scratch.path().join("log");
        let inject = format!("inject={calls}:error={error}:when={n}");
        let trace = format!("trace={calls}");
        let log_text = log.display().to_string();
        let strace = ["strace", "-f", "-y", "-o", &log_text, "-e", &trace, "-e", &inject];
        let done = run(&mut host.wrapped(&strace, ["backup", "--json"]));
        let log = fs::read_to_string(&log).unwrap();
        let injected: Vec<_> = log.lines().filter(|line| line.contains("INJECTED")).collect();
        if injected.is_empty() {
            let _ = done.expect(0);
            return None;
        }
        Some((host, done, injected.join("\n")))
    }

    fn try_one(&self, calls: &str, error: &str, n: usize) -> Option<()> {
        let (host, done, injected) = self.inject(calls, error, n)?;
        self.judge(&host, &done, &injected);
        Some(())
    }

    fn judge(&self, host: &Host, done: &Done, injected: &str) {
        let story = || format!("{injected}\n{}", done.story());
        assert!(matches!(done.code, Some(0 | 1 | 3)), "{}", story());
        let vault = host.vault().display().to_string();
        let of_vault = injected.lines().any(|line| line.contains("sync(") && line.contains(&vault));
        if of_vault {
            assert!(done.code == Some(1) && ids(done).is_empty(), "acknowledged all the same\n{}", story());
        }
        if matches!(done.code, Some(0 | 3)) {
            host.assert_restores(&ids(done)[0], &self.source, &self.after);
        } else {
            assert!(done.stderr.contains("error") || done.said().len() > 40, "says nothing\n{}", story());
        }
        // Whatever happened, the earlier snapshot is there, and the next run succeeds.
        host.assert_restores(&self.before.0, &self.source, &self.before.1);
        let next = host.run(["backup", "--json"]);
        assert!(next.code == Some(0), "{}\nand then\n{}", story(), next.story());
        host.assert_restores(&ids(&next)[0], &self.source, &self.after);
        let check = host.check();
        assert!(check.code == Some(0), "{}\nand then\n{}", story(), check.story());
    }

    fn try_all(&self, calls: &str, error: &str) {
        let most = if is_soak() { 1000 } else { 40 };
        let tried = (1..=most).take_while(|n| self.try_one(calls, error, *n).is_some()).count();
        println!("{calls} {error}: {tried} failures tried");
        assert!(tried > 0, "nothing was injected into {calls}");
    }
}

#[test]
fn a_failed_sync_is_never_acknowledged() {
    Bench::new().try_all("fsync,fdatasync,syncfs", "EIO");
}

#[test]
fn a_failed_rename_loses_nothing() {
    Bench::new().try_all("rename,renameat,renameat2", "EIO");
}

#[test]
fn a_failed_write_loses_nothing() {
    Bench::new().try_all("write,pwrite64,writev", "ENOSPC");
}

#[test]
fn a_failed_folder_or_lock_loses_nothing() {
    let bench = Bench::new();
    bench.try_all("flock", "EIO");
    bench.try_all("mkdir,mkdirat", "ENOSPC");
}

/// What cannot be looked at is named: it is never taken for something that is not there.
#[test]
fn what_is_interrupted_or_goes_stale_makes_no_tree_shorter() {
    let bench = Bench::new();
    let most = if is_soak() { 200 } else { 12 };
    for (calls, error) in [("openat2,getdents64", "ESTALE"), ("openat2,statx", "EINTR")] {
        let tried = (1..=most).take_while(|n| {
            let Some((host, done, injected)) = bench.inject(calls, error, *n) else { return false };
            let story = || format!("{injected}\n{}", done.story());
            match done.code {
                Some(0) => host.assert_restores(&ids(&done)[0], &bench.source, &bench.after),
                Some(1) => assert!(done.said().len() > 40, "says nothing\n{}", story()),
                Some(3) => {
                    assert!(done.summary()["snapshots"][0]["errors"].as_u64() > Some(0), "{}", story())
                }
                _ => panic!("{}", story()),
            }
            // Nothing of it is taken for done by the next run.
            host.assert_restores(&host.backup(), &bench.source, &bench.after);
            true
        });
        assert!(tried.count() > 3, "too little was injected into {calls}");
    }
}

/// Reading commands too: an error is an error, never a shorter file.
#[test]
fn a_failed_read_never_shortens_what_is_restored() {
    let bench = Bench::new();
    let host = Host::of(&bench.template);
    let target = bench.scratch.path().join("target");
    for n in 1..if is_soak() { 400 } else { 15 } {
        let _ = fs::remove_dir_all(&target);
        let inject = format!("inject=pread64,read:error=EIO:when={n}");
        let strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pread64,read", "-e", &inject];
        let mut command: Command = host.wrapped(&strace, ["restore", &bench.before.0, "--identity"]);
        let done = run(command.arg(host.identity()).arg("--target").arg(&target));
        let restored = vow_testkit::host::below(&target, &bench.source);
        let kept = fs::read(restored.join("kept"));
        if done.code == Some(0) {
            bench.before.1.assert_equals(&Tree::read(&restored), &inject);
        } else if let Ok(kept) = kept {
            assert!(kept == read_original(&bench.source), "wrong bytes\n{}", done.story());
        }
    }
}

fn read_original(source: &Path) -> Vec<u8> {
    fs::read(source.join("kept")).unwrap()
}
