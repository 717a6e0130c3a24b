//! What a host holds in its hands of a vault: a vault that was set back, or is another one, is found out.

use crate::host::{Host, files, noise, text};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").args(["-a", text(from), text(to)]).status().expect("cp").success());
}

/// Replaces the vault by another folder.
fn replace(host: &Host, by: &Path) {
    fs::remove_dir_all(host.vault()).expect("removed");
    copy(by, &host.vault());
}

#[test]
fn a_vault_that_was_set_back_is_reported_until_somebody_explains_it() {
    let host = Host::backed_up();
    let old = host.path("old");
    copy(&host.vault(), &old);
    host.write("new.bin", noise(100_000));
    host.run(["backup"]).code(0);
    replace(&host, &old);
    for _ in 0..2 {
        let ran = host.run(["backup"]).code(4);
        ran.says("local contradicts itself").says("1 receipt").says("set back").says("next step");
    }
    let summary = host.run(["backup", "--json"]).code(4).json();
    assert_eq!((&summary["status"], &summary["findings"][0]["level"]), (&json!("partial"), &json!("local")));
    // What it takes now is whole.
    assert_eq!(summary["snapshots"][0]["levels"][0]["status"], "ok");
    let check = host.open(["check", "--json"]).code(4).json();
    assert_eq!((&check["damaged"], &check["findings"][0]["level"]), (&json!(0), &json!("local")));
    fs::rename(host.dir().join("state/vaults/local"), host.path("evidence")).expect("moved away");
    host.run(["backup"]).code(0);
    host.open(["check", "--read-data"]).code(0);
}

#[test]
fn another_vault_in_the_same_place_is_reported_unless_it_was_made_on_purpose() {
    let host = Host::backed_up();
    host.edit(|plan| {
        let lines = plan.lines().filter(|line| !line.starts_with("fingerprint"));
        lines.collect::<Vec<_>>().join("\n")
    });
    host.run(["backup"]).code(0);
    let made = Host::new();
    let key = fs::read_to_string(host.dir().join("keys/host.key")).expect("a key");
    fs::write(made.dir().join("keys/host.key"), key).expect("a key");
    made.run(["vault", "init", "local"]).code(0);
    replace(&host, &made.vault());
    host.run(["backup"]).code(4).says("another vault than before");
    fs::remove_dir_all(host.vault()).expect("removed");
    host.run(["vault", "init", "local"]).code(0).says("are in");
    host.run(["backup"]).code(0);
}

#[test]
fn receipts_that_were_lost_or_damaged_here_are_fetched_again() {
    let host = Host::backed_up();
    host.run(["backup"]).code(0);
    let kept = host.dir().join("state/vaults/local/receipts");
    let whole = fs::read(&kept).expect("receipts");
    let mut damaged = whole.clone();
    damaged[30] ^= 1;
    for bytes in [&damaged[..], &whole[..whole.len() - 7], b""] {
        fs::write(&kept, bytes).expect("written");
        host.run(["snapshots"]).code(0);
        host.run(["backup", "--dry-run"]).code(0);
        assert_eq!(fs::read(&kept).expect("receipts"), whole);
    }
}

#[test]
fn vaults_see_how_far_the_ledgers_of_the_others_have_come() {
    let host = Host::backed_up();
    let far = host.path("far");
    host.edit(|plan| format!("{plan}\n[[vault]]\nname = \"far\"\npath = {far:?}\n"));
    host.run(["vault", "init", "far"]).code(0);
    host.run(["backup"]).code(0);
    for vault in [&host.vault(), &far] {
        assert_eq!(files(&vault.join("witness")).len(), 1, "{}", vault.display());
    }
}
