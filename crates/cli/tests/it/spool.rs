//! What a host does when no vault can be reached: the snapshot waits on the host, and nobody is told that it is safe.

use crate::host::{Host, files, is_root, noise, text};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// A host whose only vault has a spool.
fn host() -> Host {
    let host = Host::new();
    host.edit(|plan| plan.replace("path = \"vault\"\n", "path = \"vault\"\nspool = true\n"));
    host
}

fn unplug(host: &Host) -> PathBuf {
    let away = host.path("away");
    fs::rename(host.vault(), &away).expect("unplugged");
    away
}

fn plug_in(host: &Host) {
    fs::rename(host.path("away"), host.vault()).expect("plugged in");
}

fn spool_bytes(host: &Host) -> u64 {
    let spool = host.dir().join("state/spool");
    files(&spool).iter().map(|path| fs::metadata(path).expect("a file").len()).sum()
}

#[test]
fn a_snapshot_waits_while_the_vault_is_away_and_is_sent_first() {
    let host = host();
    host.run(["backup"]).code(0);
    unplug(&host);
    host.write("new.bin", noise(200_000));
    let ran = host.run(["backup", "--json"]).code(3);
    let summary = ran.json();
    assert_eq!((&summary["status"], &summary["spool"]["snapshots"]), (&json!("partial"), &json!(1)));
    assert_eq!(summary["spool"]["levels"], json!(["local"]));
    let snapshot = &summary["snapshots"][0];
    assert_eq!((&snapshot["spooled"], &snapshot["levels"][0]["status"]), (&json!(true), &json!("failed")));
    let waiting = snapshot["id"].as_str().expect("an id").to_owned();
    // Only what the vault lacks waits here, not the 3 MiB that it has.
    assert!((200_000..2_000_000).contains(&spool_bytes(&host)), "{}", spool_bytes(&host));
    host.write("newer.bin", noise(10_000));
    let told = host.run(["backup"]).code(3).says("NOTHING OF THIS RUN HAS REACHED A VAULT YET");
    told.says("2 snapshots").says("next step").says("there is no vault");

    let listed = host.run(["snapshots", "--json"]).code(3).json();
    let waits = |at: usize| listed["snapshots"][at]["vaults"] == json!(["(spool)"]);
    assert!(waits(0) && waits(1), "{listed}");
    host.open(["ls", "latest"]).code(10).advises();

    plug_in(&host);
    host.open(["ls", "latest"]).code(0).says("waits on this host");
    let ran = host.run(["backup", "--json"]).code(0).says("2 snapshots that waited");
    assert_eq!(ran.json()["spool"], json!({"snapshots": 0, "bytes": 0, "levels": []}));
    assert_eq!(spool_bytes(&host), 0);
    // Only the folder that the vault was moved in has changed: nothing was sent again.
    assert!(ran.json()["snapshots"][0]["added_bytes"].as_u64() < Some(20_000));
    assert_eq!(host.ids().len(), 4);
    host.open(["check", "--read-data"]).code(0);
    let target = host.path("out");
    host.open(["restore", &waiting, "-t", text(&target)]).code(0);
    let restored = target.join(host.data().strip_prefix("/").expect("absolute")).join("new.bin");
    assert_eq!(fs::read(restored).expect("the file"), noise(200_000));
}

#[test]
fn the_first_snapshot_of_all_can_wait_too() {
    let host = host();
    unplug(&host);
    host.run(["backup"]).code(3).says("NOTHING OF THIS RUN");
    plug_in(&host);
    host.run(["backup"]).code(0);
    assert_eq!(host.ids().len(), 2);
    host.open(["check", "--read-data"]).code(0);
}

#[test]
fn while_another_vault_can_be_read_nothing_waits() {
    let host = host();
    let far = host.path("far");
    host.edit(|plan| format!("{plan}\n[[vault]]\nname = \"far\"\npath = {far:?}\n"));
    host.run(["vault", "init", "far"]).code(0);
    unplug(&host);
    let summary = host.run(["backup", "--json"]).code(3).json();
    assert_eq!(
        (&summary["spool"]["snapshots"], &summary["snapshots"][0]["spooled"]),
        (&json!(0), &json!(false))
    );
    plug_in(&host);
    host.run(["backup"]).code(0).says("copied to it from far");
}

#[test]
fn what_waits_is_kept_when_its_level_leaves_the_plan() {
    let host = host();
    unplug(&host);
    host.run(["backup"]).code(3);
    plug_in(&host);
    host.edit(|plan| plan.replace("name = \"local\"", "name = \"renamed\""));
    host.run(["backup"]).code(3).says("1 snapshot (").says("for local");
    host.edit(|plan| plan.replace("name = \"renamed\"", "name = \"local\""));
    host.run(["backup"]).code(0).says("1 snapshot that waited");
}

#[test]
fn a_damaged_spool_is_said_and_stops_no_backup() {
    let host = host();
    host.run(["backup"]).code(0);
    unplug(&host);
    host.write("new.bin", noise(200_000));
    host.run(["backup"]).code(3);
    plug_in(&host);
    let spool = host.dir().join("state/spool");
    let pack = files(&spool.join("packs")).pop().expect("a pack");
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[100] ^= 1;
    fs::write(&pack, bytes).expect("damaged");
    // What waited cannot be sent; the snapshot of now is whole all the same.
    let ran = host.run(["backup", "--json"]).code(3);
    let ran = ran.json();
    assert!(ran["snapshots"][0]["levels"][0]["error"].to_string().contains("spool"), "{ran}");
    host.open(["check", "--read-data"]).code(0);
    host.open(["cat", &host.at("latest", "new.bin")]).code(0);
    host.run(["backup"]).code(3).says("remove");
    fs::remove_dir_all(&spool).expect("given up");
    host.run(["backup"]).code(0);
}

#[test]
fn the_spool_leaves_the_host_its_disk() {
    if !is_root() {
        return;
    }
    let host = host();
    let state = host.path("small");
    fs::create_dir(&state).expect("a folder");
    let _mount = crate::vaults::Mount::tmpfs(&state, "68m");
    host.edit(|plan| plan.replace("tenant =", &format!("state = {:?}\ntenant =", text(&state))));
    host.run(["backup"]).code(0);
    unplug(&host);
    host.write("more.bin", noise(14 << 20));
    let ran = host.run(["backup"]).code(1);
    ran.says("the spool leaves 64 MiB of its disk free").says("next step");
    plug_in(&host);
    host.run(["backup"]).code(0);
    assert_eq!(host.ids().len(), 2);
}
