//! Looking after a vault in its folder: status, marks, retention, sweep, scrub, replication.

use crate::host::{Host, Ran, files, is_root, noise, text, vow};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Runs `vow vault COMMAND --dir VAULT …`.
fn keep(host: &Host, command: &str, vault: &Path, more: &[&str]) -> Ran {
    let args = ["vault", command, "--dir", text(vault)];
    vow(host.temp.path(), args.iter().chain(more))
}

fn spoil(path: &Path) {
    let mut bytes = fs::read(path).expect("an object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("spoilt");
}

/// A second vault that the host knows nothing of.
fn second(host: &Host) -> std::path::PathBuf {
    let far = host.path("far");
    let other = Host::new();
    fs::rename(other.vault(), &far).expect("moved");
    far
}

#[test]
fn the_status_says_how_a_vault_stands_and_verifies_its_ledger() {
    let host = Host::backed_up();
    host.run(["backup"]).code(0);
    let vault = host.vault();
    keep(&host, "status", &vault, &[]).code(0).prints("2 kept, 0 expired").prints("SHA256:");
    let status = keep(&host, "status", &vault, &["--verify-ledger", "--json"]).code(0).json();
    assert_eq!(
        (&status["snapshots"], &status["ledger"], &status["hosts"]),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!((&status["verified"]["entries"], &status["problems"]), (&json!(2), &json!([])));
    vow(host.temp.path(), ["vault", "status", "--dir", "nowhere"]).code(10).advises();
    vow(host.temp.path(), ["vault", "status"]).code(2).says("--dir");

    spoil(&vault.join("ledger/00000000000000000001"));
    keep(&host, "status", &vault, &["--verify-ledger"]).code(4).says("position 1");
    let status = keep(&host, "status", &vault, &["--verify-ledger", "--json"]).code(4).json();
    assert_eq!(status["status"], "problems");
}

#[test]
fn what_other_vaults_have_seen_is_compared_with_the_ledger() {
    let host = Host::backed_up();
    let far = host.path("far");
    host.edit(|plan| format!("{plan}\n[[vault]]\nname = \"far\"\npath = {far:?}\n"));
    host.run(["vault", "init", "far"]).code(0);
    let old = host.path("old");
    assert!(
        std::process::Command::new("cp")
            .args(["-a", text(&host.vault()), text(&old)])
            .status()
            .expect("cp")
            .success()
    );
    host.run(["backup"]).code(0);
    let seen_by = ["--verify-ledger", "--seen-by", text(&far)];
    keep(&host, "status", &host.vault(), &seen_by).code(0);
    keep(&host, "status", &old, &seen_by).code(4).says("set back");
}

#[test]
fn a_mark_names_the_snapshot_and_the_reason() {
    let host = Host::backed_up();
    let (vault, id) = (host.vault(), host.ids().remove(0));
    keep(&host, "mark", &vault, &[&id]).code(2);
    keep(&host, "mark", &vault, &[&id, "--pin"]).code(2).says("--note");
    keep(&host, "mark", &vault, &[&id, "--pin", "--note", " "]).code(2).advises();
    keep(&host, "mark", &vault, &[&id, "--pin", "--hold", "--note", "x"]).code(2);
    keep(&host, "mark", &vault, &["abc", "--pin", "--note", "x"]).code(2).advises();
    keep(&host, "mark", &vault, &["0000000000", "--pin", "--note", "x"]).code(10).advises();
    let marked = keep(&host, "mark", &vault, &[&id[..8], "--hold", "--note", "court order 7", "--json"])
        .code(0)
        .json();
    assert_eq!(
        (&marked["mark"], &marked["position"], &marked["snapshot"]),
        (&json!("held"), &json!(2), &json!(id))
    );
    keep(&host, "retain", &vault, &[]).code(0).prints("on hold");
    keep(&host, "mark", &vault, &[&id, "--release", "--note", "lifted"]).code(0);
}

#[test]
fn retention_is_shown_with_reasons_and_its_rules_are_set_from_a_file() {
    let host = Host::backed_up();
    let vault = host.vault();
    let shown = keep(&host, "retain", &vault, &["--json"]).code(0).json();
    assert_eq!((&shown["kept"], &shown["expired"]), (&json!(1), &json!(0)));
    assert_eq!(shown["snapshots"][0]["snapshot"], json!(host.ids()[0]));
    assert!(!shown["snapshots"][0]["reasons"].as_array().expect("reasons").is_empty());
    let rules = host.path("rules.toml");
    let set = ["--set", text(&rules), "--note", "the first rules"];
    keep(&host, "retain", &vault, &set).code(1).says("rules.toml");
    fs::write(&rules, "keep_sometimes = 7\n").expect("rules");
    keep(&host, "retain", &vault, &set).code(2).advises().says("keep_sometimes");
    fs::write(&rules, "keep_daily = 30\n").expect("rules");
    keep(&host, "retain", &vault, &set[..2]).code(2);
    // What they would do, before anybody says why they are set.
    let plan = keep(&host, "retain", &vault, &[&set[..2], &["--dry-run", "--json"]].concat()).code(0).json();
    assert_eq!((&plan["dry_run"], &plan["kept"]), (&json!(true), &json!(1)));
    keep(&host, "retain", &vault, &[&set[..2], &["--dry-run"]].concat())
        .code(0)
        .prints("acme/web-1")
        .prints("for 7d");
    keep(&host, "retain", &vault, &["--rules"]).code(0).prints("keep_daily = 14");
    let done = keep(&host, "retain", &vault, &[&set[..], &["--json"]].concat()).code(0).json();
    assert_eq!(done["position"], 2);
    let now = keep(&host, "retain", &vault, &["--rules"]).code(0).prints("keep_daily = 30").out;
    fs::write(&rules, now).expect("rules");
    keep(&host, "retain", &vault, &set).code(0).prints("kept 7d more");
}

#[test]
fn a_sweep_of_a_young_vault_takes_nothing_away() {
    let host = Host::backed_up();
    let vault = host.vault();
    let before = files(&vault.join("hosts"));
    keep(&host, "sweep", &vault, &["--dry-run"]).code(0).prints("nothing was changed");
    let swept = keep(&host, "sweep", &vault, &["--json"]).code(0).json();
    assert_eq!((&swept["status"], &swept["hosts"][0]["expired"]), (&json!("ok"), &json!(0)));
    assert_eq!(files(&vault.join("hosts")), before);
    keep(&host, "status", &vault, &[]).code(0).prints("last sweep  2");
    fs::remove_file(host.objects("packs").pop().expect("a pack")).expect("lost");
    keep(&host, "sweep", &vault, &[]).code(4).says("vow vault scrub");
}

#[test]
fn a_scrub_finds_damage_and_heals_it_from_another_vault() {
    let host = Host::backed_up();
    let (vault, far) = (host.vault(), second(&host));
    keep(&host, "replicate", &far, &["--from", text(&vault)]).code(0).prints("1 snapshot copied");
    keep(&host, "scrub", &vault, &[]).code(0);
    let pack = host.objects("packs").pop().expect("a pack");
    spoil(&pack);
    let seen = keep(&host, "scrub", &vault, &["--dry-run", "--json"]).code(4).json();
    assert_eq!((&seen["found"][0]["outcome"], &seen["open"]), (&json!("left"), &json!(1)));
    keep(&host, "scrub", &vault, &["--from", text(&far)]).code(0).says("healed");
    host.open(["check", "--read-data"]).code(0);
    spoil(&pack);
    keep(&host, "scrub", &vault, &[]).code(4).says("quarantined").says("next step");
    keep(&host, "scrub", &vault, &["--from", "https://127.0.0.1:1"]).code(2).advises().says("fingerprint");
}

#[test]
fn a_replica_is_a_vault_to_restore_from_and_notices_when_the_other_was_set_back() {
    let host = Host::backed_up();
    let (vault, far, old) = (host.vault(), second(&host), host.path("old"));
    assert!(
        std::process::Command::new("cp")
            .args(["-a", text(&vault), text(&old)])
            .status()
            .expect("cp")
            .success()
    );
    host.write("new.bin", noise(100_000));
    host.run(["backup"]).code(0);
    let from = ["--from", text(&vault)];
    let dry = keep(&host, "replicate", &far, &[&from[..], &["--dry-run", "--json"]].concat()).code(0).json();
    assert_eq!((&dry["lacking"], &dry["snapshots"]), (&json!(2), &json!(0)));
    keep(&host, "replicate", &far, &from).code(0).prints("2 snapshots copied");
    keep(&host, "replicate", &far, &from).code(0).prints("0 snapshots copied");
    let identity = host.identity();
    let restore = ["restore", "latest", "--vault", text(&far), "--identity", text(&identity), "-t", "out"];
    vow(host.temp.path(), restore).code(0);
    keep(&host, "replicate", &vault, &from).code(1).says("itself");
    fs::remove_dir_all(&vault).expect("lost");
    fs::rename(&old, &vault).expect("set back");
    let ran = keep(&host, "replicate", &far, &from).code(4).prints("set back");
    ran.says("next step");
}

#[test]
fn folders_that_are_gone_are_made_again() {
    let host = Host::backed_up();
    let vault = host.vault();
    fs::remove_dir(vault.join("tmp")).expect("gone");
    keep(&host, "rebuild", &vault, &[]).code(0).prints("folders made again");
    assert_eq!(keep(&host, "rebuild", &vault, &["--json"]).code(0).json()["folders"], 0);
    host.run(["backup"]).code(0);
}

#[test]
fn root_does_not_write_into_the_vault_of_another_user() {
    if !is_root() {
        return;
    }
    let host = Host::backed_up();
    let vault = host.vault();
    std::os::unix::fs::chown(&vault, Some(65_534), None).expect("another owner");
    keep(&host, "status", &vault, &[]).code(0);
    for command in ["sweep", "scrub", "rebuild"] {
        keep(&host, command, &vault, &[]).code(2).advises().says("runuser -u nobody");
    }
}
