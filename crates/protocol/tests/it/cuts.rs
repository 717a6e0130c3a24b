//! The connection is cut after every byte, in either direction: what was acknowledged is stored, what is asked again has the
//! same effect once or twice.

use crate::bench::{Bench, HOST, once, quick};
use std::time::Duration;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError};
use vow_protocol::RemoteVault;
use vow_protocol::client::Options;
use vow_testkit::fixture::{Object, Snapshot};
use vow_testkit::{ChaosProxy, Dice, Fault};

/// Every so manieth byte; all of them in a soak.
fn step() -> usize {
    if std::env::var_os("VOW_SOAK").is_some() { 1 } else { 5 }
}

fn faults(up: u64, down: u64, step: usize) -> impl Iterator<Item = Fault> {
    let cut_up = (0..=up).step_by(step).map(Fault::CutUp);
    let cut_down = (0..=down).step_by(step).map(Fault::CutDown);
    // The request arrives whole, its answer does not: from somewhere within the request on, whose head and body are longer than this. What was
    // counted may have a farewell in it, which follows the answer.
    cut_up.chain(cut_down).chain([Fault::LoseAnswer(up - 200)])
}

/// Bytes at the end of a connection that say nothing any more: its farewell, and what a certificate's length varies by.
const FAREWELL: u64 = 64;

/// Whether a fault comes so late that it may hurt nobody.
fn is_late(fault: &Fault, up: u64, down: u64) -> bool {
    match fault {
        Fault::CutUp(at) => at + FAREWELL >= up,
        Fault::CutDown(at) => at + FAREWELL >= down,
        _ => false,
    }
}

/// Counts what passes for one request on a new connection.
fn measure(proxy: &ChaosProxy, request: impl FnOnce()) -> (u64, u64) {
    let before = proxy.passed();
    request();
    let after = proxy.passed();
    (after.up - before.up, after.down - before.down)
}

fn honest<T>(result: &Result<T, VaultError>) -> bool {
    matches!(result, Ok(_) | Err(VaultError::Unreachable { .. }))
}

/// A vault and a proxy before it; fresh ones every so often, so that their ledger stays short.
struct Line {
    bench: Bench,
    proxy: ChaosProxy,
    dice: Dice,
}

impl Line {
    fn new(seed: usize) -> Self {
        let bench = Bench::new();
        let proxy = ChaosProxy::start(bench.server.address);
        Self { bench, proxy, dice: Dice::new(seed as u64) }
    }

    fn client(&self, options: Options) -> RemoteVault {
        self.bench.client_at(self.proxy.address(), HOST, options)
    }

    fn object(&mut self) -> Object {
        Object::random(Kind::List, 200, &mut self.dice)
    }

    fn snapshot(&mut self, sequence: u64) -> Snapshot {
        let snapshot = self.bench.host.snapshot(sequence, 1, &mut self.dice);
        snapshot.put(&self.bench.client(HOST)).unwrap();
        snapshot
    }
}

fn put(client: &RemoteVault, object: &Object) -> Result<(), VaultError> {
    client.put(Kind::List, &object.id, &object.bytes)
}

#[test]
fn a_put_cut_anywhere_is_stored_once_or_not_acknowledged() {
    let mut line = Line::new(0);
    let object = line.object();
    let (up, down) = measure(&line.proxy, || put(&line.client(once()), &object).unwrap());
    assert!(up > 1000 && down > 500, "{up} {down}");

    let faults: Vec<_> = faults(up, down, step()).collect();
    for (at, fault) in faults.iter().enumerate() {
        if at % 50 == 0 {
            line = Line::new(at + 1);
        }
        let object = line.object();
        line.proxy.next(fault.clone());
        let first = put(&line.client(once()), &object);
        assert!(honest(&first), "{fault:?}: {first:?}");
        let stored =
            |bench: &Bench| bench.stored(Kind::List).iter().filter(|(id, _)| *id == object.id).count();
        assert!(first.is_err() || stored(&line.bench) == 1, "{fault:?}: acknowledged and not there");
        assert!(first.is_err() || is_late(fault, up, down), "{fault:?} of {up} and {down} was not noticed");
        // Whoever may try again does not see any of it.
        line.proxy.next(fault.clone());
        put(&line.client(quick()), &object).unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!(stored(&line.bench), 1, "{fault:?}");
        assert_eq!(line.bench.stored(Kind::List).len(), at % 50 + 1, "{fault:?}");
    }
}

#[test]
fn a_commit_cut_anywhere_gives_one_receipt() {
    let mut line = Line::new(0);
    let snapshot = line.snapshot(1);
    let (up, down) = measure(&line.proxy, || assert!(snapshot.commit(&line.client(once())).is_ok()));

    let faults: Vec<_> = faults(up, down, step()).collect();
    let mut lost_answers = 0;
    for (at, fault) in faults.iter().enumerate() {
        if at % 20 == 0 {
            line = Line::new(at + 1);
        }
        let sequence = at as u64 % 20 + 1;
        let snapshot = line.snapshot(sequence);
        line.proxy.next(fault.clone());
        let first = snapshot.commit(&line.client(once()));
        assert!(honest(&first), "{fault:?}: {first:?}");
        let receipts = || line.bench.vault().committed(&line.bench.host_id()).unwrap();
        let accepted = receipts().into_iter().find(|receipt| receipt.manifest == snapshot.manifest.id);
        if let Ok(receipt) = &first {
            assert_eq!(accepted.as_ref(), Some(receipt), "{fault:?}");
        }
        lost_answers += usize::from(first.is_err() && accepted.is_some());
        line.proxy.next(fault.clone());
        let again = snapshot.commit(&line.client(quick()));
        let again = again.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!((again.position, again.sequence), (sequence, sequence), "{fault:?}");
        assert_eq!(receipts().len() as u64, sequence, "{fault:?}");
    }
    // Among them were commits that the vault accepted and the host heard nothing of.
    assert!(lost_answers > 0);
}

#[test]
fn a_read_cut_anywhere_is_whole_or_an_error() {
    let mut bench = Bench::new();
    let object = Object::random(Kind::Index, 300, &mut bench.dice);
    bench.client(HOST).put(Kind::Index, &object.id, &object.bytes).unwrap();
    let proxy = ChaosProxy::start(bench.server.address);
    let through = |options| bench.client_at(proxy.address(), HOST, options);
    let (up, down) = measure(&proxy, || drop(through(once()).index_segment(&object.id).unwrap()));
    for fault in faults(up, down, step() * 3) {
        proxy.next(fault.clone());
        let first = through(once()).index_segment(&object.id);
        assert!(honest(&first), "{fault:?}: {first:?}");
        assert!(first.is_err() || first.is_ok_and(|bytes| bytes == object.bytes), "{fault:?}");
        proxy.next(fault.clone());
        assert_eq!(through(quick()).index_segment(&object.id).unwrap(), object.bytes, "{fault:?}");
    }
}

#[test]
fn connections_that_ended_while_nobody_looked_are_replaced() {
    let mut bench = Bench::new();
    let proxy = ChaosProxy::start(bench.server.address);
    // It tries once: what was lost before it was sent is no try.
    let client = bench.client_at(proxy.address(), HOST, once());
    for pause in [0, 0, 20] {
        let object = Object::random(Kind::List, 200, &mut bench.dice);
        client.put(Kind::List, &object.id, &object.bytes).unwrap();
        proxy.cut_all();
        std::thread::sleep(Duration::from_millis(pause));
    }
    assert_eq!(proxy.passed().connections, 3);
}
