//! What comes and goes between two questions of ours.

use super::lies::tools;
use super::{back_up, host_of, prove, truth};
use vow_testkit::mariadb::Server;

/// The dump has listed it when it is dropped: it is begun anew, without.
#[test]
fn a_database_that_goes_away_under_the_dump_does_not_stop_it() {
    let server = Server::start();
    server.sql(
        "",
        "create database aa; create database zz; create table zz.t (i int); use aa; \
        create table long_one as select seq, repeat(md5(seq), 30) as x from seq_1_to_30000",
    );
    let (once, status) = (server.path("once"), server.path("status"));
    // The dump waits for whoever reads it, and goes on when the database is gone.
    let script = format!(
        "if test -e {once}; then exec $REAL \"$@\"; fi; touch {once}\n\
         {{ $REAL \"$@\"; echo $? > {status}; }} | {{ head -c 1000000; mariadb --no-defaults -uroot -S{socket} -e 'drop database zz'; cat; }}\n\
         exit $(cat {status})",
        once = once.display(),
        status = status.display(),
        socket = server.socket().display()
    );
    let tools = tools(&server, "drops", &script);
    let (host, _folder) = host_of(&server, &format!("tools = \"{}\"", tools.display()));
    let done = back_up(&host).expect(0);
    assert_ne!(
        std::fs::read_to_string(&status).unwrap().trim(),
        "0",
        "the first dump failed\n{}",
        done.story()
    );
    assert_eq!(truth(&host)["databases"], serde_json::json!(["aa"]), "{}", done.story());
    let proof = prove(&host);
    assert!(proof.holds(), "{proof:?}");
}
