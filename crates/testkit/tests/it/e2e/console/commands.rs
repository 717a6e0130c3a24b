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
fn people_and_tokens_come_and_go() {
    let folder = scratch();
    let dir = folder.path().join("console");
    made(&dir);
    let at = dir.display().to_string();
    let (good, short) = (folder.path().join("good"), folder.path().join("short"));
    fs::write(&good, "correct horse battery\n").unwrap();
    fs::write(&short, "horse\n").unwrap();
    let (good, short) = (good.display().to_string(), short.display().to_string());
    let here = |words: &[&str]| run(&[words, &["--json", "--dir", &at]].concat());
    let add = |name: &str, file: &str, more: &[&str]| {
        here(&[&["user", "add", name, "--password-file", file], more].concat())
    };
    let _ = add("kim", &good, &["--role", "administrator"]).expect(0);
    let _ = add("acme", &good, &["--role", "customer", "--tenant", "acme"]).expect(0);
    assert_ne!(add("kim", &good, &["--role", "auditor"]).code, Some(0), "two with one name");
    refused(&add("lee", &short, &["--role", "auditor"]), 2, "10");
    refused(&add("lee", &good, &["--role", "king"]), 2, "king");
    refused(&add("lee", &good, &["--role", "customer"]), 2, "tenant");
    refused(&add("lee", "/nowhere", &["--role", "auditor"]), 1, "/nowhere");
    let users = here(&["user", "list"]).expect(0).summary();
    let names: Vec<_> =
        users["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["acme", "kim"]);
    assert!(!users.to_string().contains("argon2"), "{users}");
    let _ = here(&["user", "disable", "acme"]).expect(0);
    let shown = run(&["user", "list", "--dir", &at]).expect(0).text();
    assert!(shown.contains("SHUT OUT"), "{shown}");
    let _ = here(&["user", "disable", "acme", "--undo"]).expect(0);
    let _ = here(&["user", "reset", "acme", "--password-file", &good]).expect(0);
    refused(&here(&["user", "disable", "nobody"]), 10, "nobody");
    refused(&here(&["user", "reset", "nobody", "--password-file", &good]), 10, "nobody");
    let token = here(&["token", "add", "grafana"]).expect(0).summary()["token"].as_str().unwrap().to_owned();
    let tokens = here(&["token", "list"]).expect(0).summary();
    assert!(tokens["tokens"][0]["name"] == "grafana" && !tokens.to_string().contains(&token), "{tokens}");
    let _ = here(&["token", "revoke", "1"]).expect(0);
    refused(&here(&["token", "revoke", "7"]), 10, "token number 7");
    refused(&here(&["token", "revoke", "seven"]), 2, "seven");
    let _ = here(&["join-token"]).expect(0);
    refused(&here(&["ping", "add", "acme", "old-1", "nightly", "--parser", "tar"]), 2, "--parser");
    refused(&here(&["ping", "add", "ACME!", "old-1", "nightly"]), 2, "tenant");
    let _ = here(&["ping", "add", "acme", "old-1", "nightly", "--parser", "borg"]).expect(0);
    let pings = here(&["ping", "list"]).expect(0).summary();
    assert_eq!(pings["pings"][0]["parser"], "borg");
    let _ = here(&["ping", "revoke", "1"]).expect(0);
    refused(&here(&["ping", "revoke", "1"]), 10, "address number 1");
    assert!(here(&["vault", "list"]).expect(0).summary()["vaults"].as_array().unwrap().is_empty());
    refused(&here(&["vault", "remove", "remote"]), 10, "remote");
    refused(&here(&["vault", "read-anew", "remote"]), 10, "remote");
    assert_ne!(here(&["vault", "add", "remote", "no-token"]).code, Some(0));
    assert_eq!(here(&["hosts"]).expect(0).summary()["hosts"][0]["name"], "old-1");
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
    refused(&console.keep("snooze", &[id, "--hours", "0"]), 2, "0 is not in 1..=2160");
    refused(&console.keep("expect", &[id, "it is like that"]), 1, "compares with nothing");
    // The beginning of a number is enough, as with snapshots.
    let shown = console.keep("ticket", &[&id[..9]]).expect(0).text();
    for word in ["owner: lee", "looked into by: kim", "snoozed until: ", "about: "] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    let history =
        ["kim looks into it.", "kim handed it to lee.", "kim: the disk is at the workshop", "Seen: "];
    for word in [said, "next step"].into_iter().chain(history) {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    let whole = console.keep("ticket --json", &[id]).expect(0).summary();
    assert_eq!(
        (&whole["ticket"]["acknowledged_by"], &whole["ticket"]["owner"]),
        (&"kim".into(), &"lee".into())
    );
    for words in [&["ticket"][..], &["ack"], &["assign"], &["snooze"]] {
        refused(&console.keep(&words.join(" "), &["nosuch"]), 10, "there is no ticket \"nosuch\"");
    }
    let _ = console.keep("close", &[id, "it was a test"]).expect(0);
    assert_ne!(console.keep("close", &[id, "again"]).code, Some(101));
    let closed = console.keep("tickets --closed --json", &[]).expect(0).summary();
    assert_eq!(closed["tickets"][0]["id"], id);
    // SIGTERM ends the server well.
    shell::tool("kill", [console.pid().to_string()]);
    assert_eq!(console.wait(), Some(0));
}
