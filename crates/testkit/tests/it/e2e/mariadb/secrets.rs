//! Passwords: they work, and nobody sees them. Nor does anybody see the customer's data in a message.

use super::{back_up, host_of, open};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use vow_testkit::mariadb::Server;
use vow_testkit::shell;

const PASSWORD: &str = "s3:cr\\et-\"of'the #user";

/// Whether a process of this machine shows the secret in its arguments or environment.
fn shown_by_a_process() -> Option<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let files = processes.flat_map(|process| ["cmdline", "environ"].map(|name| process.path().join(name)));
    let shows = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes())
    };
    files.into_iter().find(|path| shows(path)).map(|path| path.display().to_string())
}

fn files_with_the_secret(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_with_the_secret(&path, found);
        } else if fs::read(&path)
            .unwrap_or_default()
            .windows(PASSWORD.len())
            .any(|part| part == PASSWORD.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
}

fn sql_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[test]
fn a_password_is_used_and_seen_nowhere() {
    let server = Server::start();
    let password = sql_literal(PASSWORD);
    // By a file: this very test looks at the arguments of all processes.
    let script = server.path("user.sql");
    fs::write(&script, format!("create user secret@localhost identified by {password}; grant all on *.* to secret@localhost with grant option;")).unwrap();
    server.file(&script);
    fs::remove_file(script).unwrap();
    server.sql("", "create database d; use d; create table t as select seq from seq_1_to_100000");
    let (host, folder) = host_of(&server, "password_file = \"password\"");
    let plan = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), plan.replace("mariadb://root@", "mariadb://secret@")).unwrap();
    fs::write(host.dir().join("password"), format!("{PASSWORD}\n")).unwrap();
    let url = server.url().replace("root@", "secret@");
    host.add_to_plan(&format!(
        "[[source]]\nname = \"files-of-db\"\ntype = \"mariadb\"\nurl = \"{url}\"\npassword_file = \"password\"\nmethod = \"physical\"\nbinlog = true"
    ));
    let done = AtomicBool::new(false);
    let shown = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if let Some(path) = shown_by_a_process() {
                    return Some(path);
                }
            }
            None
        });
        let ran = [
            host.run(["backup", "db", "files-of-db", "--json"]),
            host.run(["binlog-receive", "files-of-db", "--once"]),
        ];
        done.store(true, Ordering::Relaxed);
        for ran in ran {
            assert!(!ran.expect(0).said().contains(PASSWORD));
        }
        watch.join().unwrap()
    });
    assert_eq!(shown, None);
    let mut found = Vec::new();
    files_with_the_secret(folder.path(), &mut found);
    assert_eq!(found, [host.dir().join("password").display().to_string()]);
    for arguments in [["config", "show"], ["snapshots", "--json"], ["backup", "--dry-run"]] {
        assert!(!host.run(arguments).said().contains(PASSWORD));
    }
    // What a receiver was given goes away with it.
    let private = vow_testkit::host::scratch();
    let inside = || fs::read_dir(private.path()).unwrap().count();
    let mut receiver =
        shell::start(host.command(["binlog-receive", "files-of-db"]).env("TMPDIR", private.path()));
    let began = std::time::Instant::now();
    while inside() == 0 && !receiver.has_ended() && began.elapsed() < std::time::Duration::from_secs(120) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(inside() > 0, "no option file was made");
    receiver.signal("TERM");
    let done = receiver.wait();
    assert_eq!(inside(), 0, "{}", done.story());
    // A wrong one fails, and is not repeated either.
    fs::write(host.dir().join("password"), "wrong-hunter2\n").unwrap();
    let ran = host.run(["backup", "db"]).expect(1);
    assert!(ran.said().contains("Access denied") && !ran.said().contains("hunter2"), "{}", ran.story());
}

/// The client repeats the whole statement that failed: with the rows in it.
#[test]
fn the_customers_data_is_in_no_message() {
    let server = Server::start();
    server.sql("", "create database d; create table d.t (a varchar(100)); insert into d.t values ('4711-the-card-number')");
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let full = Server::start();
    // A trigger of the target cannot be in the way; a server that may not be written can.
    full.sql("", "create user limited@localhost identified by ''; grant select, create, drop, alter, lock tables, reload on *.* to limited@localhost");
    let url = full.url().replace("root@", "limited@");
    let done = open(&host, &["restore", "db@latest", "--into", &url, "--database", "d"]).expect(1);
    assert!(done.said().contains("denied"), "{}", done.story());
    assert!(!done.said().contains("4711"), "{}", done.story());
    let there = "select count(*) from information_schema.schemata where schema_name = 'd'";
    assert_eq!(full.sql("", there), "0", "half of a database was left behind");
}
