//! Backups by other tools, really made: what restic, borg and pgBackRest print becomes runs that are judged, and what nobody can read is never
//! a success.

use crate::stand::{NOW, Stand, on_both};
use crate::wire::ask;
use std::path::Path;
use std::process::Command;
use vow_console::admin::{self, NewPing};
use vow_console::db::{Scope, hosts, runs, sources, tickets};
use vow_protocol::report::RunReport;
use vow_testkit::postgres;

/// What a tool printed, and its exit status, as a script would post them.
fn made(folder: &Path, words: &[&str]) -> (u8, String) {
    let done = Command::new(words[0])
        .args(&words[1..])
        .current_dir(folder)
        .env("RESTIC_PASSWORD", "x")
        .env("RESTIC_CACHE_DIR", folder.join("cache"))
        .env("BORG_BASE_DIR", folder.join("base"))
        .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; run ./test, which installs it", words[0]));
    let text = [done.stdout, done.stderr].concat();
    (u8::try_from(done.status.code().unwrap()).unwrap(), String::from_utf8_lossy(&text).into_owned())
}

/// Makes an address for a tool, and posts to it.
async fn posted(
    stand: &Stand,
    web: std::net::SocketAddr,
    source: &str,
    parser: &str,
    (exit, output): (u8, String),
) {
    let new = NewPing {
        tenant: "acme".into(),
        host: "old-1".into(),
        source: source.into(),
        parser: Some(parser.into()),
        every_secs: None,
    };
    let uuid = admin::add_ping(&stand.app, &admin::at_the_machine(), &new).await.unwrap();
    let target = format!("/ping/{uuid}/{exit}");
    let status =
        tokio::task::spawn_blocking(move || ask(web, "POST", &target, &[], output.as_bytes()).status);
    assert_eq!(status.await.unwrap(), 200, "{source}");
}

/// The one run of a source, as it was taken, with its captured output.
async fn run_of(stand: &Stand, source: &str) -> (String, RunReport, String) {
    let mut conn = stand.app.read().await.unwrap();
    let host = hosts::list(&mut conn, Scope::All, &Default::default(), 1, 0).await.unwrap()[0].id;
    let id = sources::find(&mut conn, host, source).await.unwrap().unwrap();
    let run = runs::of_source(&mut conn, id, i64::MAX, 10).await.unwrap().remove(0);
    let (report, output) = runs::details(&mut conn, run.id).await.unwrap().unwrap();
    (run.outcome, report, output.unwrap_or_default())
}

async fn rules_that_spoke(stand: &Stand, source: &str) -> Vec<String> {
    let mut conn = stand.app.read().await.unwrap();
    let open = tickets::list(&mut conn, Scope::All, &tickets::Wanted::default(), 100, 0).await.unwrap();
    let own = open.iter().filter(|ticket| ticket.key.subject.source() == Some(source));
    own.map(|ticket| ticket.key.rule.word().to_owned()).collect()
}

on_both! {
    real_tools_are_judged_like_our_own(stand) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::create_dir_all(at.join("data/inner")).unwrap();
        std::fs::create_dir(at.join("empty")).unwrap();
        std::fs::write(at.join("data/a"), vec![7; 5000]).unwrap();
        std::fs::write(at.join("data/inner/b"), "b").unwrap();
        assert_eq!(made(at, &["restic", "init", "-r", "r"]).0, 0);
        assert_eq!(made(at, &["borg", "init", "-e", "none", "b"]).0, 0);
        let cluster = tokio::task::spawn_blocking(|| {
            let mut server = postgres::Server::start();
            server.crash();
            server
        });
        let cluster = cluster.await.unwrap();
        let path = |name: &str, folder: &Path| format!("--{name}-path={}", folder.display());
        let repository = [
            "--stanza=main", &path("repo1", &at.join("pg")), &path("log", at), &path("lock", at), &path("pg1", &cluster.data()),
            "--log-level-console=error", "--log-level-file=off",
        ]
        .map(str::to_owned);
        let pgbackrest = |words: &[&'static str]| -> Vec<String> {
            // `info` knows of no server.
            let known = |word: &&String| !word.contains("pg1") || words.contains(&"backup") || words.contains(&"stanza-create");
            ["pgbackrest"].iter().chain(words).map(|word| (*word).to_owned()).chain(repository.iter().filter(known).cloned()).collect()
        };
        for words in [&["stanza-create", "--no-online"][..], &["backup", "--no-online", "--force", "--type=full"]] {
            let (exit, said) = made(at, &pgbackrest(words).iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(exit, 0, "{said}");
        }
        let info = pgbackrest(&["info", "--output=json"]);
        let info: Vec<&str> = info.iter().map(String::as_str).collect();
        let (_, web) = stand.serve();
        let restic = ["restic", "backup", "--json", "-r"];
        let borg = ["borg", "create", "--json", "--log-json"];
        for (source, parser, words) in [
            ("restic", "restic", [&restic[..], &["r", "data"]].concat()),
            ("restic-gap", "restic", [&restic[..], &["r", "data", "gone"]].concat()),
            ("restic-empty", "restic", [&restic[..], &["r", "empty"]].concat()),
            ("restic-lost", "restic", [&restic[..], &["nowhere", "data"]].concat()),
            ("restic-words", "restic", vec!["restic", "backup", "-r", "r", "data"]),
            ("borg", "borg", [&borg[..], &["b::one", "data"]].concat()),
            ("borg-gap", "borg", [&borg[..], &["b::two", "data", "gone"]].concat()),
            ("borg-lost", "borg", [&borg[..], &["nowhere::one", "data"]].concat()),
            ("pgbackrest", "pgbackrest", info),
            ("pgbackrest-lost", "pgbackrest", vec!["pgbackrest", "--repo1-path=/nowhere", "--log-level-file=off", "--output=json", "info"]),
        ] {
            posted(&stand, web, source, parser, made(at, &words)).await;
        }
        let (outcome, report, _) = run_of(&stand, "restic").await;
        assert_eq!((&*outcome, report.files, report.bytes, &*report.source_type), ("ok", 2, 5001, "restic"));
        assert!(report.added_bytes > 0 && report.duration_secs > 0.0 && report.notes[0].starts_with("restic snapshot "), "{report:?}");
        let (outcome, report, _) = run_of(&stand, "borg").await;
        assert_eq!((&*outcome, report.files), ("ok", 2));
        assert!(report.bytes >= 5001 && report.added_bytes > 0 && report.notes == ["borg archive one"], "{report:?}");
        let (outcome, report, _) = run_of(&stand, "pgbackrest").await;
        assert_eq!(&*outcome, "ok", "{report:?}");
        assert!(report.bytes > 1 << 20 && report.added_bytes > 0 && report.notes[0].starts_with("pgBackRest backup "), "{report:?}");
        // A path that is not there is left out: restic 0.14 calls that a success, we do not.
        for source in ["restic-gap", "borg-gap"] {
            let (outcome, report, _) = run_of(&stand, source).await;
            assert_eq!((&*outcome, report.files), ("partial", 2), "{source}: {report:?}");
            assert!(report.problems[0].contains("gone"), "{report:?}");
            assert_eq!(rules_that_spoke(&stand, source).await, ["partial"]);
        }
        assert_eq!(rules_that_spoke(&stand, "restic-empty").await, ["zero-length"]);
        for (source, why) in [
            ("restic-lost", "nowhere"),
            ("restic-words", "restic printed no summary"),
            ("borg-lost", "does not exist"),
            ("pgbackrest-lost", "pgbackrest knows of no backup"),
        ] {
            let (outcome, report, output) = run_of(&stand, source).await;
            let error = report.error.unwrap_or_default();
            assert!(outcome == "failed" && error.contains(why), "{source}: {error}\n{output}");
            assert_eq!(rules_that_spoke(&stand, source).await, ["failed"]);
        }
        stand.stop().await;
    }

    what_nobody_can_read_is_kept_and_is_no_success(stand) {
        let (_, web) = stand.serve();
        let noise: String = (0..300_000_u32).map(|n| char::from_u32(n * 7919 % 0x7ff).unwrap_or('?')).collect();
        for (at, output) in ["", "[]", "{}", "null", "{\"message_type\":\"summary\"", &noise].into_iter().enumerate() {
            for parser in ["restic", "borg", "pgbackrest"] {
                let source = format!("{parser}-{at}");
                posted(&stand, web, &source, parser, (0, output.to_owned())).await;
                let (outcome, report, kept) = run_of(&stand, &source).await;
                let known = |text: &str| text.replace('\0', "\u{fffd}");
                assert_eq!(outcome, "failed", "{source}: {report:?}");
                assert!(report.hint.is_some() && kept.len() <= 110_000 && known(output).ends_with(&known(&kept)), "{source}");
                assert_eq!(rules_that_spoke(&stand, &source).await, ["failed"], "{source}");
            }
        }
        // The summary counts also when so much came before it that not all is kept.
        let long = "{\"message_type\":\"error\",\"error\":{\"message\":\"denied\"},\"item\":\"/first\"}\n".to_owned()
            + &"{\"message_type\":\"status\",\"percent_done\":0.5}\n".repeat(9000)
            + "{\"message_type\":\"summary\",\"total_files_processed\":4,\"total_bytes_processed\":99,\"data_added\":9,\"total_duration\":1.5,\"snapshot_id\":\"6788a64b\"}\n";
        posted(&stand, web, "long", "restic", (3, long)).await;
        let (outcome, report, kept) = run_of(&stand, "long").await;
        assert_eq!((&*outcome, report.bytes, &*report.problems), ("partial", 99, &["/first: denied".to_owned()][..]));
        assert!(kept.len() <= 100_000 && report.started_secs == NOW);
        stand.stop().await;
    }
}
