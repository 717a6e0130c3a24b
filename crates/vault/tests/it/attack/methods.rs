//! Deleting and replacing, by every method and name for it.

use super::siege::Siege;
use crate::stand::{Stand, snapshot};
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object};

const METHODS: [&str; 24] = [
    "DELETE",
    "PATCH",
    "MOVE",
    "COPY",
    "LINK",
    "UNLINK",
    "PURGE",
    "LOCK",
    "UNLOCK",
    "MKCOL",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
    "SEARCH",
    "TRACE",
    "OPTIONS",
    "CONNECT",
    "POST",
    "delete",
    "Delete",
    "X-DELETE",
    "BREW",
    "HEAD",
    "VERSION-CONTROL",
];

#[test]
fn nothing_is_deleted_by_any_method() {
    let stand = Stand::new("");
    let (host, victim) = (stand.host(1, "acme"), stand.host(2, "other"));
    let (own, foreign) = (snapshot(1, 1), snapshot(2, 1));
    assert_eq!(host.commit(&own).status, 200);
    assert_eq!(victim.commit(&foreign).status, 200);
    let siege = Siege::begin(&stand);
    let mut targets: Vec<String> =
        ["/", "*", "/v1", "/v1/vault", "/v1/hosts", "/v1/head", "/v1/ledger", "/metrics", "/healthz"]
            .map(str::to_owned)
            .to_vec();
    for (party, snapshot) in [(&host, &own), (&victim, &foreign)] {
        targets.push(format!("/v1/hosts/{}", party.id()));
        for object in snapshot.objects.iter().chain([&snapshot.manifest]) {
            targets.push(party.path(object.kind, &object.id));
            targets.push(format!("/v1/hosts/{}/{}", party.id(), object.kind.folder()));
        }
        targets.push(format!("/v1/hosts/{}/receipts", party.id()));
    }
    for target in &targets {
        for method in METHODS {
            for extra in ["", "x-http-method-override: DELETE\r\n", "x-method-override: DELETE\r\n"] {
                let mut wire = host.connect().unwrap();
                let head =
                    format!("{method} {target} HTTP/1.1\r\nhost: v\r\n{extra}content-length: 0\r\n\r\n");
                wire.send(head.as_bytes()).unwrap();
                let status = wire.answer(method == "HEAD").map_or(0, |reply| reply.status);
                // A host may read the head of what it may read: its own index segments. Nothing else exists for these methods.
                let may =
                    method == "HEAD" && target.contains("/index/") && target.contains(&host.id().to_string());
                assert!(may && status == 200 || [400, 404].contains(&status), "{method} {target}: {status}");
            }
        }
    }
    siege.end(|_| false);
}

#[test]
fn nothing_is_overwritten() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let own = snapshot(1, 1);
    assert_eq!(host.commit(&own).status, 200);
    let siege = Siege::begin(&stand);
    let mut dice = Dice::new(5);
    for object in &own.objects {
        let path = host.path(object.kind, &object.id);
        for length in [object.bytes.len(), 1, 5000, 300_000] {
            let reply = host.ask("PUT", &path, Some(&dice.bytes(length)));
            assert!(matches!(reply.word().as_str(), "hash" | "storage"), "{} {}", reply.status, reply.text());
        }
        assert_eq!(host.ask("PUT", &path, Some(&object.bytes)).status, 200);
    }
    // Another manifest under the same name, another snapshot with the same number.
    let manifest = host.path(Kind::Manifest, &own.manifest.id);
    let mut changed = own.content.clone();
    changed.counts.files = 7;
    let changed = FakeHost::new(1).seal(&changed);
    assert_eq!(host.ask("PUT", &manifest, Some(&changed.bytes)).word(), "hash");
    let fork = host.ask("PUT", &host.path(Kind::Manifest, &changed.id), Some(&changed.bytes));
    assert_eq!((fork.status, fork.word().as_str()), (409, "refused"), "{}", fork.text());
    // A manifest put like a pack, a pack put like a manifest.
    let swapped =
        host.ask("PUT", &host.path(Kind::Manifest, &own.objects[0].id), Some(&own.objects[0].bytes));
    assert_eq!(swapped.word(), "refused");
    siege.end(|name| {
        // A manifest is bytes like others: as a pack it is garbage of its own.
        name.starts_with(&format!("hosts/{}/packs", host.id()))
    });
}

#[test]
fn of_two_who_store_under_one_name_only_the_true_bytes_stay() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    for round in 0..10 {
        let pack = Object::random(Kind::Pack, 600_000, &mut Dice::new(round));
        let mut forged = pack.bytes.clone();
        forged[599_999] ^= 1;
        let statuses: Vec<_> = std::thread::scope(|scope| {
            let put = |bytes: &[u8]| host.ask("PUT", &host.path(Kind::Pack, &pack.id), Some(bytes)).status;
            let racers: Vec<_> = [&pack.bytes, &forged, &pack.bytes, &forged]
                .map(|bytes| scope.spawn(move || put(bytes)))
                .into();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(matches!(statuses[0], 200 | 201) && matches!(statuses[2], 200 | 201), "{statuses:?}");
        assert_eq!((statuses[1], statuses[3]), (422, 422));
        let name = format!("hosts/{}/packs/{}/{}", host.id(), &pack.id.to_string()[..2], pack.id);
        assert_eq!(std::fs::read(stand.vault.join(name)).unwrap(), pack.bytes);
    }
    siege.end(|name| name.starts_with(&format!("hosts/{}/packs/", host.id())));
}
