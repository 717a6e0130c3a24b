//! A row that is larger than anything should be, and disks that fill up.

use super::super::sources::drill_filling;
use super::{back_up, host_of, open, prove, truth};
use vow_testkit::host::files_below;
use vow_testkit::mariadb::Server;
use vow_testkit::shell::{is_root, is_soak};
use vow_testkit::{Host, Volume, host};

/// Hex doubles its size: a server with the usual limit does not take it back, nor would the client. Nearly as large as a statement can be,
/// where there is time for it.
#[test]
fn a_very_large_row_comes_back() {
    let megabytes = if is_soak() { 500 } else { 40 };
    let server = Server::start_with("max_allowed_packet=1G");
    server.sql(
        "",
        &format!(
            "create database big; create table big.t (id int primary key, b longblob); \
        insert into big.t values (1, repeat(char(1), {megabytes} << 20)), (2, 'x')"
        ),
    );
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    assert!(truth(&host)["longest_statement_bytes"].as_u64().unwrap() > (2 * megabytes) << 20);
    let proof = prove(&host);
    assert!(proof.holds(), "{proof:?}");
    let sum = server.sql("big", "select md5(b) from t where id = 1");
    let other = Server::start_with("max_allowed_packet=16M");
    let done = open(&host, &["restore", "db@latest", "--into", &other.url(), "--json"]).expect(0);
    assert!(done.said().contains("max_allowed_packet"), "{}", done.story());
    assert_eq!(other.sql("big", "select md5(b) from t where id = 1"), sum);
    assert_eq!(other.sql("", "select @@global.max_allowed_packet"), (16 << 20).to_string(), "set back");
    if !is_soak() {
        return;
    }
    // What no server takes back in one statement is said when it is captured.
    server.sql("big", "insert into t values (3, repeat(char(1), 600 << 20))");
    let done = back_up(&host).expect_one_of(&[1, 3]);
    assert!(
        done.said().contains("no server takes more") || done.said().contains("packet"),
        "{}",
        done.story()
    );
}

#[test]
fn a_scratch_area_that_fills_up_is_named_and_the_snapshot_is_not_blamed() {
    if !is_root("a_scratch_area_that_fills_up_is_named_and_the_snapshot_is_not_blamed") {
        return;
    }
    let server = Server::start();
    // What is not InnoDB waits for room for ever.
    server.sql("", "create database d; use d; create table d.a (i int, t text) engine = InnoDB; create table d.z (i int, t text) engine = MyISAM; \
        insert into d.a select seq, repeat(md5(seq), 10) from seq_1_to_30000; insert into d.z select * from d.a");
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let volume = Volume::tmpfs("size=440m,mode=0755");
    let done = drill_filling(&host, &volume, "pid").expect(3);
    let proof = &done.summary()["proofs"][0];
    assert_eq!(proof["status"], "blocked", "{}", done.story());
    for word in ["scratch place is full", "--scratch"] {
        assert!(proof["blocked"].to_string().contains(word), "{word}\n{}", done.story());
    }
    assert_eq!(files_below(&volume.path()).len(), 1, "nothing but the filler is left");
    let proof = prove(&host);
    assert!(proof.holds(), "{proof:?}");
}

/// A vault that fills up in the middle of a dump: no snapshot, and nothing of ours stays at the server.
#[test]
fn a_vault_that_fills_up_in_the_middle_of_a_dump_lets_go_of_the_server() {
    if !is_root("a_vault_that_fills_up_in_the_middle_of_a_dump_lets_go_of_the_server") {
        return;
    }
    let server = Server::start();
    server.sql("", "create database d; use d; create table d.t (i int, t text) engine = MyISAM; \
        insert into d.t select seq, concat(md5(rand(seq)), md5(rand(seq + 1000000)), md5(rand(seq + 2000000)), md5(rand(seq + 3000000))) from seq_1_to_250000");
    let (folder, volume) = (host::scratch(), Volume::tmpfs("size=8m"));
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let host = Host::at(&volume.path().join("host"), &[&folder.path().join("data")]);
    host.add_to_plan(&format!("[[source]]\nname = \"db\"\ntype = \"mariadb\"\nurl = \"{}\"", server.url()));
    let done = back_up(&host).expect(1);
    assert!(done.said().contains("No space left"), "{}", done.story());
    assert!(vow_testkit::host::ids(&done).is_empty(), "{}", done.story());
    // Writing waited while that table was dumped.
    server.sql("d", "insert into t values (0, 'goes on')");
    let began = std::time::Instant::now();
    while server.sql("", "select count(*) from information_schema.processlist where user = 'root'") != "1" {
        assert!(began.elapsed().as_secs() < 60, "sessions of ours are left");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    volume.remount("size=200m");
    let _ = back_up(&host).expect(0);
    assert_eq!(truth(&host)["tables"][0]["rows"], 250_001);
}
