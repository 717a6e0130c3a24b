//! Tables with and without transactions in one dump: of one moment, or said not to be.

use super::{back_up, host_of, open, prove, truth};
use std::process::Stdio;
use std::time::Duration;
use vow_testkit::Host;
use vow_testkit::mariadb::Server;

const TABLES: &[&str] = &["a_inno", "m_aria", "n_isam", "o_mem", "z_inno"];

/// A server with one counter in tables of every engine, and something large between them, so that a dump takes its time.
fn counters() -> Server {
    let server = Server::start();
    server.sql(
        "",
        "create database d; use d; create table a_inno (n int) engine = InnoDB; create table m_aria (n int) engine = Aria; \
         create table n_isam (n int) engine = MyISAM; create table o_mem (n int) engine = MEMORY; create table z_inno (n int) engine = InnoDB; \
         create view c_view as select a_inno.n as a, m_aria.n as m from a_inno join m_aria; \
         create table b_large as select seq, repeat(md5(seq), 10) as x from seq_1_to_60000; \
         create table m_large engine = Aria as select seq, repeat(md5(seq), 10) as x from seq_1_to_20000",
    );
    for table in TABLES {
        server.sql("d", &format!("insert into {table} values (0)"));
    }
    // One counter goes through all of them, round after round.
    let script = server.path("count.sql");
    let text = "use d;\ndelimiter //\ncreate procedure count_on() begin declare i int default 0; loop set i = i + 1; update a_inno set n = i; \
        update m_aria set n = i; update n_isam set n = i; update o_mem set n = i; update z_inno set n = i; do sleep(0.002); end loop; end//\n";
    std::fs::write(&script, text).unwrap();
    server.file(&script);
    server
}

/// The counters in the newest snapshot.
fn dumped(host: &Host) -> Vec<i64> {
    let target = host.dir().join("out");
    let _ = std::fs::remove_dir_all(&target);
    let _ = open(host, &["restore", "db@latest", "--target", &target.display().to_string()]).expect(0);
    let files = ["databases-locked.sql", "databases.sql"]
        .map(|name| std::fs::read(target.join(name)).unwrap_or_default());
    let text = String::from_utf8_lossy(&files.concat()).into_owned();
    let value = |table: &&str| {
        let rows = text.split(&format!("INSERT INTO `{table}` VALUES\n(")).nth(1);
        rows.and_then(|rows| rows.split(')').next()).unwrap_or_default().parse().unwrap()
    };
    TABLES.iter().map(value).collect()
}

fn spread(values: &[i64]) -> i64 {
    values.iter().max().unwrap() - values.iter().min().unwrap()
}

#[test]
fn tables_without_transactions_are_of_the_same_moment_or_said_not_to_be() {
    let server = counters();
    let mut writer = server.client("mariadb");
    writer.args(["--database=d", "-e", "call count_on()"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut writer = writer.spawn().unwrap();
    while server.sql("d", "select n from z_inno") == "0" {
        assert!(writer.try_wait().unwrap().is_none(), "the writer ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    for (lock, files) in [("auto", 2), ("all", 1)] {
        let (host, _folder) = host_of(&server, &format!("lock = \"{lock}\""));
        let _ = back_up(&host).expect(0);
        let values = dumped(&host);
        // The round that was interrupted has reached some of them.
        assert!(values[0] > 0 && spread(&values) <= 1, "{lock}: {values:?}");
        let truth = truth(&host);
        assert_eq!(truth["coherent"], true);
        assert_eq!(truth["dumps"].as_array().unwrap().len(), files);
        let proof = prove(&host);
        assert_eq!(proof.problems, Vec::<String>::new(), "{lock}");
        // Nobody is held up any more.
        let now = server.sql("d", "select n from z_inno");
        while server.sql("d", "select n from z_inno") == now {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let (host, _folder) = host_of(&server, "lock = \"none\"");
    let done = back_up(&host).expect(3);
    for word in ["not coherent", "d.m_aria (Aria)", "d.n_isam (MyISAM)", "d.o_mem (MEMORY)"] {
        assert!(done.said().contains(word), "{word}\n{}", done.story());
    }
    let values = dumped(&host);
    let transactional = [values[0], values[4]];
    assert!(
        spread(&transactional) <= 1,
        "tables with transactions are of one moment in any case: {values:?}"
    );
    assert!(spread(&values) > 1, "nothing was there to be incoherent: {values:?}");
    assert_eq!(truth(&host)["coherent"], false);
    writer.kill().unwrap();
    writer.wait().unwrap();
}

/// Of some tables a dump has the definition alone, and some lie beside what they need.
#[test]
fn tables_of_every_engine_come_back() {
    let server = Server::start();
    server.sql(
        "",
        "create database d; use d; create sequence sq; \
         create table m (a int default nextval(sq), b int) engine = MyISAM; insert into m (b) values (1), (2); \
         create table x1 (a int) engine = MyISAM; create table x2 (a int) engine = MyISAM; insert into x1 values (1); insert into x2 values (2); \
         create table merged (a int) engine = MERGE union = (x1, x2); \
         create table part (a int) engine = MyISAM partition by hash (a) partitions 2; insert into part values (1), (2); \
         create table ar (a int primary key, v int generated always as (a + 1) stored) engine = Aria; insert into ar (a) values (1); \
         create table i (a int primary key) engine = InnoDB; create view v as select m.b from m join i; \
         create trigger tr after insert on m for each row insert ignore into i values (new.b)",
    );
    let (host, _folder) = host_of(&server, "");
    let _ = back_up(&host).expect(0);
    let proof = prove(&host);
    assert!(proof.problems.is_empty() && proof.holds(), "{proof:?}");
    let other = Server::start();
    let url = other.url();
    let done = open(&host, &["restore", "db@latest", "--into", &url, "--json"]).expect(0).summary();
    assert_eq!(done["problems"], serde_json::json!([]));
    assert_eq!(other.sql("d", "select count(*) from merged"), "2");
    // The server that was captured had taken more values of the sequence ahead.
    assert_eq!(other.sql("d", "insert into m (b) values (9); select a > 2 from m where b = 9"), "1");
}
