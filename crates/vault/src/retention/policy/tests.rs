use super::*;
use crate::retention::Term;
use proptest::prelude::*;

fn any_policy() -> impl Strategy<Value = Policy> {
    let overrides = || prop::collection::btree_map(0..RULES.len(), any::<u32>(), 0..6);
    let tenants = prop::collection::btree_map("[a-z0-9][a-z0-9._-]{0,20}", overrides(), 0..4);
    (overrides(), tenants).prop_map(|(own, tenants)| {
        let mut policy = Policy::default();
        for (at, seed) in own {
            RULES[at].set(&mut policy.rules, within(&RULES[at], seed));
        }
        let values =
            |own: BTreeMap<usize, u32>| own.into_iter().map(|(at, seed)| (at, within(&RULES[at], seed)));
        policy.tenants = tenants.into_iter().map(|(name, own)| (name, values(own).collect())).collect();
        policy
    })
}

fn within(rule: &Rule, seed: u32) -> Value {
    match (rule.least, rule.most) {
        (Value::Number(least), Value::Number(most)) => Value::Number(least + seed % (most - least + 1)),
        _ => {
            // Bounds of terms differ; a value between them is looked for.
            let value = Value::Term(Term::minutes(seed % (90 * 24 * 60)));
            if value < rule.least {
                rule.least
            } else if value > rule.most {
                rule.most
            } else {
                value
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same_and_prints_the_same(policy in any_policy()) {
        let text = policy.to_string();
        let read = Policy::parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&read, &policy);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z_=\\[\\]\"0-9.\n #dhm-]{0,80}") {
        let _ = Policy::parse(&text);
    }
}

#[test]
fn the_defaults_are_those_of_the_document() {
    let text = "keep_last = 7\nkeep_hourly = 24\nkeep_daily = 14\nkeep_weekly = 8\nkeep_monthly = 12\nkeep_yearly = 3\n\
                keep_within = \"30d\"\nlock = \"14d\"\ngrace = \"3d\"\nspacing = \"30m\"\ntighten_after = \"7d\"\n\
                share_percent = 25\n";
    assert_eq!(Policy::default().to_string(), text);
    assert_eq!(Policy::parse(""), Ok(Policy::default()));
}

#[test]
fn a_tenant_overrides_single_values() {
    let policy =
        Policy::parse("keep_daily = 0x1F\n[tenant.\"a.b\"]\nlock = \"8w\"\n[tenant.c]\n").expect("a policy");
    assert_eq!(policy.rules("a.b"), Rules { keep_daily: 31, lock: Term::days(56), ..Rules::DEFAULT });
    assert_eq!(policy.rules("c"), Rules { keep_daily: 31, ..Rules::DEFAULT });
    assert!(policy.to_string().ends_with("\n[tenant.\"a.b\"]\nlock = \"56d\"\n\n[tenant.c]\n"), "{policy}");
}

/// Text, line, column, and a part of the reason.
const BAD: [(&str, usize, usize, &str); 22] = [
    ("keep_dayly = 3", 1, 1, "no rule \"keep_dayly\""),
    ("\n\n keep_last = 0", 3, 14, "keep_last is 1 to 10000"),
    ("keep_last = -1", 1, 13, "keep_last is 1 to 10000"),
    ("keep_last = 99999999999999999999", 1, 13, "keep_last is 1 to 10000"),
    ("keep_daily = 10001", 1, 14, "0 to 10000"),
    ("keep_daily = \"3\"", 1, 14, "whole number"),
    ("keep_daily = 3.0", 1, 14, "whole number"),
    ("keep_daily = [3]", 1, 14, "whole number"),
    ("lock = 14", 1, 8, "length of time in quotes"),
    ("lock = \"14\"", 1, 8, "not a length of time"),
    ("lock = \"23h\"", 1, 8, "lock is \"1d\" to \"3650d\""),
    ("grace = \"0d\"", 1, 9, "grace is \"1d\" to \"90d\""),
    ("grace = \"91d\"", 1, 9, "grace is \"1d\" to \"90d\""),
    ("spacing = \"0m\"", 1, 11, "spacing is \"1m\" to \"1d\""),
    ("tighten_after = \"1h\"", 1, 17, "\"1d\" to \"90d\""),
    ("share_percent = 91", 1, 17, "1 to 90"),
    ("lock = \"14d\"\nlock = \"15d\"", 2, 1, "duplicate key"),
    ("lock = ", 1, 8, ""),
    ("tenant = 3", 1, 10, "[tenant.NAME]"),
    ("[tenant]\nacme = 3", 2, 8, "[tenant.NAME]"),
    ("[tenant.Acme]", 1, 9, "not the name of a tenant"),
    ("[tenant.acme]\nlock = \"14d\"\nlook = 3", 3, 1, "no rule \"look\""),
];

#[test]
fn what_is_wrong_is_said_with_line_and_column() {
    for (text, line, column, reason) in BAD {
        let bad = Policy::parse(text).expect_err(text);
        assert_eq!((bad.line, bad.column), (line, column), "{text:?}: {bad}");
        assert!(bad.reason.contains(reason), "{text:?}: {bad}");
    }
    let long = "#".repeat(TEXT_LIMIT_BYTES + 1);
    assert!(Policy::parse(&long).is_err());
}

#[test]
fn replaced_rules_protect_for_their_own_delay() {
    const DAY: i64 = 86_400_000_000_000;
    let version =
        |text: &str, day: i64| Version { policy: Policy::parse(text).expect(text), since: day * DAY };
    let versions = [
        Version::first(),
        version("keep_last = 3\ntighten_after = \"2d\"", 10),
        version("keep_last = 2\ntighten_after = \"1d\"", 11),
    ];
    let at = |day: i64| {
        let deciding = Version::deciding(&versions, "acme", day * DAY);
        deciding
            .into_iter()
            .map(|held| (held.rules.keep_last, held.until.map(|until| until / DAY)))
            .collect::<Vec<_>>()
    };
    assert_eq!(at(11), [(2, None), (3, Some(13)), (7, Some(17))]);
    assert_eq!(at(12), [(2, None), (3, Some(13)), (7, Some(17))]);
    assert_eq!(
        at(13),
        [(2, None), (7, Some(17))],
        "the first one's seven days are not shortened by the later ones"
    );
    assert_eq!(at(17), [(2, None)]);
    assert_eq!(Version::deciding(&[], "acme", 0), [InForce { rules: Rules::DEFAULT, until: None }]);
}
