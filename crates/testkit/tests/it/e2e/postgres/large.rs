//! A row that is larger than anything should be, and a scratch area that fills up.

use super::super::sources::drill_filling;
use super::{back_up, host_of, open, prove};
use vow_testkit::Volume;
use vow_testkit::host::files_below;
use vow_testkit::postgres::Server;
use vow_testkit::shell::{is_root, is_soak};

/// Nearly as large as a value can be, where there is time for it.
#[test]
fn a_very_large_row_comes_back() {
    let megabytes = if is_soak() { 900 } else { 64 };
    let server = Server::start();
    let value = format!("repeat(md5('x'), {megabytes} << 15)");
    server.sql(
        "postgres",
        &format!("create table t (id int primary key, b text); insert into t values (1, {value}), (2, 'y')"),
    );
    let sum = "select id, length(b), md5(b) from t order by id";
    let before = server.sql("postgres", sum);
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let proof = prove(&host);
    assert!(proof.holds(), "{proof:?}");
    server.sql("postgres", "drop table t");
    let url = server.url();
    let one = ["restore", "db@latest", "--into", &url, "--database", "postgres", "--table", "public.t"];
    let _ = open(&host, &one).expect(0);
    assert_eq!(server.sql("postgres", sum), before);
    if !is_soak() {
        return;
    }
    // Binary data is twice as long in a dump: what no dump can hold makes none, and its table is named.
    server.sql(
        "postgres",
        "create table too_long as select convert_to(repeat(md5('x'), 600 << 15), 'UTF8') as b",
    );
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("too_long"), "{}", done.story());
}

#[test]
fn a_scratch_area_that_fills_up_is_named_and_the_snapshot_is_not_blamed() {
    if !is_root("a_scratch_area_that_fills_up_is_named_and_the_snapshot_is_not_blamed") {
        return;
    }
    let server = Server::start();
    server.sql(
        "postgres",
        "create table t as select i, repeat(md5(i::text), 10) as b from generate_series(1, 60000) i",
    );
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let volume = Volume::tmpfs("size=400m,mode=0755");
    let done = drill_filling(&host, &volume, "postmaster.pid").expect(3);
    let proof = &done.summary()["proofs"][0];
    assert_eq!(proof["status"], "blocked", "{}", done.story());
    for word in ["scratch place is full", "--scratch"] {
        assert!(proof["blocked"].to_string().contains(word), "{word}\n{}", done.story());
    }
    assert!(files_below(&volume.path()).len() == 1, "nothing but the filler is left");
    // The same snapshot is as good as ever.
    let proof = prove(&host);
    assert!(proof.holds(), "{proof:?}");
}
