//! The real client against the real server: a backup's and a restore's way over the network, and a replica's.

use crate::stand::{Party, Stand, snapshot};
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::vault::{Deposit, Kind, Retrieve, VaultError, Watch};
use vow_protocol::client::{JoinAs, Options, RemoteVault};
use vow_vault::Vault;
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
