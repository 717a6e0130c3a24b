//! A vault behind an address: joining, backing up, reading with the kit alone, being away, being shut out.

use crate::host::{Host, files, is_root, noise, text, vow};
use crate::served::{Served, joined, only};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn a_host_joins_with_a_token_and_backs_up_to_both_levels() {
    let served = Served::new();
    let host = Host::new();
    let token = served.token(&["--tenant", "acme", "--name", "web-1"]);
    let ran = host.run(["vault", "join", &token, "--json"]).code(0);
    let said = ran.json();
    assert_eq!(
        (&said["role"], &said["host"], &said["in_kit"]),
        (&json!("write"), &json!("web-1"), &json!(true))
    );
    host.run(["config", "check"]).code(0);
    let plan = fs::read_to_string(host.config()).expect("vow.toml");
    assert!(plan.contains(&format!("url = \"https://{}\"", served.address)), "{plan}");
    assert!(!plan.contains(token.rsplit('.').next().expect("a secret")), "the secret is of no use any more");

    let summary = host.run(["backup", "--json"]).code(0).json();
    assert_eq!(summary["snapshots"][0]["levels"][1], json!({"name": "remote", "status": "ok"}));
    host.write("new.bin", noise(50_000));
    host.run(["backup"]).code(0);
    // Without the identity a host sees what it sent; with it, what is there.
    let seen = host.run(["snapshots", "--json"]).code(0).json();
    let opened = host.open(["snapshots", "--json"]).code(0).json();
    for listed in [seen, opened] {
        assert_eq!(listed["snapshots"].as_array().expect("a list").len(), 2);
        assert_eq!(listed["snapshots"][1]["vaults"], json!(["local", "remote"]));
    }
    host.open(["check", "--read-data"]).code(0).prints("remote: no damage");
    host.run(["check"]).code(3).says("needs the identity");
    served.keep("hosts", &[]).code(0).prints("web-1").prints("restore=host=");
    served.keep("status", &[]).code(0).prints("2 kept");
    // The same token with the same key once more; and with another key.
    host.run(["vault", "join", &token]).code(2).advises().says("already");
    let other = Host::new();
    other.run(["vault", "join", &token]).code(1).says("does not take this token");
    assert!(!fs::read_to_string(other.config()).expect("vow.toml").contains("remote"));
}

#[test]
fn a_bare_machine_restores_with_the_kit_alone() {
    let served = Served::new();
    let host = joined(&served);
    host.run(["backup"]).code(0);
    let bare = tempfile::tempdir().expect("a temporary folder");
    let kit = bare.path().join("kit");
    fs::copy(host.identity(), &kit).expect("the kit");
    let with = ["--identity", text(&kit)];
    vow(bare.path(), ["snapshots"].iter().chain(&with)).code(0).prints("remote");
    vow(bare.path(), ["restore", "latest", "-t", "out"].iter().chain(&with)).code(0);
    let restored = only(&bare.path().join("out"), "large.bin");
    assert_eq!(fs::read(restored).expect("the file"), noise(3 << 20));
    vow(bare.path(), ["export", "latest", "-o", "out.tar"].iter().chain(&with)).code(0);
    vow(bare.path(), ["check", "--read-data"].iter().chain(&with)).code(0);
    // By its address; the fingerprint comes from the kit, or from the command line.
    let url = format!("https://{}", served.address);
    vow(bare.path(), ["ls", "latest", "--vault", &url].iter().chain(&with)).code(0);
    let naked = bare.path().join("naked");
    let secret = fs::read_to_string(&kit).expect("the kit");
    let secret = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).expect("a secret").to_owned();
    fs::write(&naked, secret).expect("an identity");
    let with = ["--identity", text(&naked)];
    vow(bare.path(), ["ls", "latest", "--vault", &url].iter().chain(&with))
        .code(2)
        .advises()
        .says("fingerprint");
    let pinned = format!("{url}#{}", served.fingerprint().trim_start_matches("SHA256:"));
    vow(bare.path(), ["ls", "latest", "--vault", &pinned].iter().chain(&with)).code(0);
    let wrong = format!("{url}#{}", "00".repeat(32));
    vow(bare.path(), ["ls", "latest", "--vault", &wrong].iter().chain(&with))
        .code(10)
        .advises()
        .says("another one");
    // Another identity opens nothing, and is let in nowhere.
    let stranger = Host::new();
    let with = ["--identity", text(&stranger.identity())].map(str::to_owned);
    let args = ["ls", "latest", "--vault", &pinned].map(str::to_owned);
    vow(bare.path(), args.iter().chain(&with)).code(12).advises();
}

#[test]
fn what_a_vault_missed_while_it_was_away_waits_and_is_sent() {
    let mut served = Served::new();
    let host = joined(&served);
    host.run(["backup"]).code(0);
    assert_eq!(served.stop(), Some(0));
    // Nothing that the large file has already: where it is cut depends on the host.
    host.write("new.bin", noise(300_000).iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>());
    let ran = host.run(["backup", "--json"]).code(3);
    let summary = ran.json();
    assert_eq!((&summary["status"], &summary["spool"]["snapshots"]), (&json!("partial"), &json!(1)));
    assert!(
        summary["snapshots"][0]["levels"][0]["error"].to_string().contains("cannot be reached"),
        "{summary}"
    );
    let spooled: u64 = summary["spool"]["bytes"].as_u64().expect("bytes");
    assert!(
        (300_000..1_000_000).contains(&spooled),
        "only what the vault lacks waits here, not {spooled} bytes"
    );
    host.run(["snapshots"]).code(3).prints("(spool)");
    served.start();
    host.run(["backup"]).code(0).says("1 snapshot that waited");
    host.open(["check", "--read-data"]).code(0);
    assert_eq!(served.keep("status --json --verify-ledger", &[]).code(0).json()["snapshots"], 3);
    host.run(["vault", "status"]).code(2);
}

#[test]
fn a_second_vault_behind_an_address_gets_what_it_missed() {
    let (mut far, near) = (Served::new(), Served::new());
    let host = joined(&near);
    host.run(["vault", "join", &far.token(&[]), "--name", "far"]).code(0);
    host.run(["backup"]).code(0);
    far.kill();
    host.write("one.bin", noise(100_000));
    let summary = host.run(["backup", "--json"]).code(3).json();
    // Neither can be read from here, so what the one misses has to wait.
    assert_eq!(summary["spool"]["levels"], json!(["far"]));
    assert_eq!(summary["snapshots"][0]["levels"][0]["status"], "ok");
    host.write("two.bin", noise(200_000));
    host.run(["backup"]).code(3).says("2 snapshots");
    far.start();
    host.run(["backup"]).code(0);
    for vault in ["remote", "far"] {
        host.open(["check", "--read-data", "--vault", vault]).code(0);
    }
    let listed = host.open(["snapshots", "--json"]).code(0).json();
    assert!(
        listed["snapshots"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|s| s["vaults"] == json!(["remote", "far"])),
        "{listed}"
    );
}

/// It was joined later: nothing here can read the first one to fill it, so everything is sent once more.
#[test]
fn a_vault_that_joins_late_is_filled_by_the_next_backup() {
    let (near, late) = (Served::new(), Served::new());
    let host = joined(&near);
    host.run(["backup"]).code(0);
    host.run(["vault", "join", &late.token(&[]), "--name", "late"]).code(0);
    host.run(["backup"]).code(0);
    host.open(["check", "--read-data", "--vault", "late"]).code(0);
    host.open(["restore", "latest", "--vault", "late", "-t", text(&host.path("out"))]).code(0);
}

#[test]
fn a_local_vault_fills_one_that_was_away() {
    let mut served = Served::new();
    let host = Host::new();
    served.admit(&host);
    served.kill();
    let summary = host.run(["backup", "--json"]).code(3).json();
    assert_eq!(
        (&summary["spool"]["snapshots"], &summary["snapshots"][0]["levels"][0]["status"]),
        (&json!(0), &json!("ok"))
    );
    served.start();
    host.run(["backup"]).code(0).says("remote lagged behind; 1 snapshot copied");
    host.open(["check", "--read-data", "--vault", "remote"]).code(0);
}

#[test]
fn a_wrong_fingerprint_and_a_revoked_key_are_refused_for_good() {
    let served = Served::new();
    let host = Host::new();
    served.admit(&host);
    host.run(["backup"]).code(0);
    let good = fs::read_to_string(host.config()).expect("vow.toml");
    let wrong = format!("SHA256:{}", "00".repeat(32));
    fs::write(host.config(), good.replace(&served.fingerprint(), &wrong)).expect("vow.toml");
    host.run(["backup"]).code(3).says("is another one").says("next step");
    host.run(["config", "check"]).code(4).says("is another one");
    fs::write(host.config(), &good).expect("vow.toml");
    host.run(["backup"]).code(0);

    let id =
        served.keep("hosts --json", &[]).code(0).json()["hosts"][0]["id"].as_str().expect("an id").to_owned();
    served.keep("revoke", &[&id[..2], "--note", "stolen"]).code(10).advises();
    served.keep("revoke", &[&id, "--note", "stolen"]).code(0).prints("write");
    served.keep("hosts", &[]).code(0).prints("REVOKED");
    // The server looks at such things every few seconds.
    std::thread::sleep(std::time::Duration::from_secs(7));
    let ran = host.run(["backup", "--json"]).code(3).json();
    let remote = &ran["snapshots"][0]["levels"][1];
    assert!(remote["error"].to_string().contains("has not joined"), "{remote}");
    assert_eq!(ran["spool"]["snapshots"], 0);
    // What it sent before is still there for those who may read it.
    host.open(["check", "--read-data", "--vault", "remote"]).code(0);
}

#[test]
fn a_vault_that_was_set_back_is_found_out_over_the_network_too() {
    let mut served = Served::new();
    let host = joined(&served);
    host.run(["backup"]).code(0);
    let old = served.temp.path().join("old");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let done = std::process::Command::new("cp").args(["-a", text(from), text(to)]).status();
        assert!(done.expect("cp").success());
    };
    copy(&served.store(), &old);
    host.run(["backup"]).code(0);
    assert_eq!(served.stop(), Some(0));
    fs::remove_dir_all(served.store()).expect("lost");
    copy(&old, &served.store());
    served.start();
    host.run(["backup"]).code(4).says("remote contradicts itself").says("set back");
    host.open(["check"]).code(4).says("set back");
}

#[test]
fn tokens_are_for_one_role_and_for_a_while() {
    let served = Served::new();
    let host = Host::new();
    for bad in ["", "nonsense", "https://x:1#12.34", &served.token(&[])[..60]] {
        let ran = host.run(["vault", "join", bad]).code(2).advises();
        assert!(bad.is_empty() || !ran.err.contains(bad), "{ran:?}");
    }
    host.run(["vault", "join", &served.token(&["--role", "console"])]).code(1).advises().says("--role");
    let second = Host::new();
    let token = served.token(&["--term", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    second.run(["vault", "join", &token]).code(1).says("does not take this token");
    served.keep("join-token", &["--role", "console", "--tenant", "acme"]).code(2).advises();
    served.keep("join-token", &["--term", "soon"]).code(2);
    served.keep("join-token", &["--tenant", "No Name"]).code(2);
    let said = served.keep("join-token --json", &["--role", "restore", "--tenant", "acme"]).code(0).json();
    assert_eq!(said["right"], "restore=tenant=acme");
    // Somebody who joins later may read what a whole customer's hosts sent.
    let third = joined(&served);
    third.run(["backup"]).code(0);
    let reader = third.path("reader.agekey");
    vow(third.temp.path(), ["key", "new", "-o", text(&reader)]).code(0);
    let token = said["token"].as_str().expect("a token");
    vow(third.temp.path(), ["vault", "join", token, "--identity", text(&reader)])
        .code(0)
        .prints("# vault remote https://");
    let url = format!("https://{}#{}", served.address, served.fingerprint().trim_start_matches("SHA256:"));
    vow(third.temp.path(), ["snapshots", "--vault", &url, "--identity", text(&reader)])
        .code(0)
        .prints("web-1/files");
}

#[test]
fn a_vault_replicates_another_one_and_serves_restores() {
    let (near, far) = (Served::new(), Served::new());
    let host = joined(&near);
    host.run(["backup"]).code(0);
    let (token, dir) = (near.token(&["--role", "replicate"]), far.dir());
    vow(far.temp.path(), ["vault", "join", &token, "--dir", text(&dir), "--name", "near"]).code(0);
    assert!(far.settings().contains("[[replicate]]"), "{}", far.settings());
    let from = format!("https://{}#{}", near.address, near.fingerprint().trim_start_matches("SHA256:"));
    far.keep("replicate", &["--from", &from]).code(0).prints("1 snapshot copied");
    let identity = host.identity();
    let read = ["snapshots", "--vault", text(&far.store()), "--identity", text(&identity)].map(str::to_owned);
    vow(host.temp.path(), read).code(0).prints("web-1/files");
    // A vault that was not let in.
    let stranger = Served::new();
    stranger.keep("replicate", &["--from", &from]).code(10).advises().says("join-token --role replicate");
}

#[test]
fn the_socket_of_a_server_does_for_its_folder() {
    let served = Served::new();
    let socket = served.dir().join("admin.sock");
    let host = Host::new();
    let token = served.keep("join-token --quiet", &["--socket", text(&socket)]).code(0).out;
    host.run(["vault", "join", token.trim()]).code(0);
    served.keep("hosts", &["--socket", text(&socket)]).code(0).prints("web-1");
    served.keep("hosts", &["--socket", "/nonexistent"]).code(10).advises();
}

/// As the package installs it: the vault is its server's, and root looks after it.
#[test]
fn root_asks_the_server_of_another_user() {
    const NOBODY: u32 = 65534;
    if !is_root() {
        return;
    }
    let mut served = Served::new();
    served.stop();
    let dir = served.dir();
    let own = Command::new("chown").args(["-R", &NOBODY.to_string(), text(&dir)]).status();
    assert!(own.expect("chown").success());
    fs::set_permissions(served.temp.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    served.user = Some(NOBODY);
    served.start();
    let host = Host::new();
    host.run(["vault", "join", &served.token(&[])]).code(0);
    host.run(["backup"]).code(0);
    let id =
        served.keep("hosts --json", &[]).code(0).json()["hosts"][0]["id"].as_str().expect("an id").to_owned();
    served.keep("hosts", &[]).code(0).prints(&id[..12]);
    served.keep("join-token", &["--role", "restore", "--host", &id[..6]]).code(0).says("of host");
    served.keep("revoke", &[&id[..6], "--note", "stolen"]).code(0).prints("write");
    // What only its own user may do is said; nothing of root's is left there.
    served.keep("sweep", &[]).code(2).advises().says("runuser -u");
    served.stop();
    let found = Command::new("find").args([text(&dir), "-user", "0"]).output().expect("find");
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    served.keep("hosts", &[]).code(10).advises();
}

#[test]
fn a_served_vault_is_made_once_and_says_what_is_wrong_with_its_settings() {
    let served = Served::new();
    served.keep("init", &[]).code(1).advises().says("already");
    let host = Host::new();
    for (line, says) in [("listn = []", "vault.toml:2:1"), ("reserve = \"1\"\nx", "vault.toml:3:")] {
        fs::write(served.dir().join("vault.toml"), format!("# x\n{line}\n")).expect("settings");
        served.keep("serve", &[]).code(2).advises().says(says);
    }
    vow(host.temp.path(), ["vault", "init"]).code(2);
    vow(host.temp.path(), ["vault", "init", "x", "--dir", "y"]).code(2);
    vow(host.temp.path(), ["vault", "serve", "--dir", "nowhere"]).code(10).advises();
    assert!(!files(&served.dir()).is_empty());
    assert!(served.log().contains("ready"));
}
