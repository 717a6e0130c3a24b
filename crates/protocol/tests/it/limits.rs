//! Bandwidth, many threads at once, and vaults that are out of order for a long time.

use crate::bench::{Bench, FakeTiming, HOST, RESTORER, quick};
use crate::server::Trick;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_protocol::Word;
use vow_protocol::client::{Options, Retry, Timing};
use vow_testkit::fixture::Object;

#[test]
fn eight_threads_upload_at_once_over_few_connections() {
    let mut bench = Bench::new();
    let client = bench.client(HOST);
    let objects: Vec<_> = (0..64).map(|_| Object::random(Kind::Pack, 200_000, &mut bench.dice)).collect();
    std::thread::scope(|scope| {
        for part in objects.chunks(8) {
            let client = client.clone();
            scope.spawn(move || {
                for object in part {
                    client.put(Kind::Pack, &object.id, &object.bytes).unwrap();
                }
            });
        }
    });
    assert_eq!(bench.stored(Kind::Pack).len(), 64);
    let connections = bench.server.shared.connections.load(SeqCst);
    assert!((2..=8).contains(&connections), "{connections}");
}

#[test]
fn no_more_connections_are_open_than_allowed() {
    let mut bench = Bench::new();
    let client = bench.client_at(bench.server.address, HOST, Options { connections: 2, ..quick() });
    let objects: Vec<_> = (0..16).map(|_| Object::random(Kind::Pack, 50_000, &mut bench.dice)).collect();
    std::thread::scope(|scope| {
        for object in &objects {
            let client = client.clone();
            scope.spawn(move || client.put(Kind::Pack, &object.id, &object.bytes).unwrap());
        }
    });
    assert_eq!(bench.stored(Kind::Pack).len(), 16);
    assert!(bench.server.shared.connections.load(SeqCst) <= 2);
}

/// Whether moving `bytes` at `rate` took no less than it should. Much more only a busy machine takes.
#[track_caller]
fn expect_pace(start: Instant, bytes: usize, rate: u64) {
    let (took, should) = (start.elapsed().as_secs_f64(), bytes as f64 / rate as f64);
    assert!((should * 0.85..should * 1.15 + 5.0).contains(&took), "{took:.2} s, it should be {should:.2} s");
}

#[test]
fn uploads_and_downloads_keep_their_limits_together() {
    const RATE: u64 = 1 << 20;
    let mut bench = Bench::new();
    let options = Options { upload_bytes_per_sec: Some(RATE), download_bytes_per_sec: Some(RATE), ..quick() };
    let objects: Vec<_> = (0..4).map(|_| Object::random(Kind::Pack, 700_000, &mut bench.dice)).collect();
    let client = bench.client_at(bench.server.address, HOST, options.clone());
    client.about().unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for object in &objects {
            let client = client.clone();
            scope.spawn(move || client.put(Kind::Pack, &object.id, &object.bytes).unwrap());
        }
    });
    expect_pace(start, 4 * 700_000, RATE);

    let (restorer, host) = (bench.client_at(bench.server.address, RESTORER, options), bench.host_id());
    restorer.about().unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for object in &objects {
            let restorer = restorer.clone();
            scope.spawn(move || {
                assert_eq!(restorer.get(&host, Kind::Pack, &object.id).unwrap(), object.bytes);
            });
        }
    });
    expect_pace(start, 4 * 700_000, RATE);
}

#[test]
fn a_low_limit_is_no_stall() {
    // At 32 KiB/s one window carries less than half of what a stalled transfer must move, but for our own pauses.
    let mut bench = Bench::new();
    let window = Duration::from_millis(300);
    let options =
        Options { upload_bytes_per_sec: Some(1), download_bytes_per_sec: Some(1), window, ..quick() };
    let object = Object::random(Kind::Pack, 80_000, &mut bench.dice);
    let client = bench.client_at(bench.server.address, HOST, options.clone());
    client.put(Kind::Pack, &object.id, &object.bytes).unwrap();
    let restorer = bench.client_at(bench.server.address, RESTORER, options);
    assert_eq!(restorer.get(&bench.host_id(), Kind::Pack, &object.id).unwrap(), object.bytes);
    assert_eq!(bench.server.shared.requests.lock().unwrap().len(), 2);
}

#[test]
fn half_an_hour_of_errors_ends_in_an_error() {
    type Expected = fn(&VaultError) -> bool;
    let half_an_hour = Duration::from_mins(30);
    let cases: [(Word, Option<Duration>, Expected); 4] = [
        (Word::Storage, None, |e| matches!(e, VaultError::Storage { .. })),
        (Word::Limit, Some(Duration::from_mins(5)), |e| matches!(e, VaultError::Limited { .. })),
        (Word::Busy, Some(Duration::from_secs(1)), |e| matches!(e, VaultError::Busy { .. })),
        (Word::Full, None, VaultError::is_full),
    ];
    let mut bench = Bench::new();
    let snapshot = bench.host.snapshot(1, 1, &mut bench.dice);
    snapshot.put(&bench.client(HOST)).unwrap();
    let fresh = Object::random(Kind::Pack, 500, &mut bench.dice);
    for (word, after, expected) in cases {
        for given in [Retry { tries: 10_000, total: half_an_hour, ..Retry::default() }, Retry::default()] {
            *bench.server.shared.always.lock().unwrap() = Some(Trick::Answer(word, after));
            let timing = Arc::new(FakeTiming::default());
            let options = Options { retry: given, timing: timing.clone(), ..quick() };
            let client = bench.client_at(bench.server.address, HOST, options);
            for error in [
                client.put(Kind::Pack, &fresh.id, &fresh.bytes).unwrap_err(),
                snapshot.commit(&client).unwrap_err(),
                client.receipts().unwrap_err(),
                client.missing(Kind::Pack, &[fresh.id]).unwrap_err(),
            ] {
                assert!(expected(&error), "{error:?}");
            }
            assert!(timing.now() <= given.total * 4, "{:?}", timing.now());
            if word != Word::Full && given.total == half_an_hour {
                assert!(timing.now() > given.total * 3, "it gave up after {:?}", timing.now());
            }
        }
    }
    *bench.server.shared.always.lock().unwrap() = None;
    assert!(bench.stored(Kind::Pack).iter().all(|(id, _)| *id != fresh.id));
    assert_eq!(bench.client(HOST).receipts().unwrap(), []);
    // And when it is over, it goes on.
    assert_eq!(snapshot.commit(&bench.client(HOST)).unwrap().position, 1);
}
