//! The real client against the real server: a backup's and a restore's way over the network, and a replica's.

use crate::stand::{Party, Stand, snapshot};
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError, Watch};
use vow_protocol::client::{JoinAs, Options, RemoteVault};
use vow_vault::Vault;
use vow_vault::access::{JoinAsked, NewToken, Right, TOKEN_TERM};
use vow_vault::server::admin::NewJoinToken;

fn remote(party: &Party) -> RemoteVault {
    let address = format!("https://{}", party.address).parse().unwrap();
    RemoteVault::new(&address, party.pin, &party.key, Options::default()).unwrap()
}

#[test]
fn a_host_joins_stores_and_commits_and_a_reader_gets_it_all() {
    let stand = Stand::new("");
    let (host, reader) = (stand.stranger(1), stand.stranger(9));
    let token =
        NewJoinToken { right: "write".into(), tenant: Some("acme".into()), ..NewJoinToken::default() };
    let secret = stand.admin().join_token(&token).unwrap().secret;
    let vault = remote(&host);
    let own = snapshot(1, 1);
    let pack = own.of_kind(Kind::Pack)[0];
    assert!(matches!(vault.put(Kind::Pack, &pack.id, &pack.bytes), Err(VaultError::NotJoined { .. })));
    let readers = [reader.key.public()];
    let joined = vault
        .join(&secret, JoinAs { tenant: None, name: "web-1", readers: &readers, introduction: None })
        .unwrap();
    assert_eq!((joined.tenant.as_str(), joined.name.as_str()), ("acme", "web-1"));
    let thief = remote(&stand.stranger(7));
    let refused = thief
        .join(&secret, JoinAs { tenant: None, name: "web-1", readers: &[], introduction: None })
        .unwrap_err();
    assert!(refused.to_string().contains("token"), "{refused}");
    let ids: Vec<_> = own.of_kind(Kind::Pack).iter().map(|pack| pack.id).collect();
    assert_eq!(vault.missing(Kind::Pack, &ids).unwrap(), ids);
    let Err(VaultError::Missing(missing)) = own.commit(&vault) else { panic!("nothing is there yet") };
    assert!(!missing.is_empty());
    own.put(&vault).unwrap();
    let receipt = own.commit(&vault).unwrap();
    assert_eq!(own.commit(&vault).unwrap(), receipt);
    assert_eq!(vault.receipts().unwrap(), std::slice::from_ref(&receipt));
    let segments = vault.index_segments().unwrap();
    assert_eq!(segments.len(), 1);
    assert_eq!(vault.index_segment(&segments[0]).unwrap(), own.of_kind(Kind::Index)[0].bytes);
    // What the vault refuses comes back as what it is.
    let mut wrong = pack.bytes.clone();
    wrong[0] ^= 1;
    assert!(vault.get(&host.id(), Kind::Pack, &pack.id).is_err());
    let reading = remote(&reader);
    assert_eq!(reading.hosts().unwrap(), [host.key.public()]);
    assert_eq!(reading.committed(&host.id()).unwrap(), [receipt]);
    for object in own.objects.iter().chain([&own.manifest]) {
        assert_eq!(reading.get(&host.id(), object.kind, &object.id).unwrap(), object.bytes);
    }
    assert_eq!(reading.pack_range(&host.id(), &pack.id, 100, 50).unwrap(), pack.bytes[100..150]);
    let listed = reading.objects(&host.id(), Kind::Pack).unwrap();
    assert_eq!(listed.len(), 3);
}

#[test]
fn another_vault_follows_copies_and_is_told() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    assert_eq!(host.commit(&snapshot(1, 1)).status, 200);
    assert_eq!(host.commit(&snapshot(1, 2)).status, 200);
    let copy = remote(&stand.with(8, "replicate"));
    let head = copy.head().unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let second =
        Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &folder.path().join("second")).unwrap();
    assert_eq!(copy.committed(&host.id()).unwrap().len(), 2);
    copy.witness(&second.head().unwrap().unwrap_or_else(|| head.stored.to_vec())).unwrap();
}

/// Nobody tells this server: it finds in the ledger that there is something of a host that it did not know.
#[test]
fn what_another_process_lets_in_or_copies_here_is_read_at_once() {
    let stand = Stand::new("");
    let (by_tenant, console) = (stand.with(8, "restore=tenant=acme"), stand.with(9, "console"));
    assert!(remote(&by_tenant).hosts().unwrap().is_empty());
    let other = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), &stand.vault).unwrap();
    let host = stand.stranger(1);
    let new = NewToken { right: Right::Write, tenant: Some("acme".into()), name: None, term: TOKEN_TERM };
    let asked = JoinAsked { tenant: None, name: "web-1".into(), readers: Vec::new(), introduction: None };
    let secret = other.join_token(&new).unwrap();
    assert!(other.use_token(&secret, &host.key.public(), &asked).unwrap().is_some());
    let deposit = other.deposit(&host.key.public()).unwrap();
    let own = snapshot(1, 1);
    own.put(&deposit).unwrap();
    let receipt = own.commit(&deposit).unwrap();
    // First by its path, which nobody has listed for this reader.
    let path = format!("/v1/hosts/{}/snapshots", host.id());
    assert_eq!(by_tenant.ask("GET", &path, None).status, 200);
    assert_eq!(remote(&by_tenant).committed(&host.id()).unwrap(), [receipt]);
    assert_eq!(remote(&by_tenant).hosts().unwrap(), [host.key.public()]);
    let status = console.ask("GET", "/v1/status", None).json();
    assert_eq!((&status["hosts"][0]["name"], &status["counts"]["snapshots"]), (&"web-1".into(), &1.into()));
    // One that has sent nothing yet is known when it asks.
    let late = stand.stranger(2);
    let secret = other.join_token(&new).unwrap();
    assert!(other.use_token(&secret, &late.key.public(), &asked).unwrap().is_some());
    assert_eq!(late.commit(&snapshot(2, 1)).status, 200);
}
