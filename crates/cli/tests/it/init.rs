//! `vow init`: what it makes, and what it refuses.

use crate::host::{Host, files, text, vow};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").mode() & 0o7777
}

#[test]
fn everything_is_made_and_secrets_are_their_owners_alone() {
    let host = Host::new();
    for secret in [host.identity(), host.dir().join("keys/host.key"), host.dir().join("keys/host.secret")] {
        assert_eq!(mode(&secret), 0o600, "{}", secret.display());
    }
    let kit = fs::read_to_string(host.identity()).expect("the kit");
    let key = fs::read_to_string(host.dir().join("keys/host.key")).expect("the key");
    assert_eq!(key.trim().len(), 64);
    assert!(!kit.contains(key.trim()), "the kit verifies, it does not sign");
    for line in ["# vow recovery kit", "# created", "# public key: age1", "# host web-1 ", "# vault local "] {
        assert!(kit.contains(line), "{line}");
    }
    assert!(kit.lines().all(|line| line.starts_with('#') || line.starts_with("AGE-SECRET-KEY-1")));
    host.run(["config", "check"]).code(0);
}

#[test]
fn the_recovery_key_is_in_no_backup_and_warned_of_while_it_lies_there() {
    let host = Host::new();
    host.edit(|plan| plan.replace("paths = [", &format!("paths = [{:?}, ", host.dir())));
    let second = host.dir().join("second.agekey");
    vow(host.temp.path(), ["key", "new", "-o", text(&second)]).code(0);
    let ran = host.run(["backup"]).code(0).says("the recovery key lies on this machine").says("next step: ");
    for kit in [&host.identity(), &second] {
        assert!(
            ran.err.contains(&format!("{} is a key that opens backups: not captured", text(kit))),
            "{ran:#?}"
        );
    }
    let listed = host.open(["ls", "-R", &format!("latest:{}", text(&host.dir()))]).code(0).prints("vow.toml");
    assert!(!listed.out.contains("agekey"), "{listed:#?}");
    fs::rename(host.identity(), host.path("away")).expect("moved away");
    let ran = host.run(["backup"]).code(0);
    assert!(!ran.err.contains("recovery key"), "{ran:#?}");
}

#[test]
fn with_a_recipient_no_recovery_key_is_made() {
    let host = Host::new();
    let recipient = host.run(["key", "new", "-o", text(&host.path("new.agekey"))]).code(0).out;
    let dir = host.path("second");
    let made = vow(
        host.temp.path(),
        [
            "init",
            "--dir",
            text(&dir),
            "--path",
            text(&host.data()),
            "--recipient",
            recipient.trim(),
            "--json",
        ],
    );
    let made = made.code(0).json();
    assert_eq!(made["recovery_key"], serde_json::Value::Null);
    assert!(!dir.join("recovery.agekey").exists());
    assert!(fs::read_to_string(dir.join("vow.toml")).expect("vow.toml").contains(recipient.trim()));
}

#[test]
fn nothing_is_ever_overwritten() {
    let host = Host::new();
    let before: Vec<_> =
        files(&host.dir()).into_iter().map(|path| (fs::read(&path).expect("read"), path)).collect();
    host.init(&[]).code(1).advises().says("there already");
    for name in ["vow.toml", "recovery.agekey", "keys", "vault", "state"] {
        let dir = host.path(&format!("with-{name}"));
        fs::create_dir(&dir).expect("folder");
        fs::write(dir.join(name), "mine").expect("file");
        vow(host.temp.path(), ["init", "--dir", text(&dir), "--path", text(&host.data())]).code(1).advises();
        assert_eq!(files(&dir), [dir.join(name)]);
        assert_eq!(fs::read(dir.join(name)).expect("read"), b"mine");
    }
    let after: Vec<_> =
        files(&host.dir()).into_iter().map(|path| (fs::read(&path).expect("read"), path)).collect();
    assert!(before == after);
}

#[test]
fn a_failed_init_leaves_nothing_behind() {
    let host = Host::new();
    let dir = host.path("deep/er");
    let init = |more: &[&str]| {
        let mut args = vec!["init", "--dir", text(&dir)];
        args.extend(more);
        vow(host.temp.path(), args)
    };
    init(&["--path", "/nonexistent/path"]).code(1).advises().says("/nonexistent/path");
    init(&["--path", "/etc", "--name", "Bad Name"]).code(2).says("Bad Name");
    init(&["--path", "/etc", "--recipient", "age1nonsense"]).code(2).says("age1nonsense");
    let secret = fs::read_to_string(host.identity()).expect("the kit");
    let secret = secret.lines().last().expect("a line").to_owned();
    init(&["--path", "/etc", "--recipient", &secret]).code(2).says("must stay offline");
    assert!(!host.path("deep").exists());
}

#[test]
fn relative_paths_become_absolute() {
    let host = Host::new();
    vow(host.temp.path(), ["init", "--dir", "relative", "--path", "data", "--path", "./data"]).code(0);
    let plan =
        vow(host.temp.path(), ["--config", "relative/vow.toml", "config", "show", "--json"]).code(0).json();
    assert_eq!(plan["sources"][0]["paths"], serde_json::json!([text(&host.data())]));
}
