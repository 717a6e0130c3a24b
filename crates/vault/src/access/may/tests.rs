//! Every role, every verb, every host: the whole table, written out a second time by hand.

use super::*;

const OWN: HostId = HostId([1; 32]);
const SISTER: HostId = HostId([2; 32]);
const FOREIGN: HostId = HostId([3; 32]);
const ABSENT: HostId = HostId([4; 32]);
const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

/// Own host, another of the same customer, one of another customer, one that never joined.
fn targets() -> [Target<'static>; 4] {
    [
        Target { host: OWN, tenant: Some("acme") },
        Target { host: SISTER, tenant: Some("acme") },
        Target { host: FOREIGN, tenant: Some("other") },
        Target { host: ABSENT, tenant: None },
    ]
}

fn verbs() -> Vec<Verb> {
    use Verb::*;
    let mut verbs = vec![
        About,
        Health,
        Join,
        Hosts,
        Head,
        Witness,
        Seen,
        Introduction,
        Introduce,
        Ledger,
        Status,
        Metrics,
        Receipts,
        Snapshots,
        Commit,
        Prove,
    ];
    for kind in KINDS {
        verbs.extend([List(kind), Missing(kind), Read(kind), Put(kind)]);
    }
    verbs
}

fn word(verb: Verb) -> String {
    format!("{verb:?}")
        .replace("(Pack)", " packs")
        .replace("(List)", " lists")
        .replace("(Index)", " index")
        .replace("(Manifest)", " manifests")
}

/// A verb, and the hosts it may be asked of; "-" when it is about no host.
type Line = (&'static str, &'static str);

/// What each role may ask of the vault, and of which of the four hosts (1 own, 2 same customer, 3 other customer, 4 absent).
fn table() -> Vec<(&'static str, Access, Vec<Line>)> {
    let one = |right| Access::Granted(vec![right]);
    let reading = |hosts: &'static str| -> Vec<Line> {
        let mut may = vec![("About", "-"), ("Health", "-"), ("Join", "-"), ("Hosts", "-"), ("Head", "-")];
        for verb in [
            "Receipts",
            "Snapshots",
            "List packs",
            "List lists",
            "List index",
            "List manifests",
            "Read packs",
            "Read lists",
            "Read index",
            "Read manifests",
        ] {
            may.push((verb, hosts));
        }
        may
    };
    let proving = |hosts| vec![("About", "-"), ("Health", "-"), ("Join", "-"), ("Prove", hosts)];
    let mut replicating = reading("1234");
    replicating.extend([("Witness", "-"), ("Seen", "-"), ("Ledger", "-"), ("Introduction", "1234")]);
    vec![
        ("nobody", Access::Nobody, vec![("About", "-"), ("Health", "-")]),
        ("stranger", Access::Stranger, vec![("About", "-"), ("Health", "-"), ("Join", "-")]),
        (
            "write",
            Access::Host(OWN),
            vec![
                ("About", "-"),
                ("Health", "-"),
                ("Join", "-"),
                ("Head", "-"),
                ("Witness", "-"),
                ("Receipts", "1"),
                ("Commit", "1"),
                ("Introduce", "1"),
                ("Put packs", "1"),
                ("Put lists", "1"),
                ("Put index", "1"),
                ("Missing packs", "1"),
                ("Missing lists", "1"),
                ("Missing index", "1"),
                ("Missing manifests", "1"),
                ("List index", "1"),
                ("Read index", "1"),
            ],
        ),
        ("restore one host", one(Right::Restore(Scope::Host(OWN))), reading("1")),
        ("restore a customer", one(Right::Restore(Scope::Tenant("acme".into()))), reading("12")),
        ("restore all", one(Right::Restore(Scope::All)), reading("1234")),
        ("prove for one host", one(Right::Prove(Scope::Host(OWN))), proving("1")),
        ("prove for a customer", one(Right::Prove(Scope::Tenant("acme".into()))), proving("12")),
        ("prove for all", one(Right::Prove(Scope::All)), proving("1234")),
        ("replicate", one(Right::Replicate), replicating),
        (
            "console",
            one(Right::Console),
            vec![
                ("About", "-"),
                ("Health", "-"),
                ("Join", "-"),
                ("Hosts", "-"),
                ("Head", "-"),
                ("Ledger", "-"),
                ("Status", "-"),
                ("Metrics", "-"),
                ("Receipts", "1234"),
                ("Snapshots", "1234"),
            ],
        ),
        (
            "write, as a grant, is nothing",
            one(Right::Write),
            vec![("About", "-"), ("Health", "-"), ("Join", "-")],
        ),
    ]
}

#[test]
fn the_whole_table() {
    for (who, access, allowed) in table() {
        for verb in verbs() {
            let name = word(verb);
            let hosts = allowed.iter().find(|(verb, _)| *verb == name).map(|(_, hosts)| *hosts);
            assert_eq!(may(&access, verb, None), hosts == Some("-"), "{who}: {name}");
            for (number, target) in ["1", "2", "3", "4"].iter().zip(targets()) {
                let expected = hosts.is_some_and(|hosts| hosts.contains(number));
                assert_eq!(may(&access, verb, Some(target)), expected, "{who}: {name} of host {number}");
            }
        }
        // Every line of the table is about a verb that exists.
        for (verb, _) in allowed {
            assert!(verbs().into_iter().any(|known| word(known) == verb), "{who}: {verb}");
        }
    }
}

#[test]
fn rights_add_up_and_never_reach_further() {
    let both = Access::Granted(vec![Right::Restore(Scope::Host(OWN)), Right::Console]);
    for verb in verbs() {
        for of in targets().into_iter().map(Some).chain([None]) {
            let one = |right| may(&Access::Granted(vec![right]), verb, of);
            let expected = one(Right::Restore(Scope::Host(OWN))) || one(Right::Console);
            assert_eq!(may(&both, verb, of), expected, "{verb:?} {of:?}");
        }
    }
    assert_eq!(both.role(), Some(Role::Restore));
}

#[test]
fn a_customer_without_a_name_is_nobodys() {
    let access = Access::Granted(vec![Right::Restore(Scope::Tenant("acme".into()))]);
    for tenant in [None, Some(""), Some("acme2"), Some("ACME")] {
        assert!(!may(&access, Verb::Read(Kind::Pack), Some(Target { host: OWN, tenant })), "{tenant:?}");
    }
}
