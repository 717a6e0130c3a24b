//! A `pg_dump` that cuts or lies must never lead to a snapshot.

use super::super::sources::script;
use super::{back_up, filled, host_of};
use std::path::PathBuf;
use vow_testkit::postgres::{Server, programs};

/// A folder with PostgreSQL's programs, in which `pg_dump` is this script; `$REAL` is the true one.
fn tools(server: &Server, name: &str, script: &str) -> PathBuf {
    tools_with(server, name, "pg_dump", script)
}

/// The same with another program.
pub(super) fn tools_with(server: &Server, name: &str, program: &str, text: &str) -> PathBuf {
    let folder = server.folder(name);
    let others =
        ["psql", "pg_dump", "pg_restore", "pg_dumpall", "pg_basebackup", "pg_verifybackup", "pg_waldump"];
    for other in others.iter().filter(|other| **other != program) {
        std::os::unix::fs::symlink(programs().join(other), folder.join(other)).unwrap();
    }
    let (real, pid) = (programs().join(program).display().to_string(), server.pid());
    // What asks for the version gets an honest answer.
    let text = format!("SERVER={pid}\ncase \"$1\" in --version|--help) exec $REAL \"$1\";; esac\n{text}");
    script(&folder, program, &real, &text);
    folder
}

#[test]
fn a_dump_that_is_cut_or_lies_makes_no_snapshot() {
    let server = filled();
    let cases = [
        ("cut", "$REAL \"$@\" | head -c 20000", "cannot be read back"),
        (
            "cut-late",
            "$REAL \"$@\" >/tmp/$$.vow; head -c -7 /tmp/$$.vow; rm /tmp/$$.vow",
            "cannot be read back",
        ),
        ("empty", "exit 0", "cannot be read back"),
        ("text", "echo hello", "cannot be read back"),
        ("status", "$REAL \"$@\"; exit 7", "exit status: 7"),
        ("more", "$REAL \"$@\"; head -c 2000000 /dev/zero", "behind its end"),
        ("rows", "exec $REAL \"$@\" --exclude-table-data=app.child", "the data of table app.child"),
        ("table", "exec $REAL \"$@\" --exclude-table=app.unlogged", "table app.unlogged"),
        ("publications", "exec $REAL \"$@\" --no-publications", "publication"),
        ("subscriptions", "exec $REAL \"$@\" --no-subscriptions", "subscription sub"),
        ("blobs", "exec $REAL \"$@\" --no-blobs", "large objects (0 of 2"),
        (
            "other-moment",
            "s=; for a; do case $a in --snapshot=*) ;; *) s=\"$s '$a'\";; esac; done; \
            psql -X -q -h ${PGHOST:-SOCKET} -U postgres -d shop -c \"insert into app.parent (name) values ('late' || clock_timestamp())\" >&2; \
            eval exec $REAL $s",
            "rows of table app.parent",
        ),
    ];
    for (name, script, says) in cases {
        let socket = server.path("").display().to_string();
        let tools = tools(&server, name, &script.replace("${PGHOST:-SOCKET}", &socket));
        let lines = format!(
            "tools = \"{}\"\nexclude = [\"postgres\", \"template1\"]\nlock_wait_secs = 5",
            tools.display()
        );
        let (host, _folder) = host_of(&server, &lines);
        let done = back_up(&host).expect(1);
        assert!(done.said().contains(says), "{name}: {says:?} is not said\n{}", done.story());
        let listed = host.run(["snapshots", "--json"]).expect(0).summary();
        assert_eq!(listed["snapshots"], serde_json::json!([]), "{name}: there is a snapshot");
    }
}

#[test]
fn a_warning_degrades_the_snapshot_and_says_what_is_missing() {
    let server = filled();
    let tools = tools(&server, "warns", "$REAL \"$@\"; echo 'pg_dump: warning: something was skipped' >&2");
    let (host, _folder) = host_of(
        &server,
        &format!("tools = \"{}\"\nexclude = [\"template1\", \"postgres\"]", tools.display()),
    );
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("something was skipped"), "{}", done.story());
    assert_eq!(done.summary()["snapshots"][0]["status"], "partial");
}

#[test]
fn a_server_that_dies_in_the_middle_makes_no_snapshot() {
    let mut server = filled();
    server.sql("shop", "create table app.long as select i, repeat(md5(i::text), 30) as text from generate_series(1, 30000) i");
    // The status of a pipeline is that of its last program: the dump ends early, and everything says it went well.
    let tools = tools(&server, "dies", "$REAL \"$@\" | { head -c 2000000; kill -9 $SERVER; cat; }");
    let (host, _folder) = host_of(
        &server,
        &format!("tools = \"{}\"\nexclude = [\"template1\", \"postgres\"]", tools.display()),
    );
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("shop"), "{}", done.story());
    server.crash();
}
