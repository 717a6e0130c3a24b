//! What was restored is dumped again: its definitions are those of the dump, whatever the server does to their words; and damage to them
//! is noticed.

use super::super::sources::sabotage;
use super::{back_up, filled, host_of, prove};
use vow_testkit::postgres::Server;

/// What the server writes of a list of values on a `varchar` it reads in another way than it was meant, and writes otherwise then.
#[test]
fn what_the_server_writes_in_its_own_way_is_no_difference() {
    let server = Server::start();
    server.sql(
        "postgres",
        "create domain d as varchar(9) check (value in ('a', 'b'))\n\
         create table t (s varchar(9) default 'a' check (s in ('a', 'b')), n int, d d)\n\
         create view v as select * from t where s in ('a', 'b')\n\
         create index i on t (n) where s in ('a', 'b')\n\
         create policy p on t using (s in ('a', 'b'))\n\
         create rule r as on update to t where new.s in ('a', 'b') do also nothing\n\
         create trigger tr before update on t for each row when (new.s in ('a', 'b')) execute function suppress_redundant_updates_trigger()\n\
         create function f() returns varchar begin atomic select s from t where s in ('a', 'b'); end\n\
         insert into t values ('a', 1, 'b')",
    );
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let proof = prove(&host);
    assert_eq!(proof.problems, Vec::<String>::new());
    assert!(proof.notes.iter().any(|note| note.contains("other casts and brackets")), "{proof:?}");
    // Nothing else is taken for that.
    let tried = sabotage(&host, "postgres");
    let lost = tried.iter().find(|one| one.name == "lost default").unwrap();
    assert!(lost.noticed && lost.object == "TABLE t in public", "{lost:?}");
}

#[test]
fn damage_to_definitions_is_noticed() {
    let server = filled();
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let proof = prove(&host);
    assert!(proof.holds(), "{proof:?}");
    let tried = sabotage(&host, "postgres");
    for (name, object) in [
        ("changed routine", "FUNCTION "),
        ("changed comment", "COMMENT TABLE parent in app"),
        ("lost privilege", "ACL TABLE "),
        ("lost default", "TABLE parent in app"),
    ] {
        let one = tried.iter().find(|one| one.name == name).unwrap();
        assert!(one.noticed && one.object.starts_with(object), "{one:?}");
        assert!(one.said.as_ref().is_some_and(|said| said.contains("is not the dump")), "{one:?}");
    }
}
