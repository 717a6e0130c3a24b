//! Joining with tokens, grants and their end, on a disk in memory: who gets what, once, and nobody anything more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use vow_base::clock::{Clock, Nanos};
use vow_base::disk::Disk;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::{Retrieve, VaultError};
use vow_protocol::JoinSecret;
use vow_testkit::mem_disk::{Fate, MemDisk};
use vow_vault::Vault;
use vow_vault::access::{Access, JoinAsked, JoinDone, NewToken, Right, Scope, TOKEN_TERM};

struct Stand {
    vault: Vault,
    disk: MemDisk,
    clock: Arc<HandClock>,
}

/// A clock that is moved by hand.
#[derive(Default)]
struct HandClock(AtomicI64);

impl HandClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(Nanos::try_from(by.as_nanos()).expect("a time"), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Nanos {
        self.0.load(Ordering::SeqCst)
    }
}

fn stand() -> Stand {
    let (disk, clock) = (MemDisk::default(), Arc::new(HandClock::default()));
    let vault = Vault::create(Arc::new(disk.clone()), clock.clone(), Path::new("/v")).expect("a vault");
    Stand { vault, disk, clock }
}

fn key(seed: u8) -> PublicKey {
    SigningKey::from_seed(&[seed; 32]).public()
}

fn for_host(tenant: Option<&str>, name: Option<&str>) -> NewToken {
    let own = |text: Option<&str>| text.map(str::to_owned);
    NewToken { right: Right::Write, tenant: own(tenant), name: own(name), term: TOKEN_TERM }
}

fn granting(right: Right) -> NewToken {
    NewToken { right, tenant: None, name: None, term: TOKEN_TERM }
}

fn named(name: &str, readers: &[PublicKey]) -> JoinAsked {
    JoinAsked {
        tenant: Some("acme".into()),
        name: name.into(),
        readers: readers.to_vec(),
        introduction: None,
    }
}

fn anonymous(name: &str) -> JoinAsked {
    JoinAsked { tenant: None, name: name.into(), readers: Vec::new(), introduction: None }
}

type Joined = Result<Option<JoinDone>, VaultError>;

#[track_caller]
fn no_token(result: Joined) {
    assert_eq!(result.expect("no refusal"), None);
}

#[track_caller]
fn joined(result: Joined) -> JoinDone {
    result.expect("no refusal").expect("a good token")
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, VaultError>) -> String {
    match result {
        Err(VaultError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_token_lets_one_key_in_however_often_it_asks() {
    let Stand { vault, .. } = stand();
    let secret = vault.join_token(&for_host(Some("acme"), Some("web-1"))).expect("a token");
    let done = joined(vault.use_token(&secret, &key(1), &named("web-1", &[key(9)])));
    assert_eq!(done, JoinDone { right: Right::Write, tenant: "acme".into(), name: "web-1".into() });
    // Later requests, whatever they say, get the first answer, and readers come once.
    for asked in [named("web-1", &[key(9)]), named("web-2", &[key(8)]), anonymous("web-1")] {
        assert_eq!(joined(vault.use_token(&secret, &key(1), &asked)), done);
    }
    no_token(vault.use_token(&secret, &key(2), &named("web-1", &[])));
    let unknown = JoinSecret::from_bytes(&[7; 16]);
    no_token(vault.use_token(&unknown, &key(2), &named("web-1", &[])));
    let host = key(1).host_id();
    assert_eq!(vault.access_of(&key(1)).expect("known"), Access::Host(host));
    let reads = vec![Right::Restore(Scope::Host(host))];
    assert_eq!(vault.access_of(&key(9)).expect("known"), Access::Granted(reads));
    for stranger in [key(2), key(8)] {
        assert_eq!(vault.access_of(&stranger).expect("looked up"), Access::Stranger);
    }
    let hosts = vault.hosts_admitted().expect("hosts");
    assert_eq!(hosts.len(), 1);
    assert_eq!((hosts[0].key, &*hosts[0].tenant, &*hosts[0].name), (key(1), "acme", "web-1"));
}

#[test]
fn a_token_ends_but_not_for_the_key_that_used_it() {
    let Stand { vault, clock, .. } = stand();
    let used = vault.join_token(&for_host(None, None)).expect("a token");
    let unused = vault.join_token(&for_host(None, None)).expect("a token");
    joined(vault.use_token(&used, &key(1), &anonymous("a")));
    clock.advance(TOKEN_TERM + Duration::from_secs(1));
    no_token(vault.use_token(&unused, &key(2), &anonymous("b")));
    joined(vault.use_token(&used, &key(1), &anonymous("a")));
}

#[test]
fn a_token_for_a_name_is_for_that_name_and_is_not_used_up_by_another() {
    let Stand { vault, .. } = stand();
    let secret = vault.join_token(&for_host(Some("acme"), Some("web-1"))).expect("a token");
    refusal(vault.use_token(&secret, &key(1), &named("web-2", &[])));
    let elsewhere = JoinAsked { tenant: Some("other".into()), ..anonymous("web-1") };
    refusal(vault.use_token(&secret, &key(1), &elsewhere));
    refusal(vault.use_token(&secret, &key(1), &named("../web-1", &[])));
    let done = joined(vault.use_token(&secret, &key(3), &anonymous("web-1")));
    assert_eq!(done.tenant, "acme");
}

#[test]
fn no_key_is_both_a_host_and_a_reader() {
    let Stand { vault, .. } = stand();
    let join = |seed, readers: &[PublicKey]| {
        let secret = vault.join_token(&for_host(Some("acme"), None)).expect("a token");
        vault.use_token(&secret, &key(seed), &named("web", readers))
    };
    refusal(join(1, &[key(1)]));
    joined(join(1, &[]));
    refusal(join(2, &[key(1)]));
    for right in [Right::Restore(Scope::All), Right::Replicate, Right::Console] {
        let secret = vault.join_token(&granting(right)).expect("a token");
        refusal(vault.use_token(&secret, &key(1), &anonymous("web")));
        joined(vault.use_token(&secret, &key(5), &anonymous("reader")));
    }
    refusal(join(5, &[]));
    assert_eq!(vault.access_of(&key(1)).expect("known"), Access::Host(key(1).host_id()));
}

#[test]
fn a_host_that_has_joined_adds_no_readers_and_changes_no_name() {
    let Stand { vault, .. } = stand();
    let again = |asked: &JoinAsked| {
        let secret = vault.join_token(&for_host(None, None)).expect("a token");
        vault.use_token(&secret, &key(1), asked)
    };
    joined(again(&named("web-1", &[key(9)])));
    joined(again(&named("web-1", &[])));
    joined(again(&named("web-1", &[key(9)])));
    assert!(refusal(again(&named("web-1", &[key(8)]))).contains("reader"));
    assert!(refusal(again(&named("web-2", &[]))).contains("another name"));
    assert_eq!(vault.access_of(&key(8)).expect("looked up"), Access::Stranger);
}

#[test]
fn what_is_taken_away_stays_away() {
    let Stand { vault, .. } = stand();
    let give = |right: &Right, seed| {
        let secret = vault.join_token(&granting(right.clone())).expect("a token");
        vault.use_token(&secret, &key(seed), &anonymous("who"))
    };
    let (all, console) = (Right::Restore(Scope::All), Right::Console);
    joined(give(&all, 5));
    joined(give(&console, 5));
    assert_eq!(vault.access_of(&key(5)).expect("known"), Access::Granted(vec![console.clone(), all.clone()]));
    let id = key(5).host_id();
    assert_eq!(
        vault.revoke(&id, Some(&all), "left the company\nrm -rf").expect("revoked"),
        std::slice::from_ref(&all)
    );
    assert_eq!(vault.access_of(&key(5)).expect("known"), Access::Granted(vec![console.clone()]));
    refusal(vault.revoke(&id, Some(&all), "twice"));
    assert!(refusal(give(&all, 5)).contains("taken away"));
    assert_eq!(vault.revoke(&id, None, "the rest").expect("revoked"), [console]);
    assert_eq!(vault.access_of(&key(5)).expect("known"), Access::Stranger);
    let grants = vault.grants().expect("grants");
    assert_eq!(grants.len(), 2);
    assert!(grants.iter().all(|grant| grant.revoked.is_some() && grant.name == "who"));
}

#[test]
fn a_host_that_is_shut_out_is_a_stranger_and_its_snapshots_stay() {
    let Stand { vault, .. } = stand();
    let secret = vault.join_token(&for_host(None, None)).expect("a token");
    joined(vault.use_token(&secret, &key(1), &named("web-1", &[key(9)])));
    let host = key(1).host_id();
    assert_eq!(vault.revoke(&host, None, "taken over").expect("revoked"), [Right::Write]);
    assert_eq!(vault.access_of(&key(1)).expect("looked up"), Access::Stranger);
    refusal(vault.use_token(&secret, &key(1), &named("web-1", &[])));
    assert_eq!(vault.hosts().expect("hosts"), [key(1)]);
    assert!(vault.hosts_admitted().expect("hosts")[0].revoked);
    let reads = Access::Granted(vec![Right::Restore(Scope::Host(host))]);
    assert_eq!(vault.access_of(&key(9)).expect("known"), reads);
}

#[test]
fn a_join_that_is_cut_short_anywhere_is_completed_by_the_same_key_only() {
    let mut at = 0;
    loop {
        let Stand { vault, disk, clock } = stand();
        let secret = vault.join_token(&for_host(Some("acme"), None)).expect("a token");
        disk.stop_at(at);
        let first = vault.use_token(&secret, &key(1), &named("web-1", &[key(9)]));
        disk.heal();
        // The power goes as well: what was not durable is gone, all of it or half of the names.
        let mut odd = false;
        let disk = disk.crash(|_| {
            odd = !odd;
            if odd { Fate::Lost } else { Fate::Kept }
        });
        let vault = Vault::open(Arc::new(disk), clock, Path::new("/v")).expect("the same vault");
        let done = joined(vault.use_token(&secret, &key(1), &named("web-1", &[key(9)])));
        assert_eq!(done.tenant, "acme");
        no_token(vault.use_token(&secret, &key(2), &named("web-1", &[])));
        let host = key(1).host_id();
        assert_eq!(vault.access_of(&key(1)).expect("known"), Access::Host(host));
        let reads = Access::Granted(vec![Right::Restore(Scope::Host(host))]);
        assert_eq!(vault.access_of(&key(9)).expect("known"), reads);
        if let Ok(first) = first {
            assert_eq!(first, Some(done));
            assert!(at > 300, "only {at} operations were tried");
            break;
        }
        at += 1;
    }
}

#[test]
fn the_secret_of_a_token_is_nowhere_in_the_vault() {
    let Stand { vault, disk, .. } = stand();
    let secret = vault.join_token(&for_host(None, None)).expect("a token");
    joined(vault.use_token(&secret, &key(1), &anonymous("a")));
    let files = files(&disk, Path::new("/v"));
    assert!(files.len() > 5);
    for (path, bytes) in files {
        let text = format!("{}{}", path.display(), String::from_utf8_lossy(&bytes));
        assert!(!text.contains(secret.text()), "{}", path.display());
    }
}

fn files(disk: &MemDisk, folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for name in disk.list(folder).expect("a folder") {
        let path = folder.join(name);
        match disk.is_dir(&path).expect("a look") {
            true => found.extend(files(disk, &path)),
            false => found.push((path.clone(), disk.read(&path, 1 << 20).expect("a file"))),
        }
    }
    found
}
