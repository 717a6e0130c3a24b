//! Damage in a vault: found by a check, never restored from in silence.

use crate::host::{Host, text};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

fn truncate(path: &Path) {
    let length = fs::metadata(path).expect("metadata").len();
    let file = fs::OpenOptions::new().write(true).open(path).expect("writable");
    file.set_len(length / 2).expect("truncated");
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("written");
}

fn largest(paths: Vec<PathBuf>) -> PathBuf {
    paths.into_iter().max_by_key(|path| fs::metadata(path).expect("metadata").len()).expect("a file")
}

#[test]
fn a_damaged_pack_is_found_and_names_the_snapshots_affected() {
    for damage in [truncate, flip, |path: &Path| fs::remove_file(path).expect("removed")] {
        let host = Host::backed_up();
        damage(&largest(host.objects("packs")));
        let ran = host.run(["check", "--read-data"]).code(4).says("pack ").says("next step");
        ran.says(&host.ids()[0][..12]);
        let summary = host.open(["check", "--read-data", "--json"]).code(4).json();
        assert_eq!(summary["status"], "problems");
        assert_eq!(summary["damaged"], 1);
        assert_eq!(summary["vaults"][0]["damaged"][0]["kind"], "pack");
        let target = host.path("out");
        let restored = host.open(["restore", "latest", "-t", text(&target)]);
        assert!(matches!(restored.code, Some(1 | 3)), "{restored:#?}");
        // Whatever is there is right; what could not be read is not there.
        let large = target.join(text(&host.data()).trim_start_matches('/')).join("large.bin");
        if large.exists() {
            let whole = fs::read(host.data().join("large.bin")).expect("read");
            assert!(fs::read(&large).expect("read") == whole || restored.err.contains("large.bin"));
        }
    }
}

#[test]
fn a_damaged_manifest_is_never_passed_over() {
    for damage in [truncate, flip] {
        let host = Host::backed_up();
        host.write("hello.txt", "newer\n");
        host.run(["backup"]).code(0);
        let newest = host.ids()[1].clone();
        damage(
            &host
                .objects("manifests")
                .into_iter()
                .find(|path| path.ends_with(&newest))
                .expect("the manifest"),
        );
        let listed = host.run(["snapshots", "--json"]).code(3).json();
        assert_eq!(listed["snapshots"].as_array().map(Vec::len), Some(1));
        assert_eq!(listed["problems"].as_array().map(Vec::len), Some(1));
        // The older snapshot is not taken for the latest.
        host.open(["ls", "files@latest"]).code(1).advises().says(&newest[..12]);
        host.run(["check"]).code(4);
    }
}

#[test]
fn another_vault_helps_where_one_is_damaged() {
    let host = Host::new();
    let far = host.path("far");
    host.edit(|plan| format!("{plan}\n[[vault]]\nname = \"far\"\npath = {far:?}\n"));
    host.run(["vault", "init", "far"]).code(0);
    host.run(["backup"]).code(0);
    for path in host.objects("packs") {
        truncate(&path);
    }
    let read = host.open(["cat", &host.at("latest", "hello.txt")]).code(0).says("far");
    assert_eq!(read.out, "hello, world\n");
    let summary = host.open(["check", "--read-data", "--json"]).code(4).json();
    assert_eq!(
        (&summary["vaults"][0]["status"], &summary["vaults"][1]["status"]),
        (&json!("problems"), &json!("ok"))
    );
}
