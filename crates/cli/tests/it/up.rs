//! `vow up`: backed up, restored, compared.

use crate::host::{Host, files, text, vow};
use serde_json::json;
use std::fs;

#[test]
fn the_first_time_makes_everything_and_proves_it_and_the_next_time_adds_little() {
    let host = Host::new();
    let (dir, data) = (host.path("up"), host.data());
    let up = || vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), text(&data), "--json"]);
    let first = up().code(0).json();
    assert_eq!((&first["status"], &first["proven"]), (&json!("ok"), &json!(true)));
    let proof = &first["proofs"][0];
    assert_eq!(
        (&proof["source"], &proof["level"], &proof["status"]),
        (&json!("files"), &json!("local"), &json!("ok"))
    );
    assert_eq!(
        (&proof["compared"], &proof["of_files"], &proof["problems"]),
        (&json!(3), &json!(3), &json!([]))
    );
    assert!(first["recovery_key"].as_str().expect("a path").ends_with("recovery.agekey"));
    let again = up().code(0).json();
    assert!(again["snapshots"][0]["added_bytes"].as_u64() < Some(1 << 20));
    assert!(
        !fs::read_dir(dir.join("state"))
            .expect("state")
            .any(|e| text(&e.expect("entry").path()).contains("proof-"))
    );
    let people = vow(host.temp.path(), ["up", "--dir", text(&dir)]).code(0);
    people.prints("PROVEN: files on local: 3 files").prints("recovery key: ").prints("vow.toml");
}

#[test]
fn its_own_folder_is_not_backed_up() {
    let host = Host::new();
    let dir = host.data().join("own [1]");
    vow(host.temp.path(), ["up", "--dir", text(&dir), text(&host.data())]).code(0);
    let identity = dir.join("recovery.agekey");
    let config = dir.join("vow.toml");
    let args = ["--config", text(&config), "ls", "-R", "latest", "--identity", text(&identity)];
    let listed = vow(host.temp.path(), args).code(0).prints("hello.txt");
    assert!(!listed.out.contains("own [1]/"), "{listed:#?}");
}

#[test]
fn without_the_identity_nothing_is_said_to_be_proven() {
    let host = Host::new();
    let dir = host.path("up");
    let up = |more: &[&str]| {
        let (dir, data) = (text(&dir).to_owned(), text(&host.data()).to_owned());
        let args = ["up".to_owned(), "--dir".into(), dir, data]
            .into_iter()
            .chain(more.iter().map(|&m| m.to_owned()));
        vow(host.temp.path(), args)
    };
    up(&[]).code(0);
    let kit = host.path("kit");
    fs::rename(dir.join("recovery.agekey"), &kit).expect("moved away");
    up(&[]).code(3).prints("NOTHING WAS PROVEN");
    assert_eq!(up(&["--json"]).code(3).json()["proven"], false);
    up(&["--identity", text(&kit)]).code(0).prints("PROVEN");
    let other = host.path("other");
    host.run(["key", "new", "-o", text(&other)]).code(0);
    up(&["--identity", text(&other)]).code(12).advises();
}

#[test]
fn other_paths_than_the_first_time_are_refused() {
    let host = Host::new();
    let dir = host.path("up");
    vow(host.temp.path(), ["up", "--dir", text(&dir), text(&host.data())]).code(0);
    vow(host.temp.path(), ["up", "--dir", text(&dir), "/etc"]).code(2).advises().says("/etc");
    let gone = vow(host.temp.path(), ["up", "--dir", text(&host.path("new")), "/nonexistent"]).code(1);
    gone.advises().says("/nonexistent");
    assert!(!host.path("new").exists());
}

#[test]
fn a_large_tree_is_sampled() {
    let host = Host::new();
    for number in 0..400 {
        host.write(&format!("file-{number}"), format!("content of {number}\n"));
    }
    let dir = host.path("up");
    let up = vow(host.temp.path(), ["up", "--dir", text(&dir), text(&host.data()), "--json"]).code(0).json();
    assert_eq!((&up["proofs"][0]["compared"], &up["proofs"][0]["of_files"]), (&json!(200), &json!(403)));
    assert!(files(&dir).iter().all(|path| !text(path).contains("proof")));
}
