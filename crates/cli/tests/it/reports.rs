//! What a host tells its console, with the real binary and a strict double of the console.

use crate::console::Console;
use crate::host::{Host, files, noise, text, vow};
use crate::served::{Served, joined};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use vow_protocol::report::Outcome;

fn with_console(console: &Console) -> Host {
    let host = Host::new();
    join(&host, console);
    host
}

fn join(host: &Host, console: &Console) {
    host.run(["console", "join", &console.token()]).code(0).prints("has joined the console");
}

fn waiting(host: &Host) -> Vec<String> {
    let found = files(&host.dir().join("state/reports"));
    let name = |path: &std::path::PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    found.iter().map(name).filter(|name| name.ends_with(".json")).collect()
}

#[test]
fn a_run_is_reported_with_what_its_files_look_like() {
    let console = Console::new();
    let host = with_console(&console);
    let run = host.run(["backup"]).code(0);
    assert!(!run.err.contains("waits on this host"), "{run:?}");
    let runs = console.runs();
    assert_eq!(runs.len(), 1, "{runs:#?}");
    let first = &runs[0];
    assert_eq!(
        (first.source.as_str(), first.source_type.as_str(), first.outcome),
        ("files", "files", Outcome::Ok)
    );
    assert_eq!(first.snapshot.as_deref(), Some(host.ids()[0].as_str()));
    assert_eq!((first.sequence, first.attempt, first.files), (Some(1), 1, 3));
    assert_eq!(first.levels.len(), 1);
    assert_eq!((first.levels[0].name.as_str(), first.levels[0].received), ("local", Some(true)));
    assert!(first.levels[0].vault.as_ref().is_some_and(|vault| vault.starts_with("SHA256:")));
    assert_eq!(first.recipients.len(), 1);
    let plan = vow_base::id::hex(&vow_base::id::sha256(&fs::read(host.config()).expect("vow.toml")));
    assert_eq!(first.plan, Some(plan));
    let shape = first.shape.clone().expect("a shape");
    assert!(!shape.compared);
    assert_eq!((shape.new_files, shape.changed_files, shape.gone_files), (0, 0, 0));
    let data = host.data();
    let trees: Vec<_> = shape.trees.iter().map(|(path, tree)| (path.as_str(), tree.files)).collect();
    assert_eq!(trees, [(text(&data), 2), (text(&data.join("sub")), 1)]);
    assert_eq!((shape.typed_files, shape.mistyped_files), (2, 0));

    fs::remove_file(host.data().join("sub/notes.conf")).expect("gone");
    host.write("hello.txt", noise(20_000));
    host.write("new.txt", "new");
    host.run(["backup"]).code(0);
    let second = console.runs().pop().expect("a second run");
    assert_ne!(second.run, first.run);
    let shape = second.shape.expect("a shape");
    assert!(shape.compared);
    assert_eq!((shape.new_files, shape.changed_files, shape.gone_files), (1, 1, 1));
    // What was text is noise now.
    assert_eq!((shape.typed_files, shape.mistyped_files), (2, 1));
    assert_eq!(shape.random_bytes, 4096);
    assert_eq!(shape.trees.values().map(|tree| tree.files).sum::<u64>(), 3);
    assert_eq!(waiting(&host), Vec::<String>::new());
}

#[test]
fn a_console_that_is_away_changes_nothing_but_that_reports_wait() {
    let mut console = Console::new();
    let host = with_console(&console);
    console.stop();
    for number in 1..=3 {
        host.write("hello.txt", format!("{number}"));
        host.run(["backup"]).code(0).says("the report waits on this host");
    }
    assert_eq!(waiting(&host).len(), 3);
    console.start();
    host.run(["backup"]).code(0);
    let sequences: Vec<_> = console.runs().iter().map(|run| run.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4].map(Some), "in order, each once");
    assert_eq!(waiting(&host), Vec::<String>::new());
    // A dry run is nothing that happened.
    host.run(["backup", "--dry-run"]).code(0);
    assert_eq!(console.runs().len(), 4);
}

#[test]
fn what_the_console_refuses_for_good_is_put_aside_and_what_it_cannot_take_now_is_kept() {
    let console = Console::new();
    let host = with_console(&console);
    console.answer(Some((409, "refused")));
    host.run(["backup"]).code(0).says("a report was put aside");
    assert_eq!(waiting(&host).len(), 1, "only under refused/");
    console.answer(Some((404, "not-joined")));
    host.run(["backup"]).code(0).says("has not joined the console");
    console.answer(Some((302, "moved")));
    host.run(["backup"]).code(0).says("does not keep to the protocol");
    console.answer(None);
    host.run(["backup"]).code(0);
    assert_eq!(console.runs().iter().map(|run| run.sequence).collect::<Vec<_>>(), [2, 3, 4].map(Some));
}

#[test]
fn failures_are_reported_with_their_reason() {
    let console = Console::new();
    let served = Served::new();
    let host = joined(&served);
    join(&host, &console);
    host.edit(|plan| {
        plan.replace(
            "[console]",
            "[[source]]\nname = \"more\"\ntype = \"files\"\npaths = [\"/nonexistent\"]\n\n[console]",
        )
    });
    host.run(["backup"]).code(1);
    let runs = console.runs();
    let of = |source: &str| runs.iter().find(|run| run.source == source).expect("a report of it");
    assert_eq!(of("files").outcome, Outcome::Ok);
    assert_eq!(of("files").run, of("more").run);
    assert_eq!(of("more").outcome, Outcome::Failed);
    assert!(
        of("more").error.as_ref().is_some_and(|error| error.contains("/nonexistent")),
        "{:?}",
        of("more")
    );
    assert_eq!((of("more").snapshot.as_ref(), of("more").errors), (None, 1));
    // Nothing can begin: every source of the plan has failed.
    fs::rename(host.dir().join("keys/host.secret"), host.dir().join("keys/gone")).expect("moved");
    host.run(["backup"]).code(1);
    let runs = console.runs();
    assert_eq!(runs.len(), 4);
    assert!(
        runs[2..].iter().all(|run| run.outcome == Outcome::Failed
            && run.error.as_ref().is_some_and(|e| e.contains("host.secret")))
    );
}

#[test]
fn a_level_that_is_away_makes_a_report_partial() {
    let console = Console::new();
    let mut served = Served::new();
    let host = Host::new();
    served.admit(&host);
    join(&host, &console);
    served.kill();
    host.run(["backup"]).code(3);
    let run = console.runs().pop().expect("a report");
    assert_eq!(run.outcome, Outcome::Partial);
    let remote = run.levels.iter().find(|level| level.name == "remote").expect("the level");
    assert_eq!(remote.received, Some(false));
    assert!(remote.error.as_ref().is_some_and(|error| error.contains("cannot be reached")), "{remote:?}");
    assert_eq!(remote.vault.as_deref(), Some(served_fingerprint(&host).as_str()));
}

fn served_fingerprint(host: &Host) -> String {
    let plan: toml::Table = fs::read_to_string(host.config()).expect("vow.toml").parse().expect("TOML");
    plan["vault"][1]["fingerprint"].as_str().expect("pinned").to_owned()
}

#[test]
fn joining_says_what_is_wrong() {
    let console = Console::new();
    let host = Host::new();
    host.run(["console", "join", "nonsense"]).code(2).advises();
    let token = console.token();
    let other = format!(
        "{}00.{}",
        &token[..token.rfind('.').expect("a dot") - 2],
        &token[token.rfind('.').expect("a dot") + 1..]
    );
    host.run(["console", "join", &other]).code(1).advises().says("another one");
    let _ = console.token();
    host.run(["console", "join", &token]).code(1).advises().says("does not take this token");
    assert!(!fs::read_to_string(host.config()).expect("vow.toml").contains("[console]"));
    join(&host, &console);
    // Joining the same one again is no mistake: a console that lost its database is joined like this.
    join(&host, &console);
    let second = Console::new();
    host.run(["console", "join", &second.token()]).code(2).advises().says("another console");
    host.run(["config", "show"]).code(0).prints("[console]");
    host.run(["config", "check"]).code(0);
    vow(host.temp.path(), ["console", "join"]).code(2);
}

/// Answers pings and gives the paths that were asked for.
fn pinged(listener: &TcpListener, number: usize) -> Vec<(String, String)> {
    let one = || {
        let (stream, _) = listener.accept().expect("a ping");
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).expect("a line");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK").expect("answered");
        let path = first.split(['?', ' ']).nth(1).expect("a path").to_owned();
        (path, String::from_utf8(body).expect("text"))
    };
    (0..number).map(|_| one()).collect()
}

#[test]
fn pings_go_to_whoever_watches_over_a_source() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/ping/uuid", listener.local_addr().expect("an address"));
    let host = Host::new();
    fs::write(host.path("ping"), format!("{url}\n")).expect("a file");
    let file = host.path("ping");
    host.edit(|plan| {
        plan.replace("type = \"files\"", &format!("type = \"files\"\nping_url_file = \"{}\"", text(&file)))
    });
    let got = std::thread::scope(|scope| {
        let got = scope.spawn(|| pinged(&listener, 2));
        host.run(["backup"]).code(0);
        got.join().expect("pinged")
    });
    assert_eq!((got[0].0.as_str(), got[1].0.as_str()), ("/ping/uuid/start", "/ping/uuid"));
    assert!(got[1].1.starts_with("ok: 3 files"), "{got:?}");
    fs::rename(host.data(), host.path("elsewhere")).expect("moved");
    let got = std::thread::scope(|scope| {
        let got = scope.spawn(|| pinged(&listener, 2));
        host.run(["backup"]).code(1);
        got.join().expect("pinged")
    });
    assert_eq!(got[1].0, "/ping/uuid/fail");
    assert!(got[1].1.contains(text(&host.data())), "{got:?}");
    // Nobody listens: the backup is as good as before.
    fs::rename(host.path("elsewhere"), host.data()).expect("moved back");
    drop(listener);
    let ran = host.run(["backup"]).code(0).says("did not arrive");
    assert!(!ran.err.contains("uuid"), "the address is a secret of a kind: {ran:?}");
}
