//! `vow up`: backed up, restored, compared.

use crate::host::{Host, command, on_fresh_machine, text, vow};
use crate::served::Served;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

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
    let people = vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), text(&data)]).code(0);
    people.prints("PROVEN: files on local: 3 files").prints("recovery key: ").prints("vow.toml");
}

#[test]
fn a_backup_that_failed_is_not_said_to_lack_an_identity() {
    let host = Host::new();
    let dir = host.path("up");
    let up = || vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), text(&host.data())]);
    up().code(0);
    fs::rename(host.data(), host.path("away")).expect("moved");
    let ran = up().code(1).prints("NOTHING WAS PROVEN: no vault has taken a snapshot").says("does not exist");
    assert!(!ran.out.contains("without the identity"), "{ran:#?}");
}

#[test]
fn its_own_folder_is_not_backed_up() {
    let host = Host::new();
    let dir = host.data().join("own [1]");
    vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), text(&host.data())]).code(0);
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
        let args = ["up".to_owned(), "--once".into(), "--dir".into(), dir, data]
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
    vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), text(&host.data())]).code(0);
    vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), "/etc"]).code(2).advises().says("/etc");
    let gone =
        vow(host.temp.path(), ["up", "--once", "--dir", text(&host.path("new")), "/nonexistent"]).code(1);
    gone.advises().says("/nonexistent");
    assert!(!host.path("new").exists());
}

#[test]
fn what_is_made_is_explained_and_never_changed_again() {
    let host = Host::new();
    let (dir, data) = (host.path("up"), host.data());
    let up = || vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), text(&data)]).code(0);
    up().prints("PUT IT AWAY NOW")
        .prints("AUDITED: ")
        .prints("every vault of the plan is a folder of this machine");
    let made = || {
        [
            "vow.toml",
            "console/console.toml",
            "console/console.key",
            "keys/host.key",
            "keys/host.secret",
            "recovery.agekey",
        ]
        .map(|name| fs::read(dir.join(name)).expect("made"))
    };
    let (before, plan) = (made(), fs::read_to_string(dir.join("vow.toml")).expect("a plan"));
    for words in ["# Snapshots are sealed to these", "goes with the disk", "schedule = ", "[console]"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    up();
    assert_eq!(made(), before);
    vow(host.temp.path(), ["--config", text(&dir.join("vow.toml")), "config", "check"]).code(0);
    // What was reported lies in the console's database, not in a spool.
    assert_eq!(
        fs::read_dir(dir.join("state/reports")).map_or(0, |entries| {
            entries.filter(|entry| entry.as_ref().is_ok_and(|e| text(&e.path()).ends_with(".json"))).count()
        }),
        0
    );
    let tokens = ["up", "--once", "--dir", text(&dir), "--join", "https://a.example:1#x"];
    vow(host.temp.path(), tokens).code(2).advises();
}

/// `vow up` that stays.
struct Staying {
    child: Child,
    ready: Value,
    summary: Value,
    /// It ends when nobody reads what it prints.
    _lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Staying {
    fn new(folder: &Path, args: &[&str]) -> Self {
        let mut child = command(folder);
        child.args(["--json", "up"]).args(args).env("USER", "ada");
        let log = fs::File::create(folder.join("log")).expect("a log");
        let mut child = child.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut summary = Value::Null;
        loop {
            let said = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {}", said())).expect("a line");
            let value: Value = serde_json::from_str(&line).expect("JSON");
            match value["message_type"].as_str() {
                Some("summary") => summary = value,
                Some("ready") => break Self { child, ready: value, summary, _lines: Some(lines) },
                _ => {}
            }
        }
    }

    fn ask(&self, head: &str, body: &str) -> (String, String) {
        let web = self.ready["page"].as_str().expect("a page").strip_prefix("http://").expect("HTTP");
        let mut stream = TcpStream::connect(web).expect("it listens");
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let text = format!(
            "{head}host: {web}\r\n{form}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    /// Logs in with the link; what is asked afterwards carries the session.
    fn log_in(&self) -> String {
        let link = self.ready["login"].as_str().expect("a link");
        let secret = link.rsplit('/').next().expect("a secret");
        let (head, _) = self.ask("POST /login/link HTTP/1.1\r\n", &format!("secret={secret}"));
        assert!(head.contains(" 303 "), "{head}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
        cookie.split(';').next().expect("a cookie").to_owned()
    }

    fn page(&self, path: &str, cookie: &str) -> String {
        let (head, body) = self.ask(&format!("GET {path} HTTP/1.1\r\ncookie: {cookie}\r\n"), "");
        assert!(head.contains(" 200 "), "{path}: {head}");
        body
    }

    fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("told");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_stays_shows_what_was_proven_to_whoever_has_the_link_and_works_on() {
    let host = Host::new();
    let (dir, data) = (host.path("up"), host.data());
    let up = Staying::new(host.temp.path(), &["--dir", text(&dir), text(&data)]);
    assert_eq!(up.summary["proven"], true);
    // Somebody else on this machine is shown nothing.
    let (head, _) = up.ask("GET /api/v1/hosts HTTP/1.1\r\n", "");
    assert!(head.contains(" 401 "), "{head}");
    let cookie = up.log_in();
    let secret = up.ready["login"].as_str().expect("a link").rsplit('/').next().expect("a secret");
    let (again, _) = up.ask("POST /login/link HTTP/1.1\r\n", &format!("secret={secret}"));
    assert!(again.contains(" 401 "), "a link is good once: {again}");
    up.page("/", &cookie);
    let proofs: Value = serde_json::from_str(&up.page("/api/v1/proofs", &cookie)).expect("JSON");
    assert!(proofs.to_string().contains("proven"), "{proofs}");
    let runs: Value = serde_json::from_str(&up.page("/api/v1/sources/1/runs", &cookie)).expect("JSON");
    assert!(runs.to_string().contains("\"ok\""), "{runs}");
    // The agent is part of it: a second one, and a second `vow up` that would stay, are told so; a script may go on.
    let config = dir.join("vow.toml");
    vow(host.temp.path(), ["--config", text(&config), "agent", "--once"]).code(11);
    vow(host.temp.path(), ["up", "--dir", text(&dir), text(&data)]).code(11).advises();
    vow(host.temp.path(), ["up", "--once", "--dir", text(&dir), text(&data)]).code(0);
    // Another link, from the command line.
    let folder = dir.join("console");
    let other = vow(host.temp.path(), ["console", "user", "link", "ada", "--dir", text(&folder)]).code(0);
    assert!(other.out.starts_with("http://127.0.0.1:"), "{other:?}");
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn a_machine_joins_a_vault_and_a_console_that_are_served_elsewhere() {
    let vault = Served::new();
    let host = Host::bare();
    let console = host.path("console");
    let settings =
        ["--address", "https://127.0.0.1:1", "--listen-hosts", "127.0.0.1:0", "--listen-web", "127.0.0.1:0"];
    vow(host.temp.path(), ["console", "init", "--dir", text(&console)].into_iter().chain(settings)).code(0);
    let mut serving = command(host.temp.path());
    serving.args(["--json", "console", "serve", "--dir", text(&console)]);
    let serving = serving.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let mut serving = Staying { child: serving, ready: Value::Null, summary: Value::Null, _lines: None };
    let mut line = String::new();
    let out = serving.child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    let address = ready["hosts"][0].as_str().expect("an address");
    let toml = console.join("console.toml");
    let text_of = fs::read_to_string(&toml).expect("settings");
    fs::write(&toml, text_of.replace("https://127.0.0.1:1\"", &format!("https://{address}\"")))
        .expect("settings");
    let token = vow(host.temp.path(), ["console", "join-token", "--quiet", "--dir", text(&console)]).code(0);
    let (dir, data) = (host.path("up"), host.data());
    let up = |more: &[&str]| {
        let args = ["up", "--once", "--json", "--dir", text(&dir), text(&data)];
        vow(host.temp.path(), args.into_iter().chain(more.iter().copied()))
    };
    let (of_vault, of_console) = (vault.token(&["--tenant", "acme"]), token.out.trim().to_owned());
    let first =
        up(&["--join", &of_vault, "--console", &of_console, "--tenant", "acme", "--name", "web-9"]).code(0);
    let proof = &first.json()["proofs"][0];
    assert_eq!((&proof["level"], &proof["status"]), (&json!("remote"), &json!("ok")));
    assert!(!dir.join("vault").exists() && !dir.join("console").exists());
    let findings = first.json()["audit"]["findings"].to_string();
    assert!(!findings.contains("write-only:") && !findings.contains("attack:"), "{findings}");
    // The reports arrive: at once, or with the next run.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        up(&[]).code(0);
        let hosts = vow(host.temp.path(), ["console", "hosts", "--json", "--dir", text(&console)]).code(0);
        if hosts.out.contains("web-9") && hosts.out.contains("heard_secs\":1") {
            break;
        }
        assert!(Instant::now() < until, "{hosts:?}");
    }
    assert_eq!(serving.stop(), Some(0));
}

/// A fresh machine with database servers, in name spaces of its own; only root can make one.
#[test]
fn on_a_fresh_machine_it_finds_files_and_databases_and_says_what_it_cannot_have() {
    let Some((temp, ran)) = on_fresh_machine(include_str!("up_machine.sh")) else { return };
    let ran = ran.code(0);
    let read = |name: &str| {
        fs::read_to_string(temp.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e} {ran:#?}"))
    };
    let last = |name: &str| -> Value {
        let text = read(name);
        let line = text.lines().rfind(|line| line.contains("\"summary\""));
        serde_json::from_str(line.unwrap_or_else(|| panic!("{text} {}", read("errors")))).expect("JSON")
    };
    let root = last("root.json");
    assert_eq!(read("root.code").trim(), "0", "{root:#} {}", read("errors"));
    let proven: Vec<_> = root["proofs"]
        .as_array()
        .expect("proofs")
        .iter()
        .map(|proof| {
            (proof["source"].as_str().expect("a source"), proof["status"].as_str().expect("a status"))
        })
        .collect();
    assert_eq!(proven, [("files", "ok"), ("postgres", "ok"), ("sqlite", "ok")], "{root:#}");
    let plan = read("root.toml");
    for words in ["\"/etc\",", "\"/home\",", "\"/srv\",", "\"/var/lib/app/app.db\"", "with orders, postgres"]
    {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    // The server that lets nobody in is in the plan with the reason, and in the audit.
    assert!(plan.contains("/var/lib/postgresql/locked is NOT captured"), "{plan}");
    assert!(plan.contains("# name = \"postgres-2\""), "{plan}");
    let findings = root["audit"]["findings"].to_string();
    assert!(findings.contains("/var/lib/postgresql/locked is captured by no source"), "{findings}");
    assert!(
        findings.contains("\"recovery-key\"") && !findings.contains("/var/lib/vow/console"),
        "{findings}"
    );
    // Once more: nothing changes but that there is one more snapshot.
    assert_eq!(read("again.code").trim(), "0", "{}", read("errors"));
    assert_eq!(read("again.toml"), plan);
    // An ordinary user has what is theirs, and is told what is not.
    let ada = last("ada.json");
    assert_eq!(read("ada.code").trim(), "0", "{ada:#} {}", read("errors"));
    let plan = read("ada.toml");
    assert!(plan.contains("\"/home/ada\",") && plan.contains("#   \"/etc\""), "{plan}");
    assert!(read("errors").contains("/etc is NOT captured: it is not this account's"), "{}", read("errors"));
}
