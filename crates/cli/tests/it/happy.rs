//! The ordinary use: back up, look, restore.

use crate::host::{Host, Ran, command, files, noise, text, vow};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

#[test]
fn a_backup_ends_with_the_summary_that_scripts_rely_on() {
    let host = Host::new();
    let summary = host.run(["backup", "--json"]).code(0).json();
    assert_eq!((&summary["message_type"], &summary["status"]), (&json!("summary"), &json!("ok")));
    let snapshot = &summary["snapshots"][0];
    assert_eq!(snapshot["id"].as_str().map(str::len), Some(64));
    assert_eq!((&snapshot["source"], &snapshot["status"]), (&json!("files"), &json!("ok")));
    assert_eq!((&snapshot["files"], &snapshot["errors"]), (&json!(3), &json!(0)));
    assert_eq!(snapshot["bytes"], json!((3 << 20) + 13 + 12));
    assert!(snapshot["dirs"].as_u64() >= Some(2) && snapshot["added_bytes"].as_u64() > Some(3 << 20));
    assert!(snapshot["duration_secs"].is_f64());
    assert_eq!(snapshot["levels"], json!([{"name": "local", "status": "ok"}]));
    // A second one adds next to nothing.
    let again = host.run(["backup", "files", "--json"]).code(0).json();
    assert!(again["snapshots"][0]["added_bytes"].as_u64() < Some(1 << 20), "{again}");
    assert_eq!(host.ids().len(), 2);
}

#[test]
fn a_dry_run_counts_and_makes_nothing() {
    let host = Host::new();
    let before = files(&host.vault());
    let summary = host.run(["backup", "--dry-run", "--json"]).code(0).json();
    assert_eq!((&summary["dry_run"], &summary["snapshots"][0]["id"]), (&json!(true), &json!(null)));
    assert_eq!(summary["snapshots"][0]["files"], 3);
    assert_eq!(files(&host.vault()), before);
    assert!(host.ids().is_empty());
}

#[test]
fn listing_finding_and_reading_what_was_backed_up() {
    let host = Host::backed_up();
    host.run(["snapshots"]).code(0).prints("web-1/files");
    let listed = host.run(["snapshots", "--json"]).code(0).json();
    let snapshot = &listed["snapshots"][0];
    assert_eq!((&snapshot["tenant"], &snapshot["vaults"]), (&json!("acme"), &json!(["local"])));
    let prefix = &snapshot["id"].as_str().expect("an id")[..8];

    let folder = host.at(prefix, "");
    let shallow = host.open(["ls", &folder]).code(0);
    assert!(shallow.out.contains("hello.txt") && !shallow.out.contains("notes.conf"));
    host.open(["ls", "-R", &folder]).code(0).prints("sub/notes.conf");
    host.open(["ls", "-l", &folder]).code(0).prints("lrwxrwxrwx").prints("link -> hello.txt");
    let entries = host.open(["ls", "-R", "--json", &folder]).code(0).lines();
    let large = entries.iter().find(|entry| entry["size"] == json!(3 << 20)).expect("the large file");
    assert_eq!((&large["message_type"], &large["kind"]), (&json!("entry"), &json!("file")));

    host.open(["find", "*.conf"]).code(0).prints("notes.conf");
    let nothing = host.open(["find", "*.nothing", "--json"]).code(0).json();
    assert_eq!(nothing["matches"], 0);
    assert_eq!(host.open(["cat", &host.at("files@latest", "hello.txt")]).code(0).out, "hello, world\n");
}

#[test]
fn restoring_whole_or_in_part_gives_the_same_bytes() {
    let host = Host::backed_up();
    let whole = host.path("whole");
    let summary = host.open(["restore", "files@latest", "--target", text(&whole), "--json"]).code(0).json();
    assert_eq!(
        (&summary["status"], &summary["files"], &summary["errors"]),
        (&json!("ok"), &json!(3), &json!(0))
    );
    let inside = whole.join(text(&host.data()).trim_start_matches('/'));
    assert_eq!(fs::read(inside.join("large.bin")).expect("restored"), noise(3 << 20));
    assert_eq!(fs::read_link(inside.join("link")).expect("restored").as_os_str(), "hello.txt");

    // A folder's contents, and a file, go directly into the target.
    let part = host.path("part");
    host.open(["restore", &host.at("latest", "sub"), "-t", text(&part)]).code(0);
    host.open(["restore", &host.at("latest", "hello.txt"), "-t", text(&part)]).code(0);
    assert_eq!(files(&part), [part.join("hello.txt"), part.join("notes.conf")]);
    let kept = host.path("kept");
    host.open(["restore", &host.at("latest", "sub"), "-t", text(&kept), "--keep-path"]).code(0);
    assert!(kept.join(text(&host.data()).trim_start_matches('/')).join("sub/notes.conf").exists());

    let dry = host.path("dry");
    host.open(["restore", "files@latest", "--target", text(&dry), "--dry-run"])
        .code(0)
        .prints("would restore");
    assert!(!dry.exists());
}

#[test]
fn restoring_in_place_writes_only_what_differs() {
    let host = Host::backed_up();
    host.write("hello.txt", "spoiled\n");
    fs::remove_file(host.data().join("sub/notes.conf")).expect("removed");
    let summary =
        host.open(["restore", &host.at("files@latest", ""), "--target", "/", "--keep-path", "--json"]);
    let summary = summary.code(0).json();
    assert_eq!(summary["unchanged_files"], 1, "{summary}");
    assert_eq!(fs::read(host.data().join("hello.txt")).expect("restored"), b"hello, world\n");
    assert!(host.data().join("sub/notes.conf").exists());
}

#[test]
fn a_diff_marks_what_changed() {
    let host = Host::backed_up();
    host.write("hello.txt", "other\n");
    host.write("new.txt", "new\n");
    fs::remove_file(host.data().join("sub/notes.conf")).expect("removed");
    host.run(["backup"]).code(0);
    let ids = host.ids();
    let diff = host.open(["diff", &ids[0], &ids[1]]).code(0);
    let data = host.data();
    for line in [format!("M    {}/hello.txt", data.display()), format!("+    {}/new.txt", data.display())] {
        assert!(diff.out.lines().any(|l| l == line), "{line} in {diff:#?}");
    }
    let diff = diff.prints(&format!("-    {}/sub/notes.conf", data.display()));
    assert!(!diff.out.contains("large.bin"));
    let summary = host.open(["diff", &ids[0], &ids[1], "--json"]).code(0).json();
    assert_eq!(
        (&summary["added"], &summary["removed"], &summary["modified"]),
        (&json!(1), &json!(1), &json!(1))
    );
}

/// Somewhere it is always another day.
#[test]
fn days_are_those_that_are_shown() {
    let host = Host::backed_up();
    let there = |zone: &str, args: &[&str]| {
        let mut command = command(host.temp.path());
        command.arg("--config").arg(host.config()).args(args).env("TZ", zone);
        Ran::of(command.output().expect("the binary starts"))
    };
    let identity = host.identity();
    let (east, west) = ("AAA-14", "BBB+12");
    let day = |zone: &str| {
        let listed = there(zone, &["snapshots"]).code(0).out;
        let day = listed.lines().nth(1).and_then(|line| line.split_whitespace().nth(1));
        day.expect("a day").to_owned()
    };
    let list =
        |zone: &str, day: &str| there(zone, &["ls", &format!("files@{day}"), "--identity", text(&identity)]);
    assert!(day(west) < day(east));
    list(east, &day(east)).code(0);
    list(west, &day(west)).code(0);
    list(east, &day(west)).code(10).advises();
}

#[test]
fn an_export_is_a_tar_archive() {
    let host = Host::backed_up();
    let archive = host.path("all.tar");
    host.open(["export", "files@latest", "-o", text(&archive)]).code(0);
    let listed = Command::new("tar").arg("-tf").arg(&archive).output().expect("tar");
    assert!(listed.status.success());
    assert!(String::from_utf8_lossy(&listed.stdout).contains("sub/notes.conf"));
    host.open(["export", "files@latest", "-o", text(&archive)]).code(1).advises();
    let piped = host.open(["export", &host.at("files@latest", "sub")]).code(0);
    assert!(piped.out.contains("key = value"));
}

#[test]
fn a_check_counts_what_it_saw() {
    let host = Host::backed_up();
    host.run(["check"]).code(0).prints("no damage");
    let summary = host.open(["check", "--read-data", "--json"]).code(0).json();
    assert_eq!(
        (&summary["status"], &summary["damaged"], &summary["snapshots"]),
        (&json!("ok"), &json!(0), &json!(1))
    );
    assert_eq!(summary["packs"], summary["packs_read"]);
}

#[test]
fn keys_are_made_listed_and_proven() {
    let host = Host::backed_up();
    let file = host.path("second.agekey");
    let recipient = host.run(["key", "new", "--output", text(&file)]).code(0).out.trim().to_owned();
    host.run(["key", "new", "--output", text(&file)]).code(1).advises();
    host.run(["key", "list"]).code(0).prints("exactly these");
    host.open(["key", "prove"]).code(0).prints("opens it");
    host.edit(|text| text.replace("recipients = [", &format!("recipients = [\"{recipient}\", ")));
    host.run(["key", "list"]).code(4).prints("NOT sealed to");
    host.run(["key", "prove", "--identity", text(&file)]).code(12);
    host.run(["backup"]).code(0);
    host.run(["key", "list"]).code(0);
    host.run(["key", "prove", "--identity", text(&file)]).code(0);
}

#[test]
fn a_kit_and_a_vault_are_all_that_a_bare_machine_needs() {
    let host = Host::backed_up();
    let bare = tempfile::tempdir().expect("a temporary folder");
    let kit = bare.path().join("kit");
    fs::copy(host.identity(), &kit).expect("the kit");
    fs::rename(host.dir().join("keys"), host.path("gone")).expect("moved");
    let (vault, target) = (host.vault(), bare.path().join("out"));
    let with = |args: &[&str]| {
        let read = ["--vault", text(&vault), "--identity", text(&kit)];
        vow(bare.path(), args.iter().chain(&read))
    };
    let listed = with(&["snapshots"]).code(0);
    assert!(!listed.err.contains("on trust"));
    with(&["restore", "files@latest", "--target", text(&target)]).code(0);
    assert_eq!(files(&target).len(), 4);
    // Without the comment lines the host's key is taken on trust, and that is said.
    let secret = fs::read_to_string(&kit).expect("the kit").lines().last().expect("a line").to_owned();
    fs::write(&kit, secret).expect("written");
    with(&["ls", "latest"]).code(0).says("on trust");
}

#[test]
fn the_identity_can_come_from_the_environment() {
    let host = Host::backed_up();
    let run = |name: &str, value: &str| {
        let mut command = command(host.temp.path());
        command.env(name, value).arg("--config").arg(host.config()).args(["ls", "latest"]);
        crate::host::Ran::of(command.output().expect("the binary starts"))
    };
    let identity = host.identity();
    run("VOW_IDENTITY_FILE", text(&identity)).code(0);
    run("VOW_IDENTITY_COMMAND", &format!("cat {}", identity.display())).code(0);
    run("VOW_IDENTITY_COMMAND", &format!("cat {}; exit 3", identity.display())).code(12).advises();
    run("VOW_IDENTITY_COMMAND", "echo AGE-SECRET-KEY-1BROKEN").code(12).advises();
    run("VOW_IDENTITY_FILE", "/nonexistent").code(12).advises();
}

#[test]
fn names_that_are_not_text_are_whole_in_json() {
    let host = Host::new();
    let name = OsStr::from_bytes(b"odd\xff\n\x1b[31mname");
    fs::write(host.data().join(name), "x").expect("a file");
    host.run(["backup"]).code(0);
    let lines = host.open(["ls", "-R", "--json", "latest"]).code(0).lines();
    let entry = lines.iter().find(|line| !line["path_hex"].is_null()).expect("the odd name");
    assert!(entry["path_hex"].as_str().expect("digits").ends_with("6f6464ff0a1b5b33316d6e616d65"));
    let shown = host.open(["ls", "-R", "latest"]).code(0);
    assert!(!shown.out.contains('\x1b'), "control characters do not reach the terminal");
}
