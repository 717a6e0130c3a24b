//! Redis, with real servers: what is captured, what comes back, and everything that must not look like a success.

mod failures;
mod restored;
mod values;

use super::sources::{back_up, change, document, fails, host_of, open, prove, script};
use vow_testkit::redis::Server;

/// A server with keys of every kind in two databases, functions and users.
fn filled(settings: &str) -> Server {
    let server = Server::with(settings);
    fill(&server);
    server
}

fn fill(server: &Server) {
    for words in [
        &["SET", "text", "hello"][..],
        &["SET", "bytes", "\u{1}\r\n$-1\r\n\u{7f}ü"],
        &["SET", "soon", "x", "EX", "100000"],
        &["RPUSH", "list", "a", "b", "c"],
        &["SADD", "set", "a", "1"],
        &["ZADD", "ranks", "1.5", "a", "2", "b"],
        &["HSET", "hash", "f", "v"],
        &["XADD", "stream", "1-1", "f", "v"],
        &["PFADD", "hll", "a", "b"],
        &["-n", "3", "SET", "other", "database"],
        &["FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f', function() return 7 end)"],
        &["ACL", "SETUSER", "bob", "on", ">bobs-password", "~a:*", "+get", "(~b:* +set)"],
    ] {
        server.cli(words);
    }
    server.cli(&[
        "EVAL",
        "for i = 1, 5000 do redis.call('SET', 'k' .. i, string.rep('v', i % 100)) end",
        "0",
    ]);
}
