use super::*;
use crate::audit::facts::{
    CopyFact, HostFact, HostRecord, InventoryFact, Place, SourceFact, TenantFacts, VaultFact, VaultRecord,
};
use crate::audit::host::HostAudit;
use crate::audit::records::{Approved, Records, Waiver};
use std::collections::{BTreeMap, BTreeSet};

const NOW: i64 = 1_790_000_000;
const DAY: i64 = 86_400;
const KEYS: [&str; 2] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];

fn vault(place: (&str, f64, f64), medium: &str, immutable: bool) -> VaultFact {
    let (name, north, east) = place;
    let place = Place { name: name.into(), latitude: Some(north), longitude: Some(east) };
    VaultFact {
        name: format!("v-{name}"),
        record: VaultRecord { place, medium: medium.into(), immutable, lock_days: Some(30) },
        answered_secs: Some(NOW - 60),
        head: Some((7, "ab".repeat(32))),
        ..VaultFact::default()
    }
}

fn copy(vault: &str) -> CopyFact {
    CopyFact {
        level: vault.into(),
        vault: Some(vault.into()),
        received_secs: Some(NOW - 3600),
        reported: Some(true),
        oldest_secs: Some(NOW - 60 * DAY),
        proven_secs: Some(NOW - 5 * DAY),
        verdict: Some("proven".into()),
        restore_secs: Some(60.0),
    }
}

/// A tenant of whom nothing is to be said.
fn good() -> TenantFacts {
    let source = SourceFact {
        name: "orders".into(),
        since_secs: NOW - 100 * DAY,
        recipients: Some(KEYS.iter().map(|key| (*key).to_owned()).collect()),
        restore_target_secs: Some(600),
        good_secs: Some(NOW - 3700),
        copies: vec![copy("near"), copy("far")],
    };
    let host = HostFact {
        id: 1,
        name: "web-1".into(),
        since_secs: NOW - 100 * DAY,
        heard_secs: Some(NOW - 60),
        plan: Some("cd".repeat(32)),
        record: HostRecord {
            plan: Some("cd".repeat(32)),
            plan_by: "ann".into(),
            place: Place { name: "berlin".into(), latitude: Some(52.5), longitude: Some(13.4) },
            ..HostRecord::default()
        },
        audit: Some(HostAudit::default()),
        audited_secs: Some(NOW - 3600),
        sources: vec![source],
        received_secs: Some(NOW - 3600),
        ..HostFact::default()
    };
    TenantFacts {
        tenant: "acme".into(),
        hosts: vec![host],
        vaults: BTreeMap::from([
            ("near".into(), vault(("berlin", 52.5, 13.4), "disk", false)),
            ("far".into(), vault(("frankfurt", 50.1, 8.7), "object store", true)),
        ]),
        records: Records {
            owner: "Ann".into(),
            contact: "+49 30 1".into(),
            reviewed: crate::audit::date_of(NOW - DAY),
            reviewed_by: "bob".into(),
            recipients: KEYS.map(|key| Approved { fingerprint: key.into(), holder: "safe".into() }).into(),
            waivers: vec![],
        },
        identities: KEYS.iter().map(|key| ((*key).to_owned(), NOW - DAY)).collect(),
        channels: BTreeSet::from(["duty".to_owned()]),
    }
}

fn policy() -> Policy {
    Policy { apart_km: Some(300), told: vec!["duty".into()], restore_minutes: Some(30), ..Policy::default() }
}

fn open(facts: &TenantFacts, policy: &Policy) -> Vec<(String, Answer, Severity)> {
    let open = all(facts, policy, NOW).into_iter().filter(|one| one.answer != Answer::Pass);
    open.map(|one| (one.name(), one.answer, one.severity)).collect()
}

#[test]
fn a_tenant_that_keeps_its_policy_passes_every_check() {
    let checked = all(&good(), &policy(), NOW);
    let open: Vec<_> = checked.iter().filter(|one| one.answer != Answer::Pass).collect();
    assert!(open.is_empty(), "{open:#?}");
    let made: BTreeSet<_> = checked.iter().map(|one| one.check.as_str()).collect();
    // The rest speaks only when there is something to say.
    let silent = ["ports", "witness"];
    for (name, _) in CHECKS.iter().filter(|(name, _)| !silent.contains(name)) {
        assert!(made.contains(name), "{name} was not checked");
    }
    assert!(checked.iter().all(|one| !one.sentence.is_empty()));
}

type Change = fn(&mut TenantFacts);

/// Each fault is found by its check and by no other.
#[test]
fn each_fault_is_found_by_its_check() {
    let table: &[(&str, Answer, Severity, Change)] = &[
        ("copies:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].sources[0].copies[0].vault = Some("far".into());
        }),
        ("copies:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.vaults.get_mut("far").expect("there is one").record.immutable = false;
        }),
        ("copies:web-1/orders", Answer::Unknown, Severity::Warning, |facts| {
            facts.vaults.get_mut("far").expect("there is one").record.place.name.clear();
        }),
        ("distance:web-1/orders", Answer::Unknown, Severity::Warning, |facts| {
            facts.hosts[0].record.place.latitude = None;
        }),
        ("distance:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.vaults.get_mut("far").expect("there is one").record.place.longitude = Some(12.0);
            facts.vaults.get_mut("far").expect("there is one").record.place.latitude = Some(52.0);
        }),
        ("age:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].sources[0].copies[0].received_secs = Some(NOW - 3 * DAY);
            facts.hosts[0].sources[0].copies[0].reported = Some(false);
        }),
        ("lock:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.vaults.get_mut("far").expect("there is one").record.lock_days = Some(3);
        }),
        ("lock:web-1/orders", Answer::Unknown, Severity::Warning, |facts| {
            facts.vaults.get_mut("far").expect("there is one").record.lock_days = None;
        }),
        ("lock:web-1/orders", Answer::Finding, Severity::Critical, |facts| {
            facts.vaults.get_mut("far").expect("there is one").probe =
                Some(Err("a locked version was deleted".into()));
        }),
        ("retention:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].sources[0]
                .copies
                .iter_mut()
                .for_each(|copy| copy.oldest_secs = Some(NOW - 5 * DAY));
        }),
        ("drill:web-1/orders", Answer::Finding, Severity::Critical, |facts| {
            facts.hosts[0].sources[0].copies[1].verdict = Some("failed".into());
        }),
        ("drill:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].sources[0].copies.iter_mut().for_each(|copy| copy.proven_secs = None);
        }),
        ("restore:web-1/orders", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].sources[0].copies.iter_mut().for_each(|copy| copy.restore_secs = Some(5000.0));
        }),
        ("recipients:web-1/orders", Answer::Finding, Severity::Critical, |facts| {
            facts.hosts[0].sources[0].recipients =
                Some(BTreeSet::from([KEYS[0].to_owned(), "aa".repeat(16)]));
        }),
        ("recipients:web-1/orders", Answer::Finding, Severity::Critical, |facts| {
            facts.hosts[0].sources[0].recipients = Some(BTreeSet::from([KEYS[0].to_owned()]));
        }),
        ("identity:fedcba9876543210fedcba9876543210", Answer::Finding, Severity::Warning, |facts| {
            facts.identities.insert(KEYS[1].to_owned(), NOW - 200 * DAY);
        }),
        ("told", Answer::Finding, Severity::Warning, |facts| facts.channels.clear()),
        ("owner", Answer::Finding, Severity::Warning, |facts| facts.records.contact.clear()),
        ("plan:web-1", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].plan = Some("ee".repeat(32))
        }),
        ("alive:web-1", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].closed_secs = Some(NOW - 1)
        }),
        ("audited:web-1", Answer::Finding, Severity::Warning, |facts| {
            facts.hosts[0].audited_secs = Some(NOW - 9 * DAY)
        }),
        ("ledger:vault v-frankfurt", Answer::Finding, Severity::Critical, |facts| {
            facts.vaults.get_mut("far").expect("there is one").set_back = Some("it is shorter".into());
        }),
        ("witness:vault v-frankfurt", Answer::Finding, Severity::Critical, |facts| {
            facts.vaults.get_mut("far").expect("there is one").witnessed = vec!["web-1 says so".into()];
        }),
        ("receipts:web-1", Answer::Finding, Severity::Critical, |facts| {
            facts.hosts[0].sources[0].good_secs = Some(NOW - 7 * 3600);
            facts.hosts[0].sources[0].copies[1].received_secs = Some(NOW - 20 * 3600);
        }),
    ];
    for (name, answer, severity, change) in table {
        let mut facts = good();
        change(&mut facts);
        assert_eq!(open(&facts, &policy()), [((*name).to_owned(), *answer, *severity)]);
    }
}

#[test]
fn a_host_that_vanished_is_critical_and_one_that_was_decommissioned_passes() {
    let mut facts = good();
    facts.hosts[0].heard_secs = Some(NOW - 9 * DAY);
    facts.hosts[0].received_secs = None;
    let alive = |facts: &TenantFacts| {
        all(facts, &policy(), NOW)
            .into_iter()
            .find(|one| one.check == "alive")
            .map(|one| (one.answer, one.severity))
    };
    assert_eq!(alive(&facts), Some((Answer::Finding, Severity::Critical)));
    facts.hosts[0].closed_secs = Some(NOW);
    facts.hosts[0].record.gone_secs = Some(NOW);
    assert_eq!(alive(&facts).map(|(answer, _)| answer), Some(Answer::Pass));
}

#[test]
fn an_open_port_that_a_host_does_not_name_is_found_by_those_who_use_it() {
    let mut facts = good();
    let address: std::net::IpAddr = "10.0.0.1".parse().expect("there is one");
    let inventory = |listening: &[u16]| InventoryFact {
        made_secs: NOW,
        addresses: BTreeSet::from([address]),
        listening: listening.iter().copied().collect(),
        whole: true,
        ..InventoryFact::default()
    };
    facts.hosts[0].inventory = Some(inventory(&[22]));
    let other = HostFact {
        name: "web-2".into(),
        inventory: Some(InventoryFact {
            made_secs: NOW,
            addresses: BTreeSet::from(["10.0.0.2".parse().expect("there is one")]),
            peers: BTreeSet::from([(address, 22), (address, 5432)]),
            ..InventoryFact::default()
        }),
        ..good().hosts.remove(0)
    };
    facts.hosts.push(HostFact { record: facts.hosts[0].record.clone(), ..other });
    assert_eq!(open(&facts, &policy()), [("ports:web-1".to_owned(), Answer::Finding, Severity::Warning)]);
    facts.hosts[0].inventory = Some(inventory(&[22, 5432]));
    assert_eq!(open(&facts, &policy()), []);
    // An address that two machines have is nobody's.
    facts.hosts[0].inventory = Some(inventory(&[]));
    facts.hosts[1].inventory.as_mut().expect("there is one").addresses.insert(address);
    assert_eq!(open(&facts, &policy()), []);
}

#[test]
fn what_was_accepted_is_open_again_after_its_last_day() {
    let mut facts = good();
    facts.channels.clear();
    let until = |secs| crate::audit::date_of(secs);
    let waiver =
        |secs| Waiver { finding: "told".into(), reason: "new".into(), by: "ann".into(), until: until(secs) };
    facts.records.waivers = vec![waiver(NOW)];
    assert_eq!(open(&facts, &policy()), [("told".to_owned(), Answer::Waived, Severity::Warning)]);
    facts.records.waivers = vec![waiver(NOW - 2 * DAY)];
    let found =
        all(&facts, &policy(), NOW).into_iter().find(|one| one.check == "told").expect("there is one");
    assert_eq!(found.answer, Answer::Finding);
    assert!(found.waiver.expect("there is one").contains("ended"));
}
