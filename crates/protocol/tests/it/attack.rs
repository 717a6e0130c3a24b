//! The attack of an audit: a vault that keeps its promises refuses all of it, one whose rules were loosened is found out.

use crate::bench::{Bench, HOST, key, once};
use std::collections::BTreeSet;
use vow_base::ObjectId;
use vow_base::vault::{Deposit, Kind};
use vow_protocol::client::{Attacked, Attempt, Prey};
use vow_protocol::wire::Role;

fn filled() -> (Bench, Prey) {
    let mut bench = Bench::new();
    let host = bench.client(HOST);
    let snapshot = bench.host.snapshot(1, 2, &mut bench.dice);
    snapshot.put(&host).unwrap();
    snapshot.commit(&host).unwrap();
    let manifest = (snapshot.manifest.id, snapshot.manifest.bytes.clone());
    let prey = Prey { list: Prey::list(&bench.host_id(), 1_800_000_000), manifest: Some(manifest) };
    (bench, prey)
}

fn yielded(tried: &[Attempt]) -> BTreeSet<&str> {
    let is_yielded = |attempt: &&Attempt| matches!(attempt.outcome, Attacked::Yielded(_));
    tried.iter().filter(is_yielded).map(|attempt| attempt.what.as_str()).collect()
}

#[test]
fn a_vault_that_keeps_its_promises_refuses_everything_and_is_as_it_was() {
    let (bench, prey) = filled();
    let (before, lists_before) = (bench.stored(Kind::Pack), bench.stored(Kind::List));
    for prey in [prey.clone(), Prey { manifest: None, ..prey.clone() }] {
        let tried = bench.client(HOST).attack(&prey);
        assert!(tried.len() > 15);
        assert!(tried.iter().all(|attempt| attempt.outcome == Attacked::Refused), "{tried:#?}");
    }
    assert_eq!(bench.stored(Kind::Pack), before);
    let (lists, laid_out) = (bench.stored(Kind::List), ObjectId::of(&prey.list));
    let others: Vec<_> = lists.iter().filter(|(id, _)| *id != laid_out).copied().collect();
    assert_eq!(others, lists_before, "nothing but what may be lost was left behind");
    assert_eq!(lists.len(), lists_before.len() + 1, "that was sent once");
    assert_eq!(bench.client(HOST).receipts().unwrap().len(), 1);
}

#[test]
fn what_may_be_lost_is_the_same_for_some_days() {
    let (host, other) = (key(HOST).public().host_id(), key(2).public().host_id());
    let day = 86_400;
    let of = |host, secs| Prey::list(&host, secs);
    assert_eq!(of(host, 30 * day), of(host, 32 * day));
    assert_ne!(of(host, 30 * day), of(host, 33 * day));
    assert_ne!(of(host, 30 * day), of(other, 30 * day));
    assert!(of(host, u64::MAX).starts_with(b"Made to be lost"));
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
