//! Passwords: they work, and nobody sees them.

use super::host_of;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use vow_testkit::postgres::Server;
use vow_testkit::shell;

const PASSWORD: &str = "s3:cr\\et-of-the-role";

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

#[test]
fn a_password_is_used_and_seen_nowhere() {
    let server = Server::start();
    server.sql(
        "postgres",
        &format!("create role secret_role superuser login password E'{}'", PASSWORD.replace('\\', "\\\\")),
    );
    server.sql("postgres", "create table t as select * from generate_series(1, 100000)");
    let (host, folder) = host_of(&server, "password_file = \"password\"");
    let plan = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), plan.replace("postgres://postgres@", "postgres://secret_role@")).unwrap();
    fs::write(host.dir().join("password"), format!("{PASSWORD}\n")).unwrap();
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
        let ran = host.run(["backup", "db", "--json"]).expect(0);
        done.store(true, Ordering::Relaxed);
        assert!(!ran.said().contains(PASSWORD));
        watch.join().unwrap()
    });
    assert_eq!(shown, None);
    let mut found = Vec::new();
    files_with_the_secret(folder.path(), &mut found);
    assert_eq!(found, [host.dir().join("password").display().to_string()]);
    for arguments in [["config", "show"], ["snapshots", "--json"], ["backup", "--dry-run"]] {
        assert!(!host.run(arguments).said().contains(PASSWORD));
    }

    // A wrong one fails, and is not repeated either.
    fs::write(host.dir().join("password"), "wrong-hunter2\n").unwrap();
    let ran = host.run(["backup", "db"]).expect(1);
    assert!(
        ran.said().contains("password authentication failed") && !ran.said().contains("hunter2"),
        "{}",
        ran.story()
    );

    // What a run that fails in the middle of a dump was given does not stay behind: here at a large object that is somebody else's.
    server.sql("postgres", "alter role secret_role nosuperuser bypassrls; grant pg_read_all_data to secret_role; select lo_create(0)");
    fs::write(host.dir().join("password"), format!("{PASSWORD}\n")).unwrap();
    let private = vow_testkit::host::scratch();
    let ran = shell::run(host.command(["backup", "db"]).env("TMPDIR", private.path())).expect(1);
    assert!(ran.said().contains("large object"), "{}", ran.story());
    assert_eq!(fs::read_dir(private.path()).unwrap().count(), 0);
    server.sql("postgres", "alter role secret_role superuser");

    // A command's output works as well.
    let plan = fs::read_to_string(host.config()).unwrap();
    let escaped = PASSWORD.replace('\\', "\\\\");
    let changed = plan.replace(
        "password_file = \"password\"",
        &format!("password_command = [\"/bin/cat\", \"{}\"]", host.dir().join("pw").display()),
    );
    fs::write(host.config(), changed).unwrap();
    fs::write(host.dir().join("pw"), PASSWORD).unwrap();
    assert!(!escaped.is_empty());
    let _ = host.run(["backup", "db"]).expect(0);
}
