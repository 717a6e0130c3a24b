//! What a replica takes over of who may read: the host's own word, the first one, and nothing that another vault makes up.

use std::ops::ControlFlow;
use std::sync::Arc;
use vow_base::introduction::Introduction;
use vow_base::publish::Published;
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::{Introduced, VaultError, Watch};
use vow_testkit::mem_disk::Fate;
use vow_testkit::{FixedClock, MemDisk};
use vow_vault::access::{Access, JoinAsked, NewToken, Right, Scope, TOKEN_TERM};
use vow_vault::replicate::{ReplicateOptions, Replication};
use vow_vault::{Story, Vault};

fn vault() -> (MemDisk, Vault) {
    let disk = MemDisk::new();
    let vault = Vault::create(Arc::new(disk.clone()), Arc::new(FixedClock(1)), "/v".as_ref()).unwrap();
    (disk, vault)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn word(host: &SigningKey, tenant: &str, readers: &[PublicKey]) -> Introduction {
    Introduction { host: host.public(), tenant: tenant.into(), name: "web-1".into(), readers: readers.into() }
}

fn join(
    vault: &Vault,
    host: &SigningKey,
    readers: &[PublicKey],
    introduction: Option<Vec<u8>>,
) -> Result<(), VaultError> {
    let new = NewToken { right: Right::Write, tenant: None, name: None, term: TOKEN_TERM };
    let secret = vault.join_token(&new)?;
    let asked = JoinAsked {
        tenant: Some("acme".into()),
        name: "web-1".into(),
        readers: readers.into(),
        introduction,
    };
    vault.use_token(&secret, &host.public(), &asked).map(|done| assert!(done.is_some()))
}

fn pull(far: &Vault, near: &Vault) -> Replication {
    far.replicate(near, &ReplicateOptions::default(), &|_| ControlFlow::Continue(())).unwrap()
}

fn reads(vault: &Vault, reader: &PublicKey, host: &SigningKey) -> bool {
    let right = Right::Restore(Scope::Host(host.public().host_id()));
    matches!(vault.access_of(reader).unwrap(), Access::Granted(rights) if rights.contains(&right))
}

#[test]
fn a_replica_lets_in_whom_the_host_named_when_it_joined_and_knows_its_name() {
    let ((_, near), (_, far), (_, third)) = (vault(), vault(), vault());
    let (host, reader, shut_out) = (key(1), key(2).public(), key(3).public());
    let readers = [reader, shut_out];
    join(&near, &host, &readers, Some(word(&host, "acme", &readers).seal(&host))).unwrap();
    near.revoke(&shut_out.host_id(), None, "left the company").unwrap();
    assert!(pull(&far, &near).failed.is_empty());
    assert!(reads(&far, &reader, &host) && !reads(&far, &shut_out, &host));
    let known = far.hosts_admitted().unwrap();
    assert_eq!((&*known[0].tenant, &*known[0].name), ("acme", "web-1"));
    // From vault to vault.
    pull(&third, &far);
    assert!(reads(&third, &reader, &host) && !reads(&third, &shut_out, &host));
    // What is taken away there later, this vault does not hear of; what is taken away here stays away.
    near.revoke(&reader.host_id(), None, "by an intruder").unwrap();
    pull(&far, &near);
    assert!(reads(&far, &reader, &host));
    far.revoke(&reader.host_id(), None, "by its own operator").unwrap();
    pull(&far, &near);
    assert!(!reads(&far, &reader, &host));
}

#[test]
fn a_host_that_is_taken_over_later_names_no_further_reader() {
    let ((_, near), (_, far)) = (vault(), vault());
    let (host, reader, thief) = (key(1), key(2).public(), key(4).public());
    let said = word(&host, "acme", &[reader]).seal(&host);
    let forged = word(&host, "acme", &[reader, thief]).seal(&host);
    // What it asks for and what it says must be one.
    assert!(matches!(join(&near, &host, &[reader], Some(forged.clone())), Err(VaultError::Refused(_))));
    join(&near, &host, &[reader], Some(said.clone())).unwrap();
    // With another token, with the same readers, it may say the same again; never more.
    assert!(join(&near, &host, &[reader, thief], Some(forged.clone())).is_err());
    pull(&far, &near);
    let later = Introduced { stored: forged.clone(), shut_out: Vec::new() };
    assert!(!far.adopt(&host.public(), &later).unwrap());
    assert!(reads(&far, &reader, &host) && !reads(&far, &thief, &host));
    assert_eq!(near.introduced(&host.public().host_id()).unwrap().unwrap().stored, said);
    // One that joined here itself has said here what counts.
    let (_, direct) = vault();
    join(&direct, &host, &[reader], None).unwrap();
    assert!(!direct.adopt(&host.public(), &later).unwrap());
    assert!(!reads(&direct, &thief, &host));
}

/// A host of the time before introductions: its join asked for readers, and it signed nothing that could travel.
#[test]
fn a_host_that_joined_without_a_word_says_it_later_and_a_replica_hears_of_it() {
    let ((_, near), (_, far)) = (vault(), vault());
    let (host, reader) = (key(1), key(2).public());
    join(&near, &host, &[reader], None).unwrap();
    pull(&far, &near);
    let id = host.public().host_id();
    assert!(!near.is_introduced(&id).unwrap() && !reads(&far, &reader, &host));
    assert_eq!(far.hosts_admitted().unwrap()[0].name, "", "nobody has said whose it is");
    let said = word(&host, "acme", &[reader]).seal(&host);
    assert_eq!(near.introduce(&host.public(), &said).unwrap(), Published::New);
    assert_eq!(near.introduce(&host.public(), &said).unwrap(), Published::AlreadyThere);
    assert!(near.is_introduced(&id).unwrap());
    pull(&far, &near);
    assert!(reads(&far, &reader, &host));
    let known = far.hosts_admitted().unwrap();
    assert_eq!((&*known[0].tenant, &*known[0].name), ("acme", "web-1"));
}

#[test]
fn what_is_said_later_is_what_the_join_said_and_nothing_more() {
    let (_, near) = vault();
    let (host, reader, thief) = (key(1), key(2).public(), key(4).public());
    join(&near, &host, &[reader], None).unwrap();
    let refused = |stored: &[u8]| {
        let error = near.introduce(&host.public(), stored).unwrap_err();
        assert!(!near.is_introduced(&host.public().host_id()).unwrap());
        error
    };
    // A reader of a thief's, another customer, another host's word, a stranger's signature, garbage.
    let named = refused(&word(&host, "acme", &[reader, thief]).seal(&host)).to_string();
    assert!(named.contains(&thief.host_id().short()) && named.contains("join-token"), "{named}");
    assert!(refused(&word(&host, "other", &[reader]).seal(&host)).to_string().contains("acme/web-1"));
    refused(&word(&key(5), "acme", &[]).seal(&key(5)));
    refused(&word(&host, "acme", &[]).seal(&key(5)));
    refused(b"VOWINTR1");
    // A reader who was shut out since is not let in elsewhere by it.
    near.revoke(&reader.host_id(), None, "left").unwrap();
    refused(&word(&host, "acme", &[reader]).seal(&host));
    near.introduce(&host.public(), &word(&host, "acme", &[]).seal(&host)).unwrap();
    // The first word counts, for ever.
    let later = near.introduce(&host.public(), &word(&host, "acme", &[reader]).seal(&host)).unwrap_err();
    assert!(later.to_string().contains("already"), "{later}");
    // Who joined in a folder said nothing that it could be held to; who never joined has nothing to say.
    let other = key(6);
    let said = word(&other, "acme", &[]).seal(&other);
    assert!(matches!(near.introduce(&other.public(), &said), Err(VaultError::NotJoined { .. })));
    near.join(&other.public()).unwrap();
    assert!(matches!(near.introduce(&other.public(), &said), Err(VaultError::Refused(_))));
}

#[test]
fn another_vault_can_make_up_nothing() {
    let ((_, near), (_, far)) = (vault(), vault());
    let (host, other, thief) = (key(1), key(5), key(4));
    near.join(&host.public()).unwrap();
    let mut damaged = word(&host, "acme", &[thief.public()]).seal(&host);
    damaged[90] ^= 1;
    for stored in [
        // Signed by somebody else, in its own name, or damaged.
        word(&host, "acme", &[thief.public()]).seal(&thief),
        word(&other, "acme", &[thief.public()]).seal(&other),
        word(&host, "../x", &[thief.public()]).seal(&host),
        damaged,
        b"VOWINTR1".to_vec(),
    ] {
        assert!(far.adopt(&host.public(), &Introduced { stored, shut_out: Vec::new() }).is_err());
    }
    assert_eq!(far.access_of(&thief.public()).unwrap(), Access::Stranger);
    assert!(far.grants().unwrap().is_empty());

    // A host that is a reader, and a reader that is a host: neither comes of it.
    let (_, replica) = vault();
    replica.join(&other.public()).unwrap();
    let said = word(&host, "acme", &[other.public(), host.public()]).seal(&host);
    assert!(replica.adopt(&host.public(), &Introduced { stored: said, shut_out: Vec::new() }).unwrap());
    assert!(!reads(&replica, &other.public(), &host) && !reads(&replica, &host.public(), &host));

    // A vault that calls the key of a restorer of this one a host's would shut him out of everything.
    let restorer = key(6);
    let new = NewToken { right: Right::Restore(Scope::All), tenant: None, name: None, term: TOKEN_TERM };
    let asked = JoinAsked { tenant: None, name: "drill".into(), readers: Vec::new(), introduction: None };
    far.use_token(&far.join_token(&new).unwrap(), &restorer.public(), &asked).unwrap().unwrap();
    near.join(&restorer.public()).unwrap();
    let report = pull(&far, &near);
    assert!(matches!(&report.failed[..], [(_, None, VaultError::Refused(_))]), "{report:?}");
    assert!(matches!(far.access_of(&restorer.public()).unwrap(), Access::Granted(_)));
}

#[test]
fn a_customer_with_rules_of_its_own_is_not_taken_over_for_what_is_here_already() {
    let (_, far) = vault();
    let host = key(1);
    far.set_rules("[tenant.acme]\nkeep_daily = 1\n", "a test").unwrap();
    // Nothing of it is here yet: there is nothing that could expire sooner.
    let said = Introduced { stored: word(&host, "acme", &[]).seal(&host), shut_out: Vec::new() };
    assert!(far.adopt(&host.public(), &said).unwrap());
    far.join(&host.public()).unwrap();
    assert_eq!(far.hosts_admitted().unwrap()[0].tenant, "acme");
}

#[test]
fn a_vault_that_was_set_back_hears_of_it_from_the_one_it_pulls_from() {
    let ((_, near), (disk, far)) = (vault(), vault());
    far.set_rules("keep_daily = 3\n", "one").unwrap();
    let before = disk.crash(|_| Fate::Kept);
    far.set_rules("keep_daily = 4\n", "two").unwrap();
    // It shows its head at the end.
    assert_eq!(pull(&far, &near).own_story, None);
    let back = Vault::open(Arc::new(before), Arc::new(FixedClock(1)), "/v".as_ref()).unwrap();
    assert_eq!(pull(&back, &near).own_story, Some(Story::RolledBack { seen: 2, now: 1 }));
    back.set_rules("keep_daily = 5\n", "another two").unwrap();
    assert_eq!(pull(&back, &near).own_story, Some(Story::Rewritten { position: 2 }));
    // What others signed is no evidence.
    assert_eq!(back.own_story(&[near.head().unwrap().unwrap_or_default(), b"x".to_vec()]).unwrap(), None);
}
