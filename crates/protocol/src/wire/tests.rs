//! Golden texts of every body, and what is refused.

use super::*;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use vow_base::vault::Kind;

const A: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    assert_eq!(serde_json::to_string(value).expect("JSON"), text);
    assert_eq!(serde_json::from_str::<T>(text).expect("just written"), *value);
    // A later version adds names.
    let more = text.replacen('{', r#"{"new":[{"x":1}],"#, 1);
    assert_eq!(serde_json::from_str::<T>(&more).expect("unknown names are ignored"), *value);
}

#[test]
fn bodies_are_those_of_the_document() {
    let (key, id) = (Hex(PublicKey([10; 32])), Hex(ObjectId([10; 32])));
    let about = About {
        vault: key,
        protocol: 1,
        software: "vow".into(),
        time: 5,
        role: None,
        host: None,
        introduced: None,
    };
    golden(&about, &format!(r#"{{"vault":"{A}","protocol":1,"software":"vow","time":5}}"#));
    let about = About { role: Some(Role::Write), host: Some(Hex(HostId([10; 32]))), ..about };
    golden(
        &about,
        &format!(r#"{{"vault":"{A}","protocol":1,"software":"vow","time":5,"role":"write","host":"{A}"}}"#),
    );
    let unintroduced: About = serde_json::from_str(&format!(
        r#"{{"vault":"{A}","protocol":1,"software":"vow","time":5,"role":"write","host":"{A}","introduced":false}}"#
    ))
    .expect("it reads");
    assert_eq!(unintroduced, About { introduced: Some(false), ..about });
    let joined = Joined { vault: key, role: Role::Write, tenant: "acme".into(), name: "web-1".into() };
    golden(&joined, &format!(r#"{{"vault":"{A}","role":"write","tenant":"acme","name":"web-1"}}"#));
    golden(&Ids { ids: vec![id] }, &format!(r#"{{"ids":["{A}"]}}"#));
    let entries = Entries { entries: vec![Base64(b"VOW".to_vec())], more: true };
    golden(&entries, r#"{"receipts":["Vk9X"],"more":true}"#);
    let objects = Objects { objects: vec![(id, 7)], more: false };
    golden(&objects, &format!(r#"{{"objects":[["{A}",7]],"more":false}}"#));
    let host = HostEntry { key, tenant: "acme".into(), name: "web-1".into() };
    golden(
        &Hosts { hosts: vec![host] },
        &format!(r#"{{"hosts":[{{"key":"{A}","tenant":"acme","name":"web-1"}}]}}"#),
    );
    let finding = Finding { kind: "clock".into(), message: "it jumped".into(), since: 3, host: None };
    golden(&finding, r#"{"kind":"clock","message":"it jumped","since":3}"#);
}

#[test]
fn a_status_may_say_little() {
    let status: Status = serde_json::from_str("{}").expect("all of it can be absent");
    assert_eq!(status, Status::default());
    let full = Status {
        read_only: Some("a sync failed".into()),
        space: Some(Space { total_bytes: 3, free_bytes: 2, reserve_bytes: 1 }),
        sweep: Some(Pass { ended: 4, ..Pass::default() }),
        findings: vec![Finding { kind: "space".into(), message: "full".into(), since: 1, host: None }],
        ..Status::default()
    };
    let text = serde_json::to_string(&full).expect("JSON");
    assert_eq!(serde_json::from_str::<Status>(&text).expect("just written"), full);
}

#[test]
fn roles_and_kinds_have_one_word() {
    for role in Role::ALL {
        assert_eq!(serde_json::to_value(role).expect("JSON"), role.word());
        assert_eq!(Role::of_word(role.word()), Some(role));
    }
    assert_eq!(Role::of_word("admin"), None);
    for kind in text::KINDS {
        assert_eq!(serde_json::to_value(KindWord(kind)).expect("JSON"), kind.folder());
    }
    assert_eq!(KindWord::of_word("packs"), Some(KindWord(Kind::Pack)));
    assert_eq!(KindWord::of_word("pack"), None);
}

#[test]
fn ids_in_any_other_form_are_refused() {
    let upper = A.to_uppercase();
    for bad in ["", &A[1..], &format!("{A}0"), upper.as_str(), &format!("+{}", &A[1..]), &A.replace('0', "g")]
    {
        assert!(serde_json::from_str::<Hex<ObjectId>>(&format!("{bad:?}")).is_err(), "{bad}");
    }
    assert!(serde_json::from_str::<Hex<ObjectId>>("12").is_err());
    for bad in ["Vk9", "Vk9X\n", "Vk9_", "=", "V"] {
        assert!(serde_json::from_str::<Base64>(&format!("{bad:?}")).is_err(), "{bad}");
    }
}
