//! A `mariadb-dump` that cuts or lies must never lead to a snapshot.

use super::{back_up, filled, host_of, no_snapshot};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use vow_testkit::mariadb::{Server, program};

/// A folder with MariaDB's programs, in which `mariadb-dump` is this script; `$REAL` is the true one.
pub(super) fn tools(server: &Server, name: &str, script: &str) -> PathBuf {
    let folder = server.path(name);
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(program("mariadb"), folder.join("mariadb")).unwrap();
    let real = program("mariadb-dump").display().to_string();
    // What asks for the version gets an honest answer, and so do users.
    let text = format!(
        "#!/bin/sh\nREAL={real}\nSERVER={}\n{WITH}\ncase \"$*\" in *--version|*--help|*--system*) exec $REAL \"$@\";; esac\n{script}\n",
        server.pid()
    );
    let path = folder.join("mariadb-dump");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Adds an option where it overrules the others.
const WITH: &str = "with() { o=$1; shift; s=; for a; do case $a in --databases) s=\"$s $o --databases\";; *) s=\"$s '$a'\";; esac; done; eval \"$REAL $s\"; }";

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
        ("rows", "with --ignore-table-data=shop.child \"$@\"", "rows of table shop.child"),
        ("no-rows", "with --no-data \"$@\"", "rows of table"),
        ("table", "with --ignore-table=shop.part \"$@\"", "table shop.part"),
        ("routines", "with --skip-routines \"$@\"", "procedure shop.trap"),
        ("events", "with --skip-events \"$@\"", "event shop.ev"),
        ("triggers", "with --skip-triggers \"$@\"", "trigger shop.tr1"),
        ("view", "with --ignore-table=shop.v_of_v \"$@\"", "view shop.v_of_v"),
        ("history", "with --skip-dump-history \"$@\"", "rows of table shop.hist"),
        (
            "trailer-after-an-error",
            "$REAL \"$@\" | head -c 20000; echo; echo '-- Dump completed'; exit 2",
            "exit status: 2",
        ),
        ("other-moment", "$REAL \"$@\" | sed 's/MASTER_LOG_POS=[0-9]*/MASTER_LOG_POS=4/'", "another moment"),
        // The status of a pipeline is that of its last program: the dump ends early, and everything says it went well.
        ("killed", "$REAL \"$@\" | { head -c 9000; kill -9 $SERVER; cat; }", "db"),
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

/// What stands in the machine's option files would change a dump: `force`, `where`, `ignore-table`. The first argument keeps them out.
#[test]
fn only_our_own_options_reach_the_dump() {
    let server = filled();
    let seen = server.path("seen");
    let tools = tools(
        &server,
        "seen-tools",
        &format!("for a; do echo \"$a\"; done >>{}; exec $REAL \"$@\"", seen.display()),
    );
    let (host, _folder) = host_of(&server, &format!("tools = \"{}\"", tools.display()));
    let _ = back_up(&host).expect(0);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.starts_with("--defaults-file="), "{seen}");
    assert!(!seen.lines().any(|word| word == "--force" || word.starts_with("-f")), "{seen}");
    for wanted in [
        "--single-transaction",
        "--routines",
        "--events",
        "--triggers",
        "--hex-blob",
        "--dump-history",
        "--gtid",
        "--master-data=2",
    ] {
        assert!(seen.lines().any(|word| word == wanted), "{wanted}: {seen}");
    }
}
