//! Incidents that really happen on hosts that really report: each becomes a ticket and an e-mail, and is closed by recovery.

use super::mail::Mail;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use vow_testkit::host::{scratch, vow};
use vow_testkit::postgres::Server;
use vow_testkit::shell::{self, is_root};
use vow_testkit::{ConsoleServer, Dice, Host, Volume};

/// A host of its own name.
fn host(dir: &Path, name: &str, path: &Path) -> Host {
    let mut command = vow();
    command.args(["init", "--tenant", "acme", "--name", name, "--dir"]).arg(dir).arg("--path").arg(path);
    let _ = shell::run(&mut command).expect(0);
    Host::of(dir)
}

fn documents(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..60 {
        let text = format!("{number}: a contract between us and the customer\n").repeat(200);
        fs::write(folder.join(format!("contract-{number}.txt")), text).unwrap();
    }
}

/// Half of the files become noise, as ransomware leaves them.
fn encrypt(folder: &Path) {
    let dice = &mut Dice::new(7);
    for number in 0..40 {
        let path = folder.join(format!("contract-{number}.txt"));
        let length = fs::metadata(&path).unwrap().len();
        fs::write(&path, dice.bytes(usize::try_from(length).unwrap())).unwrap();
    }
}

fn speaks<'a>(rule: &'a str, subject: &'a str) -> impl Fn(&[(String, String)]) -> bool + 'a {
    move |open| open.iter().any(|(key, _)| key.contains(&format!("acme/{rule}/")) && key.contains(subject))
}

#[test]
fn incidents_become_tickets_and_mails_and_are_closed_by_recovery() {
    let (folder, mail, database) = (scratch(), Mail::start(), Server::start());
    let settings = format!("ask_vaults_every = \"1s\"\nlook_every = \"1s\"\n{}", mail.channel());
    let console = ConsoleServer::made_with(&folder.path().join("console"), &settings);
    let rules = json!({"host_silent_secs": 6, "off": ["duration", "new-bytes", "size", "drill-overdue", "version-old", "clock-skew"]});
    let _ = console.post("/api/v1/rules", &rules);

    let data = folder.path().join("data");
    documents(&data);
    let web = host(&folder.path().join("web-1"), "web-1", &data);
    let (flag, program) = (folder.path().join("kill-it"), folder.path().join("dump"));
    fs::write(
        &program,
        format!("#!/bin/sh\nseq 5000\n[ -e {} ] && kill -9 $$\necho '-- end'\n", flag.display()),
    )
    .unwrap();
    shell::tool("chmod", ["755", &program.display().to_string()]);
    web.add_to_plan(&format!(
        "[[source]]\nname = \"dump\"\ntype = \"command\"\ncommand = [\"{}\"]\nextension = \"sql\"\nends_with = \"-- end\"\n\
         [[source]]\nname = \"shop\"\ntype = \"postgres\"\nurl = \"{}\"\n[agent]\nalive_every = \"1s\"\naudit = \"never\"",
        program.display(),
        database.url()
    ));
    database.sql("postgres", "CREATE DATABASE shop");
    for number in 0..4 {
        database.sql("shop", &format!("CREATE TABLE t{number} (a int)"));
    }
    let crm = folder.path().join("crm.db");
    let sqlite = |text: &str| shell::tool("sqlite3", [&*crm.display().to_string(), text]);
    sqlite("CREATE TABLE people (a); CREATE TABLE orders (a); CREATE INDEX i ON orders (a)");
    web.add_to_plan(&format!(
        "[[source]]\nname = \"crm\"\ntype = \"sqlite\"\npaths = [\"{}\"]",
        crm.display()
    ));
    console.admit(&web);
    let mut agent = web.start(["agent"]);
    for _ in 0..4 {
        documents(&data);
        let _ = web.run(["backup"]).expect(0);
    }
    console.wait_for("all is well at first", |open| open.is_empty());

    // Everything happens at once, as it does.
    encrypt(&data);
    fs::write(&flag, "").unwrap();
    database.sql("shop", "DROP TABLE t1");
    sqlite("DROP TABLE orders");
    let _ = web.run(["backup"]);
    console.wait_for("files encrypted", speaks("types", "files"));
    console.wait_for("a dump killed", speaks("failed", "dump"));
    console.wait_for("a table dropped", speaks("objects", "shop"));
    console.wait_for("a table of SQLite dropped", speaks("objects", "crm"));
    // Unplugged: nothing answers, nothing ends.
    agent.signal("STOP");
    console.wait_for("a host unplugged", speaks("host-silent", "web-1"));
    let full = is_root("a disk that is full").then(|| fill(folder.path(), &console));

    // And all of it is mended.
    agent.signal("CONT");
    fs::remove_file(&flag).unwrap();
    database.sql("shop", "CREATE TABLE t1 (a int)");
    sqlite("CREATE TABLE orders (a); CREATE INDEX i ON orders (a)");
    for _ in 0..3 {
        documents(&data);
        let _ = web.run(["backup"]).expect(0);
    }
    if let Some((small, volume)) = &full {
        volume.remount("size=200m");
        let _ = small.run(["backup"]).expect(0);
        let _ = small.run(["backup"]).expect(0);
    }
    console.wait_for("everything is closed by recovery", |open| open.is_empty());
    assert!(!agent.has_ended(), "the agent did not live through it");
    agent.signal("TERM");
    let _ = agent.wait().expect(0);

    let closed = console.get("/api/v1/tickets?closed=true&limit=100");
    let closed = closed["items"].as_array().cloned().unwrap_or_default();
    assert!(closed.len() >= 4, "{closed:#?}");
    for ticket in &closed {
        told(&mail, ticket);
    }
}

/// Whoever is on duty was told of the problem, what to do about it, and of its end.
#[track_caller]
fn told(mail: &Mail, ticket: &Value) {
    let text = |name: &str| ticket[name].as_str().unwrap();
    let notices = usize::try_from(ticket["notices"].as_u64().unwrap()).unwrap();
    assert!(notices >= 2, "{ticket}");
    let letters = mail.wait_about(text("id"), notices);
    let (first, last) = (&letters[0], &letters[letters.len() - 1]);
    assert_eq!(first.header("To"), "duty@example.net");
    let words = ["What to do: ".to_owned(), format!("Ticket {}", text("id"))];
    assert!(words.iter().all(|word| first.text.contains(word)), "{ticket}: {first:#?}");
    // On a machine that is slow a host may fall silent again and again: that is told once.
    let over = if ticket["flapping"] == true { "flapping] " } else { "[over] " };
    assert!(last.header("Subject").contains(over), "{ticket}: {last:#?}");
}

/// A second level on a disk that fills up.
fn fill(folder: &Path, console: &ConsoleServer) -> (Host, Volume) {
    let (data, volume) = (folder.join("large"), Volume::tmpfs("size=8m"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("first"), Dice::new(1).bytes(1 << 20)).unwrap();
    let small = host(&folder.join("db-1"), "db-1", &data);
    small.add_vault("small", &volume.path().join("vault"));
    console.admit(&small);
    let _ = small.run(["backup"]).expect(0);
    fs::write(data.join("second"), Dice::new(2).bytes(16 << 20)).unwrap();
    let done = small.run(["backup"]);
    assert_ne!(done.code, Some(0), "{}", done.story());
    console.wait_for("a disk filled", speaks("partial", "db-1"));
    let open = console.tickets();
    assert!(
        open.iter().any(|(_, sentence)| sentence.contains("small") && sentence.contains("No space left")),
        "{open:#?}"
    );
    (small, volume)
}
