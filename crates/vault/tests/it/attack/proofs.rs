//! Proofs that lie, proofs by keys that may bring none, and floods of proofs.

use super::siege::Siege;
use crate::stand::{Party, Stand, snapshot};
use std::sync::Arc;
use vow_base::ObjectId;
use vow_base::clock::SystemClock;
use vow_base::detail::Mark;
use vow_base::disk::RealDisk;
use vow_base::id::hex;
use vow_base::sign::SigningKey;
use vow_protocol::client::{Options, RemoteVault};
use vow_protocol::proof::{FORMAT, ProofRecord, VERSION};
use vow_protocol::report::Verdict;
use vow_testkit::fixture::Snapshot;
use vow_vault::Vault;

/// What an honest drill host says of a snapshot of the host with this key.
fn record(stand: &Stand, host: &Party, snapshot: &Snapshot) -> ProofRecord {
    let report = serde_json::json!({
        "source": "files", "source_type": "files", "snapshot": snapshot.manifest.id.to_string(), "received_secs": 1,
        "level": "remote", "vault": stand.pin.to_string(), "recipient": "", "started_secs": 2, "restore_secs": 1.0,
        "compare_secs": 1.0, "verdict": "proven", "compared": 3, "files": 3, "files_read": 3, "bytes": 9,
        "restore_target_secs": null
    });
    ProofRecord {
        format: FORMAT.into(),
        version: VERSION,
        drill_key: String::new(),
        tenant: "acme".into(),
        host: "n1".into(),
        host_key: hex(&host.key.public().0),
        sequence: snapshot.content.sequence,
        report: serde_json::from_value(report).unwrap(),
        share: 1.0,
        next: "0".repeat(16),
        whole_restore_secs: 1.0,
        sabotaged: Vec::new(),
        screenshots: Vec::new(),
        software: "a test".into(),
    }
}

fn send(party: &Party, host: &Party, stored: &[u8]) -> (u16, String) {
    send_as(party, host, &ObjectId::of(stored), stored)
}

fn send_as(party: &Party, host: &Party, id: &ObjectId, stored: &[u8]) -> (u16, String) {
    let reply = party.ask("PUT", &format!("/v1/hosts/{}/proofs/{id}", host.id()), Some(stored));
    (reply.status, if reply.status < 300 { String::new() } else { reply.word() })
}

fn marks(stand: &Stand, host: &Party, snapshot: &Snapshot) -> Vec<Mark> {
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), &stand.vault).unwrap();
    let state = vault.state().unwrap().of_host(&host.id());
    state.snapshot(&snapshot.manifest.id).unwrap().marks.iter().map(|marked| marked.mark).collect()
}

#[test]
fn proofs_that_lie_and_proofs_by_others_change_nothing() {
    let stand = Stand::new("");
    let (host, victim) = (stand.host(1, "acme"), stand.host(2, "other"));
    let (own, theirs) = (snapshot(1, 1), snapshot(2, 1));
    assert_eq!(host.commit(&own).status, 200);
    assert_eq!(victim.commit(&theirs).status, 200);
    let drill = stand.with(5, &format!("prove=host={}", host.id()));
    let others = [
        stand.with(6, "restore=all"),
        stand.with(7, "console"),
        stand.with(8, "replicate"),
        stand.with(9, "prove=tenant=other"),
    ];
    let good = record(&stand, &host, &own);
    let siege = Siege::begin(&stand);
    let absent = (404, "absent".to_owned());
    // A host's own key above all: it would say of its own garbage that it was restored.
    for party in [&host, &victim].into_iter().chain(&others) {
        assert_eq!(send(party, &host, &good.seal(&party.key)), absent);
    }
    assert_ne!(send(&stand.stranger(77), &host, &good.seal(&stand.stranger(77).key)).0, 201);
    // Of a host that it is not for.
    assert_eq!(send(&drill, &victim, &record(&stand, &victim, &theirs).seal(&drill.key)), absent);
    let refused = (409, "refused".to_owned());
    let lie = |change: &dyn Fn(&mut ProofRecord)| {
        let mut record = good.clone();
        change(&mut record);
        send(&drill, &host, &record.seal(&drill.key))
    };
    assert_eq!(lie(&|r| r.report.verdict = Verdict::Failed), refused);
    assert_eq!(lie(&|r| r.report.verdict = Verdict::Blocked), refused);
    assert_eq!(lie(&|r| r.share = 0.99), refused);
    assert_eq!(lie(&|r| r.report.compared = 0), refused);
    assert_eq!(lie(&|r| r.report.problems = vec!["but".into()]), refused);
    assert_eq!(lie(&|r| r.report.vault = None), refused);
    assert_eq!(lie(&|r| r.report.vault = Some(format!("SHA256:{}", "ab".repeat(32)))), refused);
    assert_eq!(lie(&|r| r.sequence = 2), refused);
    assert_eq!(lie(&|r| r.host_key = hex(&victim.key.public().0)), refused);
    assert_eq!(lie(&|r| r.host_key = "../..".into()), refused);
    assert_eq!(lie(&|r| r.report.snapshot = "x".into()), refused);
    assert_eq!(lie(&|r| r.version = 2), refused);
    assert_eq!(lie(&|r| r.report.snapshot = "ab".repeat(32)), absent);
    assert_eq!(lie(&|r| r.report.snapshot = theirs.manifest.id.to_string()), absent);
    // Another key's, changed, cut, garbage, under another name, too long.
    assert_eq!(send(&drill, &host, &good.seal(&SigningKey::from_seed(&[42; 32]))), refused);
    let stored = good.seal(&drill.key);
    let mut changed = stored.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert_eq!(send(&drill, &host, &changed), refused);
    assert_eq!(send(&drill, &host, &stored[..100]), refused);
    assert_eq!(send(&drill, &host, b"\0"), refused);
    assert_eq!(send_as(&drill, &host, &ObjectId([7; 32]), &stored), refused);
    assert_eq!(send(&drill, &host, &vec![b' '; (64 << 10) + 1]), (413, "length".into()));
    for method in ["GET", "DELETE", "POST", "HEAD"] {
        let path = format!("/v1/hosts/{}/proofs/{}", host.id(), ObjectId::of(&stored));
        assert_eq!(drill.ask(method, &path, None).status, 404, "{method}");
    }
    // And it can do nothing else with its key.
    for object in own.objects.iter().chain([&own.manifest]) {
        let path = host.path(object.kind, &object.id);
        assert_eq!(drill.ask("GET", &path, None).status, 404);
        assert_eq!(drill.ask("PUT", &path, Some(&object.bytes)).status, 404);
    }
    siege.end(|_| false);
    assert_eq!(marks(&stand, &host, &own), []);
}

#[test]
fn a_proof_is_entered_once_and_a_flood_of_them_is_one() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let (own, next) = (snapshot(1, 1), snapshot(1, 2));
    assert_eq!(host.commit(&own).status, 200);
    let drill = stand.with(5, "prove=all");
    let good = record(&stand, &host, &own);
    let stored = good.seal(&drill.key);
    let siege = Siege::begin(&stand);
    assert_eq!(send(&drill, &host, &stored).0, 201);
    let again =
        drill.ask("PUT", &format!("/v1/hosts/{}/proofs/{}", host.id(), ObjectId::of(&stored)), Some(&stored));
    assert_eq!(again.status, 200);
    for secs in 0..30 {
        let mut other = good.clone();
        other.report.started_secs = secs;
        assert_eq!(send(&drill, &host, &other.seal(&drill.key)).0, 200);
    }
    // One entry and what it is about.
    let details = std::cell::Cell::new(0);
    siege.end(|name| {
        details.set(details.get() + u32::from(name.starts_with("details/")));
        name.starts_with("ledger/") || name.starts_with("details/")
    });
    assert!(details.get() <= 1, "{} details", details.get());
    assert_eq!(marks(&stand, &host, &own), [Mark::Attested]);
    assert_eq!(host.commit(&next).status, 200);
    // The client gets the entry that has it.
    let address = format!("https://{}", stand.address).parse().unwrap();
    let remote = RemoteVault::new(&address, stand.pin, &drill.key, Options::default()).unwrap();
    let entry = remote.prove(&host.id(), &record(&stand, &host, &next).seal(&drill.key)).unwrap();
    assert_eq!(entry.receipt.event, vow_base::receipt::Event::Marked);
    assert_eq!(marks(&stand, &host, &next), [Mark::Attested]);
    let known = remote.prove(&host.id(), &stored).unwrap();
    assert!(known.receipt.position < entry.receipt.position);
}
