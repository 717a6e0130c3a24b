//! Two consoles on one PostgreSQL: work is done once, whoever takes it; when one dies the other goes on.

use super::mail::Mail;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vow_testkit::host::{ids, scratch};
use vow_testkit::postgres::Server;
use vow_testkit::{ConsoleServer, Host, VaultServer, shell};

const BACKUPS: usize = 6;

/// Asks until the database says so.
#[track_caller]
fn wait_sql(database: &Server, what: &str, sql: &str, wanted: &str) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let said = database.sql("vow", sql);
        if said.trim() == wanted {
            return;
        }
        assert!(Instant::now() < until, "{what}: {said:?} instead of {wanted:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn work_is_done_once_and_the_one_that_is_left_goes_on() {
    let (folder, mail, database) = (scratch(), Mail::start(), Server::start());
    database.sql("postgres", "CREATE DATABASE vow");
    let url = format!("postgres:///vow?host={}&user=postgres", database.path("").display());
    let settings = format!(
        "database = \"{}\"\nask_vaults_every = \"1s\"\nlook_every = \"1s\"\n{}",
        url.trim_end_matches('/'),
        mail.channel()
    );
    let one = ConsoleServer::made_with(&folder.path().join("one"), &settings);
    let two = one.beside(&folder.path().join("two"));
    let addresses: Vec<String> = (0..BACKUPS)
        .map(|number| {
            let made = one.keep("ping add acme old-1", &[&format!("nightly-{number}"), "--json"]).expect(0);
            format!("/ping/{}", made.summary()["uuid"].as_str().unwrap())
        })
        .collect();
    // Every backup is told to one or the other, at the same time, again and again.
    let tell = |what: &str| {
        std::thread::scope(|scope| {
            for (number, address) in addresses.iter().enumerate() {
                let console = if number % 2 == 0 { &one } else { &two };
                scope.spawn(move || assert_eq!(console.send(&format!("{address}{what}"), "no tape"), "OK"));
            }
        });
    };
    let failed = |open: &[(String, String)]| open.iter().filter(|(key, _)| key.contains("/failed/")).count();
    for _ in 0..3 {
        tell("");
        two.wait_for("all is well", |open| failed(open) == 0);
        tell("/1");
        one.wait_for("every backup has failed", |open| failed(open) == BACKUPS);
    }
    tell("");
    one.wait_for("all is well again", |open| failed(open) == 0);

    // A vault is read once: a copy of each snapshot, whoever asked.
    let vault = VaultServer::at(&folder.path().join("vault")).made(&[]);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("a"), "a").unwrap();
    let host = Host::joining(&folder.path().join("host"), &data, &vault.token(&[]));
    one.admit(&host);
    let _ = one.keep("vault add remote", &[&vault.token(&["--role", "console"])]).expect(0);
    let _ = ids(&host.run(["backup", "--json"]).expect(0));
    wait_sql(&database, "one copy", "SELECT count(*), count(DISTINCT snapshot_id) FROM copies", "1|1");

    // The daily test was raised by one of them, and ended.
    wait_sql(
        &database,
        "the daily test",
        "SELECT count(*), min(status) FROM tickets WHERE rule = 'self-test'",
        "1|closed",
    );
    let waiting = "SELECT count(*) FROM outbox WHERE state IN ('waiting', 'leased')";
    wait_sql(&database, "everything is told", waiting, "0");
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for letter in mail.letters() {
        *told.entry(letter.header("Message-ID").to_owned()).or_default() += 1;
    }
    let put = database.sql("vow", "SELECT count(*) FROM outbox WHERE state = 'delivered'");
    assert_eq!(told.len().to_string(), put.trim(), "{told:#?}");
    assert!(told.len() > 2 * BACKUPS && told.values().all(|times| *times == 1), "told twice: {told:#?}");
    // Every ping is one run.
    let runs = "SELECT count(*) FROM runs WHERE source_id IN (SELECT source_id FROM pings)";
    let days = "SELECT sum(ok + failed) FROM source_days WHERE source_id IN (SELECT source_id FROM pings)";
    let told_in_all = (7 * BACKUPS).to_string();
    assert_eq!([runs, days].map(|sql| database.sql("vow", sql)), [told_in_all.clone(), told_in_all]);

    // One of them is killed in the middle of the night.
    let made = two.keep("ping add acme old-2 nightly --json", &[]).expect(0).summary();
    shell::tool("kill", ["-9", &one.pid().to_string()]);
    assert_eq!(two.send(&format!("/ping/{}/1", made["uuid"].as_str().unwrap()), "no tape"), "OK");
    two.wait_for("the other one goes on", |open| failed(open) == 1);
    let listed = two.get("/api/v1/tickets");
    let is_failed = |one: &&Value| one["key"].as_str().is_some_and(|key| key.contains("/failed/"));
    let ticket = listed["items"].as_array().unwrap().iter().find(is_failed).unwrap();
    let letters = mail.wait_about(ticket["id"].as_str().unwrap(), 1);
    assert!(letters[0].header("Subject").contains("acme old-2/nightly: "), "{letters:#?}");

    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'vow'";
    assert_eq!(database.sql("vow", deadlocks).trim(), "0");
    let metrics = two.page("/metrics");
    assert!(metrics.lines().any(|line| line.ends_with("chores_failed_total 0")), "{metrics}");
}
