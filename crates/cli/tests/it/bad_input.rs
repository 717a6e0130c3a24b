//! Wrong arguments, wrong keys, wrong places: each has its exit code, its reason and its next step.

use crate::host::{Host, command, files, is_root, text, vow};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn the_command_line_is_checked() {
    let host = Host::new();
    vow(host.temp.path(), ["frobnicate"]).code(2);
    vow(host.temp.path(), ["restore", "latest"]).code(2).says("--target");
    vow(host.temp.path(), Vec::<&str>::new()).code(2);
    vow(host.temp.path(), ["--help"]).code(0).prints("Exit codes");
    vow(host.temp.path(), ["restore", "--help"]).code(0).prints("SNAPSHOT[:PATH]");
    vow(host.temp.path(), ["--version"]).code(0).prints("vow ");
    let error = vow(host.temp.path(), ["frobnicate", "--json"]).code(2).json();
    assert_eq!((&error["message_type"], &error["code"]), (&json!("error"), &json!(2)));
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let host = Host::backed_up();
    let target = host.path("out");
    host.open(["restore", "nothing@latest", "-t", text(&target)]).code(10).advises().says("files@latest");
    host.open(["restore", "ffffffff", "-t", text(&target)]).code(10).advises();
    host.open(["restore", "files@1999-01-01", "-t", text(&target)]).code(10).advises();
    host.open(["restore", "latest:relative", "-t", text(&target)]).code(2).advises();
    host.open(["restore", "latest:/a/../b", "-t", text(&target)]).code(2).advises();
    host.open(["restore", "latest:/nonexistent", "-t", text(&target)]).code(1).advises().says("/nonexistent");
    host.open(["ls", "latest:/nonexistent"]).code(1).advises();
    host.open(["cat", "latest"]).code(2).advises();
    host.open(["cat", &host.at("latest", "sub")]).code(1).advises().says("a folder");
    host.open(["cat", &host.at("latest", "link")]).code(1).says("symbolic link");
    host.open(["find", "a{"]).code(2).advises();
    host.open(["ls", "latest", "--vault", "nowhere"]).code(10).advises().says("local");
    host.open(["ls", "latest", "--vault", "/nonexistent"]).code(10).advises();
    host.run(["backup", "nothing"]).code(2).advises().says("files");
    assert!(!target.exists());
    let error = host.open(["ls", "ffffffff", "--json"]).code(10).json();
    assert_eq!((&error["message_type"], &error["code"]), (&json!("error"), &json!(10)));
    assert!(error["message"].is_string() && error["hint"].is_string());
}

#[test]
fn without_the_right_identity_nothing_opens_and_the_next_step_is_named() {
    let host = Host::backed_up();
    let (other, target) = (host.path("other.agekey"), host.path("out"));
    host.run(["key", "new", "-o", text(&other)]).code(0);
    let snapshot = host.at("latest", "hello.txt");
    let commands: [&[&str]; 6] = [
        &["restore", "latest", "-t", text(&target)],
        &["ls", "latest"],
        &["cat", &snapshot],
        &["find", "*"],
        &["export", "latest"],
        &["diff", "latest", "latest"],
    ];
    for args in commands {
        host.run(args).code(12).advises().says("recovery.agekey");
        let wrong = host.run(args.iter().chain(&["--identity", text(&other)])).code(12).advises();
        assert!(wrong.out.is_empty(), "{wrong:?}");
    }
    host.run(["check", "--identity", text(&other)]).code(12);
    for bad in ["", "nonsense\n", "AGE-SECRET-KEY-1QQQQ\n"] {
        fs::write(&other, bad).expect("written");
        host.run(["ls", "latest", "--identity", text(&other)]).code(12).advises();
    }
    let reasons = [
        ("# a kit\nAGE-SECRET-KEY-1QQQQ\n", "damaged"),
        ("AGE-PLUGIN-YUBIKEY-1QQQQ\n", "not supported"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\n", "passphrase"),
        ("age-encryption.org/v1\n", "passphrase"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "holds no line"),
    ];
    for (bad, why) in reasons {
        fs::write(&other, bad).expect("written");
        host.run(["ls", "latest", "--identity", text(&other)]).code(12).advises().says(why);
    }
    assert!(!target.exists());
}

#[test]
fn secrets_of_the_host_never_appear() {
    let host = Host::new();
    let key = fs::read_to_string(host.dir().join("keys/host.key")).expect("the key");
    let secret = fs::read_to_string(host.dir().join("keys/host.secret")).expect("the secret");
    let runs = [
        host.run(["backup", "--json"]),
        host.run(["config", "show"]),
        host.run(["config", "check", "--json"]),
        host.run(["snapshots", "--json"]),
        host.open(["key", "prove", "--json"]),
    ];
    for ran in runs {
        for hidden in [key.trim(), secret.trim()] {
            assert!(!ran.out.contains(hidden) && !ran.err.contains(hidden));
        }
    }
    fs::write(host.dir().join("keys/host.key"), format!("{}x", key.trim())).expect("spoiled");
    let ran = host.run(["backup"]).code(1).advises();
    assert!(!ran.err.contains(key.trim()));
    fs::remove_file(host.dir().join("keys/host.secret")).expect("removed");
    fs::write(host.dir().join("keys/host.key"), &key).expect("mended");
    host.run(["backup"]).code(1).advises().says("host.secret");
}

#[test]
fn a_source_that_lost_its_content_is_refused() {
    let host = Host::backed_up();
    fs::rename(host.data(), host.path("away")).expect("moved");
    host.run(["backup"]).code(1);
    fs::create_dir(host.data()).expect("folder");
    let summary = host.run(["backup", "--json"]).code(1).json();
    assert_eq!(
        (&summary["status"], &summary["snapshots"][0]["status"]),
        (&json!("failed"), &json!("failed"))
    );
    assert_eq!(host.ids().len(), 1);
    host.run(["backup", "--allow-empty"]).code(0);
}

#[test]
fn another_source_still_runs_when_one_fails() {
    let host = Host::new();
    host.edit(|plan| {
        plan.replace(
            "[[source]]",
            "[[source]]\nname = \"gone\"\ntype = \"files\"\npaths = [\"/nonexistent\"]\n\n[[source]]",
        )
    });
    let summary = host.run(["backup", "--json"]).code(1).json();
    assert_eq!(summary["status"], "failed");
    assert_eq!(summary["snapshots"][0]["levels"][0]["status"], "none");
    assert_eq!(summary["snapshots"][1]["levels"][0]["status"], "ok");
    assert_eq!(
        (&summary["snapshots"][0]["status"], &summary["snapshots"][1]["status"]),
        (&json!("failed"), &json!("ok"))
    );
    assert_eq!(host.ids().len(), 1);
}

#[test]
fn unreadable_files_make_it_partial() {
    if !is_root() {
        return;
    }
    // Root reads everything, so the backup runs as somebody else.
    let host = Host::new();
    let closed = host.data().join("closed");
    fs::write(&closed, "x").expect("a file");
    for path in [host.temp.path(), &host.dir(), &host.data()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("permissions");
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).expect("permissions");
    for path in files(&host.dir()).iter().chain([&host.dir()]) {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("chown");
    }
    let chown = std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(host.dir()).status();
    assert!(chown.expect("chown").success());
    let mut command = command(host.temp.path());
    std::os::unix::process::CommandExt::uid(&mut command, 65534);
    command.arg("--config").arg(host.config()).args(["backup", "--json"]);
    let ran = crate::host::Ran::of(command.output().expect("the binary starts")).code(3);
    assert_eq!(ran.json()["status"], "partial");
    assert!(
        ran.lines()
            .iter()
            .any(|line| line["message_type"] == "problem" && line["path"].to_string().contains("closed"))
    );
}

#[test]
fn what_the_system_refuses_is_named_with_the_next_step() {
    let host = Host::backed_up();
    let (file, binary) = (host.path("file"), host.path("binary.toml"));
    fs::write(&file, "x").expect("a file");
    fs::write(&binary, [0xff, 0xfe, 0x00]).expect("a file");
    let here = host.temp.path();
    vow(here, ["--config", text(&host.dir()), "backup"]).code(2).advises().says("vow.toml");
    vow(here, ["--config", text(&binary), "backup"]).code(2).advises().says("no text");
    vow(here, ["init", "--dir", text(&file.join("below"))]).code(1).advises().says("file");
    vow(here, ["up", "--once", "--dir", text(&file), text(&host.data())]).code(1).advises().says("file");
    host.open(["mount", text(&file)]).code(1).advises().says("needs a folder");
    host.open(["mount", text(&host.path("nowhere"))]).code(1).advises().says("make that folder");
    host.open(["find", "["]).code(2).advises().says("pattern");
    host.open(["export", "latest", "-o", text(&file)]).code(1).advises().says("not replaced");
    host.run(["key", "new", "-o", "/proc/vow"]).code(1).advises().says("/proc/vow");
    assert_eq!(fs::read(&file).expect("untouched"), b"x");
    if !is_root() {
        return;
    }
    // What is root's is closed to others.
    fs::set_permissions(here, fs::Permissions::from_mode(0o755)).expect("permissions");
    fs::set_permissions(host.config(), fs::Permissions::from_mode(0o600)).expect("permissions");
    let as_nobody = |args: &[&str]| {
        let mut command = command(here);
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
        crate::host::Ran::of(command.args(args).output().expect("the binary starts"))
    };
    let config = host.config();
    as_nobody(&["--config", text(&config), "backup"]).code(1).advises().says("a user who may");
    as_nobody(&["init", "--dir", text(&host.path("new"))]).code(1).advises().says("a user who may");
    let kit = host.dir().join("recovery.agekey");
    fs::set_permissions(host.config(), fs::Permissions::from_mode(0o644)).expect("permissions");
    fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let refused = as_nobody(&["--config", text(&config), "backup"]).code(1).advises().says("a user who may");
    assert!(refused.err.contains("host.key") && !refused.err.contains("are closed now"), "{refused:?}");
    let vault = host.vault();
    let open = ["ls", "latest", "--vault", text(&vault), "--identity", text(&kit)];
    as_nobody(&open).code(12).advises().says("recovery.agekey");
    // Somebody who may read all of it but is not root: owners cannot be set, and that is said.
    assert!(
        Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(&vault)
            .arg(&kit)
            .status()
            .expect("chown")
            .success()
    );
    let target = here.join("theirs");
    fs::create_dir(&target).expect("folder");
    std::os::unix::fs::chown(&target, Some(65534), Some(65534)).expect("given away");
    let back = target.join("back");
    let restore = ["restore", "latest", "--vault", text(&vault), "--identity", text(&kit), "-t", text(&back)];
    as_nobody(&restore).code(0).says("owners and groups that only root may set were left out");
    fs::remove_dir_all(&back).expect("once more");
    let summary = as_nobody(&[&restore[..], &["--json"]].concat()).code(0).json();
    assert!(summary["notes"][0].as_str().is_some_and(|note| note.contains("owners")), "{summary}");
}

#[test]
fn a_target_that_cannot_be_written_is_named() {
    let host = Host::backed_up();
    // A file where the target should be fails for root as well.
    let file = host.path("file");
    fs::write(&file, "x").expect("a file");
    host.open(["restore", "latest", "-t", text(&file.join("below"))]).code(1).advises().says("file");
    assert_eq!(fs::read(&file).expect("untouched"), b"x");
    // Nobody writes below /proc, not even root.
    host.open(["restore", "latest", "-t", "/proc/vow"]).code(1).advises().says("/proc/vow");
    host.open(["export", "latest", "-o", "/proc/vow"]).code(1).advises().says("/proc/vow");
}
