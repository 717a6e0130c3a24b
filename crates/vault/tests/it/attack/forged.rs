//! Manifests that lie, and floods of them.

use super::siege::Siege;
use crate::stand::{Stand, snapshot};
use std::time::{Duration, Instant};
use vow_base::manifest::Manifest;
use vow_base::vault::Kind;
use vow_base::{ObjectId, pack_list::PackList};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object};

#[test]
fn manifests_that_lie_are_refused() {
    let stand = Stand::new("");
    let (host, victim) = (stand.host(1, "acme"), stand.host(2, "other"));
    let (own, theirs) = (snapshot(1, 1), snapshot(2, 1));
    assert_eq!(host.commit(&own).status, 200);
    assert_eq!(victim.commit(&theirs).status, 200);
    let siege = Siege::begin(&stand);
    let commit = |manifest: &Object| {
        let reply = host.ask("PUT", &host.path(Kind::Manifest, &manifest.id), Some(&manifest.bytes));
        (reply.status, reply.word())
    };
    let forge = |change: &dyn Fn(&mut Manifest)| {
        let mut content = own.content.clone();
        content.sequence = 2;
        change(&mut content);
        FakeHost::new(1).seal(&content)
    };
    let refused = (409, "refused".to_owned());
    let missing = (409, "missing".to_owned());
    // Signed by another key; of another host; changed after signing; cut; garbage.
    assert_eq!(commit(&theirs.manifest), refused);
    assert_eq!(commit(&FakeHost::new(9).seal(&own.content)), refused);
    let mut bytes = own.manifest.bytes.clone();
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(commit(&Object::new(Kind::Manifest, bytes.clone())), refused);
    bytes.truncate(100);
    assert_eq!(commit(&Object::new(Kind::Manifest, bytes)), refused);
    assert_eq!(commit(&Object::random(Kind::Manifest, 1 << 20, &mut Dice::new(1))), refused);
    assert_eq!(
        commit(&Object::random(Kind::Manifest, (1 << 20) + 1, &mut Dice::new(1))),
        (413, "length".into())
    );
    // Packs of somebody else, which are there; packs that are nowhere; list segments likewise.
    let foreign: Vec<_> = theirs.of_kind(Kind::Pack).iter().map(|pack| pack.id).collect();
    let (list, _) = PackList::build(&foreign);
    assert_eq!(commit(&forge(&|m| (m.packs, m.root.pack) = (list.clone(), foreign[0]))), missing);
    assert_eq!(commit(&forge(&|m| m.packs = theirs.content.packs.clone())), missing);
    let (list, _) = PackList::build(&[ObjectId([7; 32])]);
    assert_eq!(commit(&forge(&|m| (m.packs, m.root.pack) = (list.clone(), ObjectId([7; 32])))), missing);
    assert_eq!(commit(&forge(&|m| m.index = theirs.content.index.clone())), missing);
    // A root elsewhere, lengths and counts that cannot be, number 0, a number that is taken.
    assert_ne!(commit(&forge(&|m| m.root.pack = ObjectId([7; 32]))).0, 200);
    assert_eq!(commit(&forge(&|m| m.packs.count += 1)), refused);
    assert_eq!(commit(&forge(&|m| m.packs.depth = 200)), refused);
    assert_eq!(commit(&forge(&|m| m.packs.count = u64::MAX)), refused);
    assert_eq!(commit(&forge(&|m| m.packs.ids = vec![1; 33].into())), refused);
    assert_eq!(commit(&forge(&|m| m.index = vec![1; 31].into())), refused);
    assert_eq!(commit(&forge(&|m| m.sequence = 0)), refused);
    assert_eq!(commit(&forge(&|m| (m.sequence, m.counts.files) = (1, 9))), refused);
    assert_eq!(commit(&forge(&|m| m.version = 9)), refused);
    // Strings of any length and content are labels, no paths.
    let odd = forge(&|m| {
        m.source = "../../../etc".into();
        m.host = "\0/\n".repeat(1000);
        m.tenant = "other".into();
    });
    assert_eq!(commit(&odd).0, 200);
    siege.end(|name| name.starts_with("ledger/") || name.ends_with(&odd.id.to_string()));
}

#[test]
fn ten_thousand_forged_snapshots_are_few() {
    let stand = Stand::new("[limits]\nrequests_per_second = 100000\n");
    let (host, victim) = (stand.host(1, "acme"), stand.host(2, "acme"));
    let own = snapshot(1, 1);
    assert_eq!(host.commit(&own).status, 200);
    assert_eq!(victim.commit(&snapshot(2, 1)).status, 200);
    let siege = Siege::begin(&stand);
    let began = Instant::now();
    let (mut accepted, mut limited) = (1, 0);
    let mut wire = host.connect().unwrap();
    for number in 2..10_002_u64 {
        let mut content = own.content.clone();
        content.sequence = number;
        // Back-dated, future-dated, at the ends of time.
        (content.started, content.finished) = match number % 4 {
            0 => (0, 1),
            1 => (i64::MAX - 1, i64::MAX),
            2 => (i64::MIN, i64::MIN + 1),
            _ => (4_000_000_000_000_000_000, 4_000_000_000_000_000_001),
        };
        let forged = FakeHost::new(1).seal(&content);
        let reply = wire.ask("PUT", &host.path(Kind::Manifest, &forged.id), Some(&forged.bytes)).unwrap();
        match reply.status {
            200 => accepted += 1,
            429 => limited += 1,
            other => panic!("{other} {}", reply.text()),
        }
        if reply.status == 429 {
            let pause: u64 = reply.header("retry-after").unwrap().parse().unwrap();
            assert!(pause > 3000, "{pause}");
        }
    }
    println!("{accepted} accepted, {limited} not, in {:?}", began.elapsed());
    assert_eq!((accepted, limited), (120, 10_001 - 120));
    // What was there counts as before, and the other host commits.
    assert_eq!(victim.commit(&snapshot(2, 2)).status, 200);
    let again = host.ask("PUT", &host.path(Kind::Manifest, &own.manifest.id), Some(&own.manifest.bytes));
    assert_eq!(again.status, 200, "a receipt that was given is given again");
    let victims = victim.id().to_string();
    siege.end(|name| name.starts_with("ledger/") || name.contains("/manifests/") || name.contains(&victims));
}

#[test]
fn a_flood_that_is_let_in_displaces_nothing() {
    let stand = Stand::new("[limits]\nsnapshots_per_hour = 1000000\nrequests_per_second = 100000\n");
    let host = stand.host(1, "acme");
    let own = snapshot(1, 1);
    assert_eq!(host.commit(&own).status, 200);
    let siege = Siege::begin(&stand);
    let count = if vow_testkit::shell::is_soak() { 10_000 } else { 300 };
    let mut wire = host.connect().unwrap();
    for number in 2..count + 2 {
        let mut content = own.content.clone();
        (content.sequence, content.started) = (number, i64::MAX);
        let forged = FakeHost::new(1).seal(&content);
        let reply = wire.ask("PUT", &host.path(Kind::Manifest, &forged.id), Some(&forged.bytes)).unwrap();
        assert_eq!(reply.status, 200);
    }
    let reader = stand.with(9, "restore=all");
    let snapshots = reader.ask("GET", &format!("/v1/hosts/{}/snapshots", host.id()), None);
    assert_eq!(snapshots.json()["receipts"].as_array().unwrap().len() as u64, (count + 1).min(1000));
    for object in &own.objects {
        assert_eq!(reader.ask("GET", &host.path(object.kind, &object.id), None).body, object.bytes);
    }
    siege.end(|name| {
        name.starts_with("ledger/")
            || name.contains("/manifests/")
            || name.starts_with("grants/")
            || name.starts_with("tokens/")
    });
}

#[test]
fn a_manifest_that_names_too_much_costs_nothing() {
    let stand = Stand::new("[limits]\npacks_per_snapshot = 1000\n");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let mut content = snapshot(1, 1).content;
    // A list that says it is huge: refused before a segment is looked at.
    content.packs.count = 1 << 25;
    let forged = FakeHost::new(1).seal(&content);
    let began = Instant::now();
    let reply = host.ask("PUT", &host.path(Kind::Manifest, &forged.id), Some(&forged.bytes));
    assert_eq!(reply.word(), "refused");
    assert!(began.elapsed() < Duration::from_secs(15));
    siege.end(|_| false);
}
