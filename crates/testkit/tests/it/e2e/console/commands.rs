//! Every `vow console …`: help, exit codes, errors, JSON.

use serde_json::Value;
use std::fs;
use std::path::Path;
use vow_testkit::host::{scratch, vow};
use vow_testkit::shell::{self, Done};
use vow_testkit::{ConsoleServer, Host};

const COMMANDS: [&str; 29] = [
    "init",
    "serve",
    "user add",
    "user reset",
    "user disable",
    "user list",
    "token add",
    "token revoke",
    "token list",
    "join",
    "join-token",
    "hosts",
    "vault add",
    "vault list",
    "vault remove",
    "vault read-anew",
    "ping add",
    "ping list",
    "ping revoke",
    "tickets",
    "ticket",
    "ack",
    "assign",
    "comment",
    "snooze",
    "expect",
    "close",
    "user",
    "vault",
];

fn run(words: &[&str]) -> Done {
    shell::run(vow().arg("console").args(words))
}

/// A console that was only made.
fn made(dir: &Path) {
    let _ = run(&["init", "--address", "https://127.0.0.1:1", "--dir", &dir.display().to_string()]).expect(0);
}

/// An error that says something, where it belongs, and nothing beside it.
#[track_caller]
fn refused(done: &Done, code: i32, why: &str) {
    assert_eq!(done.code, Some(code), "{}", done.story());
    assert!(done.said().contains(why), "{why:?} is not said\n{}", done.story());
    match done.command.contains("\"--json\"") && !done.stdout.is_empty() {
        true => assert_eq!(done.summary()["message_type"], "error", "{}", done.story()),
        false => assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{}", done.story()),
    }
}

#[test]
fn every_command_explains_itself_and_refuses_what_it_does_not_know() {
    for command in COMMANDS {
        let words: Vec<&str> = command.split(' ').collect();
        let help = run(&[&words[..], &["--help"]].concat()).expect(0).text();
        assert!(
            help.contains(&format!("vow console {command}"))
                && help.lines().next().is_some_and(|line| line.len() > 5),
            "{command}:\n{help}"
        );
        refused(&run(&[&words[..], &["--no-such-thing"]].concat()), 2, "--no-such-thing");
    }
    let listed = run(&["--help"]).expect(0).text();
    for command in COMMANDS {
        let first = command.split(' ').next().unwrap();
        assert!(
            listed.lines().any(|line| line.trim_start().starts_with(first)),
            "{first} is not listed\n{listed}"
        );
    }
}

#[test]
fn a_folder_is_a_console_once_and_says_what_is_wrong_in_it() {
    let folder = scratch();
    let dir = folder.path().join("console");
    let at = dir.display().to_string();
    refused(&run(&["tickets", "--dir", &at]), 10, "vow console init --dir");
    refused(&run(&["init", "--address", "nowhere", "--dir", &at]), 2, "--address");
    refused(&run(&["init", "--database", "mysql://x", "--dir", &at]), 2, "postgres://");
    assert!(!dir.exists());
    made(&dir);
    let before = fs::read_to_string(dir.join("console.toml")).unwrap();
    refused(&run(&["init", "--dir", &at]), 1, "nothing was changed");
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(dir.join("console.key")).unwrap());
    assert_eq!(mode & 0o077, 0, "others can read the key");
    fs::write(dir.join("console.toml"), format!("{before}\nlisten_everywhere = true\n")).unwrap();
    let line = before.lines().count() + 2;
    refused(&run(&["serve", "--dir", &at]), 2, &format!("line {line}"));
    fs::write(
        dir.join("console.toml"),
        format!("{before}\ndatabase = \"postgres://nobody@127.0.0.1:1/vow\"\n"),
    )
    .unwrap();
    refused(&run(&["hosts", "--dir", &at]), 1, "127.0.0.1:1");
    // A port that somebody else has.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let lines =
        format!("listen_web = [\"{}\"]\nlisten_hosts = [\"127.0.0.1:0\"]\n", taken.local_addr().unwrap());
    fs::write(dir.join("console.toml"), format!("{before}{lines}")).unwrap();
    refused(&run(&["serve", "--dir", &at]), 1, &taken.local_addr().unwrap().to_string());
}

#[test]
fn a_ticket_is_worked_on_from_the_command_line() {
    let folder = scratch();
    let mut console = ConsoleServer::made(&folder.path().join("console"));
    assert_eq!(console.keep("tickets --json", &[]).expect(0).summary()["tickets"], Value::Array(vec![]));
    fs::create_dir(folder.path().join("data")).unwrap();
    let gone = folder.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let host = Host::at(&folder.path().join("host"), &[&folder.path().join("data"), &gone]);
    fs::remove_dir(&gone).unwrap();
    console.admit(&host);
    let _ = host.run(["backup"]);
    let listed = console.keep("tickets --json", &[]).expect(4).summary();
    let ticket = listed["tickets"][0].clone();
    let id = ticket["id"].as_str().unwrap();
    let said = ticket["sentence"].as_str().unwrap();
    let table = console.keep("tickets", &[]).expect(4).text();
    assert!(table.contains(id) && table.contains(said), "{table}");
    let _ = console.keep("ack", &[id, "--by", "kim"]).expect(0);
    let _ = console.keep("assign", &[id, "lee", "--by", "kim"]).expect(0);
    let _ = console.keep("comment", &[id, "the disk is at the workshop", "--by", "kim"]).expect(0);
    let _ = console.keep("snooze", &[id, "--hours", "2"]).expect(0);
    let shown = console.keep("ticket", &[id]).expect(0).text();
    for word in [said, "next step", "lee", "the disk is at the workshop"] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    let whole = console.keep("ticket --json", &[id]).expect(0).summary();
    assert_eq!(
        (&whole["ticket"]["acknowledged_by"], &whole["ticket"]["owner"]),
        (&"kim".into(), &"lee".into())
    );
    for words in [&["ticket"][..], &["ack"], &["assign"], &["snooze"]] {
        refused(&console.keep(&words.join(" "), &["nosuch"]), 10, "");
    }
    let _ = console.keep("close", &[id, "it was a test"]).expect(0);
    assert_ne!(console.keep("close", &[id, "again"]).code, Some(101));
    let closed = console.keep("tickets --closed --json", &[]).expect(0).summary();
    assert_eq!(closed["tickets"][0]["id"], id);
    // SIGTERM ends the server well.
    shell::tool("kill", [console.pid().to_string()]);
    assert_eq!(console.wait(), Some(0));
}
