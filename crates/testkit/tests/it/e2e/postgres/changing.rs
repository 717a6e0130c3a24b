//! What comes and goes between two questions of ours: that is no failure of a backup.

use super::lies::tools_with;
use super::{back_up, host_of, prove, truth};
use vow_testkit::postgres::{Server, programs};

/// Runs statements as the server's own superuser, without a word.
fn psql(server: &Server, statements: &[&str]) -> String {
    let run = format!(
        "{} -X -q -h {} -U postgres -d postgres",
        programs().join("psql").display(),
        server.path("").display()
    );
    let all: Vec<_> = statements.iter().map(|sql| format!("{run} -c \"{sql}\" >/dev/null 2>&1")).collect();
    all.join("\n")
}

fn names(list: &serde_json::Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_database_that_goes_away_while_others_are_dumped_is_said_and_nothing_fails() {
    let server = Server::start();
    for name in ["first", "later", "moved"] {
        server.sql("postgres", &format!("create database {name}"));
        server.sql(name, "create table t as select 1 as a");
    }
    let script = format!("{}\nexec $REAL \"$@\"", psql(&server, &["drop database later"]));
    let tools = tools_with(&server, "drops", "pg_dump", &script);
    let (host, _folder) = host_of(&server, &format!("parallel = 1\ntools = \"{}\"", tools.display()));
    let done = back_up(&host).expect(0);
    assert!(done.said().contains("it was dropped while others were dumped"), "{}", done.story());
    let found = truth(&host);
    assert_eq!(names(&found["databases"], "name"), ["first", "moved", "postgres", "template1"]);
    assert_eq!(names(&found["not_dumped"], "database"), ["template0", "later"]);

    // One that has another name now has content that is nowhere.
    let script =
        format!("{}\nexec $REAL \"$@\"", psql(&server, &["alter database moved rename to elsewhere"]));
    let tools = tools_with(&server, "renames", "pg_dump", &script);
    let (host, _folder) = host_of(&server, &format!("parallel = 1\ntools = \"{}\"", tools.display()));
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("it was renamed to"), "{}", done.story());

    // What an interrupted DROP DATABASE has left lets nobody in, for ever.
    server.sql("postgres", "update pg_database set datconnlimit = -2 where datname = 'elsewhere'");
    let (host, _folder) = host_of(&server, "");
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("DROP DATABASE of it was interrupted"), "{}", done.story());
}

#[test]
fn what_is_dropped_while_roles_are_dumped_or_files_are_copied_need_not_come_back() {
    let server = Server::start();
    server.sql("postgres", "create role goner; create role stays");
    let script = format!("{}\nexec $REAL \"$@\"", psql(&server, &["drop role goner"]));
    let tools = tools_with(&server, "roles", "pg_dumpall", &script);
    let (host, _folder) = host_of(&server, &format!("tools = \"{}\"", tools.display()));
    let _ = back_up(&host).expect(0);
    let roles = truth(&host)["roles"].to_string();
    assert!(roles.contains("stays") && !roles.contains("goner"), "{roles}");
    assert_eq!(prove(&host).problems, Vec::<String>::new());

    server.sql("postgres", "create database goner; ");
    let script =
        format!("{}\nexec $REAL \"$@\"", psql(&server, &["drop database goner", "create database comer"]));
    let tools = tools_with(&server, "files", "pg_basebackup", &script);
    let staging = server.folder("staging");
    let lines = format!(
        "method = \"physical\"\nstaging = \"{}\"\ntools = \"{}\"",
        staging.display(),
        tools.display()
    );
    let (host, _folder) = host_of(&server, &lines);
    let _ = back_up(&host).expect(0);
    let proof = prove(&host);
    assert!(proof.holds(), "{proof:?}");
}
