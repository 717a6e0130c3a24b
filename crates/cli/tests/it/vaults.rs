//! Several vaults: one that is missing, another one, full or behind does not stop the rest.

use crate::host::{Host, files, is_root, noise, text};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Adds a second level and makes its vault.
fn second(host: &Host, path: &Path) {
    host.edit(|plan| format!("{plan}\n[[vault]]\nname = \"far\"\npath = {path:?}\n"));
    host.run(["vault", "init", "far"]).code(0).prints("fingerprint = \"SHA256:");
}

fn level<'s>(summary: &'s Value, name: &str) -> &'s Value {
    let levels = summary["snapshots"][0]["levels"].as_array().expect("levels");
    levels.iter().find(|level| level["name"] == name).expect("the level")
}

fn objects(vault: &Path) -> Vec<PathBuf> {
    let names = files(&vault.join("hosts")).into_iter();
    names.map(|path| path.strip_prefix(vault).expect("below it").to_owned()).collect()
}

#[test]
fn a_missing_vault_is_reported_and_caught_up_later() {
    let host = Host::new();
    let far = host.path("far");
    second(&host, &far);
    host.run(["backup"]).code(0);
    fs::rename(&far, host.path("away")).expect("unplugged");
    host.write("new.bin", noise(100_000));
    let ran = host.run(["backup", "--json"]).code(3);
    let summary = ran.json();
    assert_eq!((&summary["status"], &summary["snapshots"][0]["status"]), (&json!("partial"), &json!("ok")));
    assert_eq!(level(&summary, "local")["status"], "ok");
    assert_eq!(level(&summary, "far")["status"], "failed");
    assert!(level(&summary, "far")["error"].to_string().contains("there is no vault"));
    host.run(["backup"]).code(3).says("far").says("next step");
    assert!(!far.exists(), "no vault is made in the place of one that is not mounted");
    host.run(["snapshots"]).code(3).says("far");
    host.open(["ls", "latest"]).code(0);

    fs::rename(host.path("away"), &far).expect("plugged in");
    let caught = host.run(["backup"]).code(0);
    caught.says("2 snapshots copied");
    let summary = host.run(["backup", "--json"]).code(0).json();
    assert_eq!(level(&summary, "far")["status"], "ok");
    assert_eq!(objects(&host.vault()), objects(&far));
    host.open(["check", "--read-data", "--vault", "far"]).code(0);
    let listed = host.run(["snapshots", "--json"]).code(0).json();
    assert!(
        listed["snapshots"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|s| s["vaults"] == json!(["local", "far"]))
    );
    // Either of them is enough.
    fs::rename(host.vault(), host.path("away")).expect("lost");
    let target = host.path("out");
    host.open(["restore", "latest", "-t", text(&target)]).code(0).says("local");
    assert_eq!(files(&target).len(), 5);
}

#[test]
fn without_any_vault_nothing_is_done() {
    let host = Host::backed_up();
    fs::rename(host.vault(), host.path("away")).expect("moved");
    host.run(["backup"]).code(10).advises().says("local");
    host.run(["snapshots"]).code(10).advises();
    host.open(["restore", "latest", "-t", "out"]).code(10).advises();
    host.open(["check"]).code(10).advises();
    let error = host.run(["backup", "--json"]).code(10).json();
    assert_eq!(error["message_type"], "error");
}

#[test]
fn a_vault_with_another_fingerprint_is_refused() {
    let host = Host::backed_up();
    let wrong = format!("fingerprint = \"SHA256:{}\"", "00".repeat(32));
    host.edit(|plan| {
        let lines = plan.lines().map(|line| if line.starts_with("fingerprint") { &wrong } else { line });
        lines.collect::<Vec<_>>().join("\n")
    });
    host.run(["backup"]).code(10).advises().says("fingerprint");
    host.open(["ls", "latest"]).code(10).advises().says("fingerprint");
    host.run(["config", "check"]).code(4).says("fingerprint");
}

#[test]
fn the_vault_of_another_host_is_refused() {
    let (host, other) = (Host::backed_up(), Host::backed_up());
    let plan = fs::read_to_string(other.config()).expect("vow.toml");
    let pin = plan.lines().find(|line| line.starts_with("fingerprint")).expect("pinned").to_owned();
    host.edit(|plan| {
        let place = format!("path = {:?}", other.vault());
        let lines = plan.lines().map(|line| match line {
            "path = \"vault\"" => &place,
            line if line.starts_with("fingerprint") => &pin,
            line => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    host.run(["backup"]).code(10).advises().says("has not joined");
    host.run(["config", "check"]).code(4).says("has not joined");
    // Its snapshots are signed with a key that this host has no reason to trust.
    let listed = host.run(["snapshots", "--json"]).json();
    assert_eq!(listed["snapshots"], json!([]));
    assert_ne!(host.open(["ls", "latest"]).code, Some(0));
    assert_eq!(other.ids().len(), 1);
}

#[test]
fn a_full_vault_does_not_stop_the_others_and_catches_up() {
    if !is_root() {
        return;
    }
    let host = Host::new();
    let far = host.path("far");
    fs::create_dir(&far).expect("folder");
    let mount = Mount::tmpfs(&far, "2m");
    second(&host, &far);
    let summary = host.run(["backup", "--json"]).code(3).json();
    assert_eq!(summary["status"], "partial");
    assert_eq!(
        (&level(&summary, "local")["status"], &level(&summary, "far")["status"]),
        (&json!("ok"), &json!("failed"))
    );
    host.run(["backup"]).code(3).says("free space");
    // What it lacks now is what it missed before; why it still does is what a person needs to know.
    let again = host.run(["backup", "--json"]).code(3).json();
    let error = level(&again, "far")["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("No space left"), "{error}");
    mount.resize("64m");
    host.run(["backup"]).code(0);
    host.open(["check", "--read-data"]).code(0);
    assert_eq!(objects(&host.vault()), objects(&far));
}

#[test]
fn a_backup_while_another_one_runs_is_busy() {
    let host = Host::backed_up();
    let lock = files(&host.dir().join("state")).into_iter().find(|path| text(path).ends_with("lock"));
    let Some(lock) = lock else { panic!("the state folder has a lock") };
    let file = fs::OpenOptions::new().read(true).write(true).open(lock).expect("the lock");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("locked");
    host.run(["backup"]).code(11).says("another backup");
}

pub(crate) struct Mount(PathBuf);

impl Mount {
    pub(crate) fn tmpfs(path: &Path, size: &str) -> Self {
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "vow-test"]).arg(path).status();
        assert!(mounted.expect("mount").success());
        Self(path.to_owned())
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let mounted = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(mounted.expect("mount").success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
