//! A `mariadb-dump` that cuts or lies must never lead to a snapshot.

use super::{back_up, filled, host_of, no_snapshot};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use vow_testkit::mariadb::{Server, program};

/// A folder with MariaDB's programs, in which `mariadb-dump` is this script; `$REAL` is the true one.
fn tools(server: &Server, name: &str, script: &str) -> PathBuf {
    let folder = server.path(name);
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(program("mariadb"), folder.join("mariadb")).unwrap();
    let real = program("mariadb-dump").display().to_string();
    // What asks for the version gets an honest answer, and so do users.
    let text = format!(
        "#!/bin/sh\nREAL={real}\nSERVER={}\ncase \"$*\" in *--version|*--help|*--system*) exec $REAL \"$@\";; esac\n{script}\n",
        server.pid()
    );
    let path = folder.join("mariadb-dump");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_dump_that_is_cut_or_lies_makes_no_snapshot() {
    let server = filled();
    let cases = [
        ("cut", "$REAL \"$@\" | head -c 20000", "not whole"),
        ("cut-late", "$REAL \"$@\" | head -c -20", "last line is missing"),
        ("empty", "exit 0", "last line is missing"),
        ("text", "echo hello", "not whole"),
        ("status", "$REAL \"$@\"; exit 7", "exit status: 7"),
        ("said", "$REAL \"$@\"; echo 'mysqldump: Warning: something' >&2", "it ended well, but said"),
        ("more", "$REAL \"$@\"; echo 'SELECT 1;'", "last line is missing"),
        ("rows", "$REAL \"$@\" --where='id<100'", "rows of table shop.child"),
        ("no-rows", "$REAL \"$@\" --no-data", "rows of table"),
        ("table", "$REAL \"$@\" --ignore-table=shop.part", "table shop.part"),
        ("routines", "$REAL \"$@\" --skip-routines", "procedure shop.trap"),
        ("events", "$REAL \"$@\" --skip-events", "event shop.ev"),
        ("triggers", "$REAL \"$@\" --skip-triggers", "trigger shop.tr1"),
        ("view", "$REAL \"$@\" --ignore-table=shop.v_of_v", "view shop.v_of_v"),
        ("history", "$REAL \"$@\" --skip-dump-history", "rows of table shop.hist"),
        (
            "trailer-after-an-error",
            "$REAL \"$@\" --force --tables nosuch; echo '-- Dump completed'; exit 2",
            "exit status: 2",
        ),
        (
            "other-moment",
            "sleep 0.1; case \"$*\" in *--single*) ;; esac; $REAL $(printf '%s\\n' \"$@\" | grep -e ^--defaults) --user=root >/dev/null 2>&1; \
             $REAL \"$@\" | sed 's/MASTER_LOG_POS=[0-9]*/MASTER_LOG_POS=4/'",
            "another moment",
        ),
        // The status of a pipeline is that of its last program: the dump ends early, and everything says it went well.
        ("killed", "$REAL \"$@\" | { head -c 9000; kill -9 $SERVER; cat; }", "not whole"),
    ];
    for (name, script, says) in cases {
        let tools = tools(&server, name, script);
        let (host, _folder) =
            host_of(&server, &format!("tools = \"{}\"\nlock_wait_secs = 5", tools.display()));
        let done = back_up(&host).expect(1);
        assert!(done.said().contains(says), "{name}: {says:?} is not said\n{}", done.story());
        no_snapshot(&host, name);
    }
}

/// A connection that is killed leaves a file that looks like a dump.
#[test]
fn a_killed_connection_makes_no_snapshot() {
    let server = filled();
    server.sql("shop", "create table long_one as select seq, repeat(md5(seq), 30) as x from seq_1_to_60000");
    let kill = "select concat('kill ', id, ';') from information_schema.processlist where info like 'SELECT /*!40001 SQL_NO_CACHE%long_one%'";
    let script = format!(
        "$REAL \"$@\" | {{ head -c 3000000; mariadb --no-defaults -uroot -S{socket} -N -e \"{kill}\" | mariadb --no-defaults -uroot -S{socket}; cat; }}",
        socket = server.socket().display()
    );
    let tools = tools(&server, "killed", &script);
    let (host, _folder) = host_of(&server, &format!("tools = \"{}\"", tools.display()));
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("not whole"), "{}", done.story());
    no_snapshot(&host, "killed");
}

/// What stands in the machine's option files must not change a dump.
#[test]
fn option_files_of_the_account_do_not_reach_the_dump() {
    let server = filled();
    let home = server.path("home");
    fs::create_dir(&home).unwrap();
    fs::write(
        home.join(".my.cnf"),
        "[mysqldump]\nforce\nno-data\nwhere=1=0\nskip-triggers\n[client]\nuser=nobody\n",
    )
    .unwrap();
    let (host, _folder) = host_of(&server, "");
    let mut command = host.command(["backup", "db", "--json"]);
    let done = vow_testkit::shell::run(command.env("HOME", &home)).expect(0);
    assert_eq!(done.summary()["snapshots"][0]["status"], "ok");
}
