//! Networks that are slow, silent or full of strangers.

use crate::bench::{Bench, HOST, RESTORER, key, once, quick};
use crate::server::Trick;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vow_base::Fingerprint;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_protocol::client::Options;
use vow_protocol::{RemoteVault, Word};
use vow_testkit::fixture::Object;
use vow_testkit::{ChaosProxy, Fault};

#[track_caller]
fn gives_up<T: std::fmt::Debug>(got: Result<T, VaultError>) -> String {
    let Err(error) = got else { panic!("{got:?}") };
    assert!(error.is_unreachable(), "{error:?}");
    error.to_string()
}

#[test]
fn a_vault_that_is_away_is_named_with_its_address_and_the_reason() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pin = Fingerprint::of(&key(200).public());
    let text = gives_up(crate::bench::connect(port, pin, HOST, quick()).about());
    assert!(text.contains(&port.to_string()) && text.contains("refused"), "{text}");
    let nowhere = "https://vault.invalid:1".parse().unwrap();
    let text = gives_up(RemoteVault::new(&nowhere, pin, &key(HOST), quick()).unwrap().about());
    assert!(text.contains("https://vault.invalid:1"), "{text}");
}

#[test]
fn strangers_on_the_line_get_nowhere() {
    let bench = Bench::new();
    let proxy = ChaosProxy::start(bench.server.address);
    let second = Duration::from_secs(1);
    let client = bench.client_at(proxy.address(), HOST, Options { connect: second, ..once() });
    for fault in [
        Fault::Say(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Fault::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
        Fault::Say(vec![0x16; 4096]),
        Fault::SayForEver(b"x-header: y\r\n".to_vec()),
        Fault::SayForEver(vec![0x16, 0x03, 0x03, 0x00, 0x01, 0x00]),
        Fault::Silence,
        Fault::Refuse,
    ] {
        proxy.next(fault.clone());
        let start = Instant::now();
        gives_up(client.about());
        assert!(start.elapsed() < Duration::from_secs(40), "{fault:?} took {:?}", start.elapsed());
    }
    client.about().unwrap();
}

#[test]
fn a_slow_line_is_used_all_the_same() {
    let mut bench = Bench::new();
    let proxy = ChaosProxy::start(bench.server.address);
    let object = Object::random(Kind::Pack, 400_000, &mut bench.dice);
    // Half of what moves in one window would not be enough of it in two.
    let second = Duration::from_secs(1);
    let impatient = Options { window: second, patience: second * 20, ..once() };
    proxy.always(Fault::Drip(8 << 10, Duration::from_millis(50)));
    let start = Instant::now();
    bench
        .client_at(proxy.address(), HOST, impatient.clone())
        .put(Kind::Pack, &object.id, &object.bytes)
        .unwrap();
    let restorer = bench.client_at(proxy.address(), RESTORER, impatient.clone());
    assert_eq!(restorer.get(&bench.host_id(), Kind::Pack, &object.id).unwrap(), object.bytes);
    assert!(start.elapsed() > second * 4, "{:?}", start.elapsed());

    proxy.always(Fault::Drip(100, Duration::from_millis(50)));
    let stuck = Object::random(Kind::Pack, 400_000, &mut bench.dice);
    let client = bench.client_at(proxy.address(), HOST, Options { patience: second, ..impatient });
    let start = Instant::now();
    let text = gives_up(client.put(Kind::Pack, &stuck.id, &stuck.bytes));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(text.contains("bytes in 1 seconds") || text.contains("within"), "{text}");
    assert!(bench.stored(Kind::Pack).iter().all(|(id, _)| *id != stuck.id));
}

#[test]
fn delays_cost_time_and_nothing_else() {
    let mut bench = Bench::new();
    let proxy = ChaosProxy::start(bench.server.address);
    proxy.always(Fault::Delay(Duration::from_millis(20)));
    let client = bench.client_at(proxy.address(), HOST, once());
    let snapshot = bench.host.snapshot(1, 2, &mut bench.dice);
    snapshot.put(&client).unwrap();
    assert_eq!(snapshot.commit(&client).unwrap().position, 1);
}

#[test]
fn an_answer_that_comes_before_the_body_was_sent_is_heard() {
    let mut bench = Bench::new();
    let object = Object::random(Kind::Pack, 20 << 20, &mut bench.dice);
    for (word, expected) in
        [(Word::Full, "is full"), (Word::Limit, "takes no more"), (Word::Refused, "refused: early")]
    {
        *bench.server.shared.always.lock().unwrap() = Some(Trick::EarlyAnswer(word));
        for _ in 0..5 {
            // The vault hangs up on most of the body: what it said before must not get lost in that.
            let client = bench.client_at(bench.server.address, HOST, once());
            let error = client.put(Kind::Pack, &object.id, &object.bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
    *bench.server.shared.always.lock().unwrap() = None;
    bench.client(HOST).put(Kind::Pack, &object.id, &object.bytes).unwrap();
}

#[test]
fn a_client_that_is_dropped_in_the_middle_of_everything_ends() {
    let bench = Bench::new();
    let proxy = ChaosProxy::start(bench.server.address);
    proxy.always(Fault::Silence);
    let client = bench.client_at(proxy.address(), HOST, once());
    let other = client.clone();
    let waiting = std::thread::spawn(move || other.about().is_err());
    std::thread::sleep(Duration::from_millis(50));
    drop(client);
    proxy.cut_all();
    assert!(waiting.join().unwrap());
    // Also where nothing may block.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { drop(bench.client(HOST)) });
}

#[test]
fn whoever_is_cancelled_waits_no_longer() {
    let bench = Bench::new();
    let proxy = ChaosProxy::start(bench.server.address);
    let cancelled = Arc::new(AtomicBool::new(false));
    let options = Options { connect: Duration::from_mins(5), ..Options::new(cancelled.clone()) };
    let client = bench.client_at(proxy.address(), HOST, options);
    for fault in [Fault::Silence, Fault::Refuse] {
        cancelled.store(false, Ordering::Relaxed);
        proxy.always(fault);
        let (start, waiting) = (Instant::now(), client.clone());
        let waiting = std::thread::spawn(move || waiting.receipts());
        std::thread::sleep(Duration::from_millis(300));
        cancelled.store(true, Ordering::Relaxed);
        gives_up(waiting.join().unwrap());
        assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    }
}
