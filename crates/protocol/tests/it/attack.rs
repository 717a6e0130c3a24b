//! The attack of an audit: a vault that keeps its promises refuses all of it, one whose rules were loosened is found out.

use crate::bench::{Bench, HOST, key, once};
use std::collections::BTreeSet;
use vow_base::vault::{Deposit, Kind};
use vow_protocol::client::{Attacked, Attempt, Known};
use vow_protocol::wire::Role;

fn filled() -> (Bench, Known) {
    let mut bench = Bench::new();
    let host = bench.client(HOST);
    let snapshot = bench.host.snapshot(1, 2, &mut bench.dice);
    snapshot.put(&host).unwrap();
    snapshot.commit(&host).unwrap();
    let known =
        Known { pack: Some(snapshot.of_kind(Kind::Pack)[0].id), manifest: Some(snapshot.manifest.id) };
    (bench, known)
}

fn yielded(tried: &[Attempt]) -> BTreeSet<&str> {
    let is_yielded = |attempt: &&Attempt| matches!(attempt.outcome, Attacked::Yielded(_));
    tried.iter().filter(is_yielded).map(|attempt| attempt.what.as_str()).collect()
}

#[test]
fn a_vault_that_keeps_its_promises_refuses_everything_and_is_as_it_was() {
    let (bench, known) = filled();
    let before = bench.stored(Kind::Pack);
    for known in [known, Known::default()] {
        let tried = bench.client(HOST).attack(&known);
        assert!(tried.len() > 15);
        assert!(tried.iter().all(|attempt| attempt.outcome == Attacked::Refused), "{tried:#?}");
    }
    assert_eq!(bench.stored(Kind::Pack), before, "nothing was left behind");
    assert_eq!(bench.client(HOST).receipts().unwrap().len(), 1);
}

#[test]
fn a_vault_that_lets_a_host_read_is_found_out() {
    let (bench, known) = filled();
    bench.server.shared.grants.lock().unwrap().insert(key(HOST).public(), Role::Replicate);
    let tried = bench.client(HOST).attack(&known);
    let expected = [
        "list hosts",
        "list the manifests of this host",
        "list the packs of this host",
        "list what is kept",
        "read a manifest back",
        "read a pack back",
        "read another host's receipts",
        "read the whole ledger",
    ];
    let yielded = yielded(&tried);
    assert!(expected.iter().all(|what| yielded.contains(what)), "{yielded:?}");
    assert!(
        !yielded
            .iter()
            .any(|what| what.contains("delete") || what.contains("write") || what.contains("over")),
        "{yielded:?}"
    );
}

#[test]
fn a_vault_that_is_away_proves_nothing() {
    let (bench, known) = filled();
    let client = bench.client_at(bench.server.address, HOST, once());
    drop(bench);
    let tried = client.attack(&known);
    assert!(tried.iter().all(|attempt| matches!(attempt.outcome, Attacked::Unclear(_))), "{tried:#?}");
}
