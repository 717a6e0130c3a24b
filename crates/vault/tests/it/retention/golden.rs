//! Recorded histories and the tables that explain what becomes of them. `VOW_BLESS=1` writes the tables anew, to be read by a person.

use super::history::{History, parse};
use std::path::{Path, PathBuf};
use vow_vault::retention::{Report, brake, plan, table};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

fn explained(history: &History) -> String {
    let plan = plan(&history.snapshots, &history.versions, history.now);
    let mut text = table(&plan, |host| history.name(host));
    text.push_str(&match brake(&plan, &history.versions) {
        Ok(()) => "the brake lets it pass\n".to_owned(),
        Err(why) => format!("the brake stops it: {why}\n"),
    });
    text
}

#[test]
fn recorded_histories_are_explained_as_recorded() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).expect("the folder of histories") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "history") {
            continue;
        }
        seen += 1;
        let history = parse(&std::fs::read_to_string(&path).expect("a history"));
        let (found, table) = (explained(&history), path.with_extension("table"));
        if std::env::var_os("VOW_BLESS").is_some() {
            std::fs::write(&table, &found).expect("writing the table");
        }
        let expected = std::fs::read_to_string(&table).unwrap_or_default();
        assert!(found == expected, "{} is explained differently:\n{found}", path.display());
    }
    assert!(seen >= 3, "histories went missing");
}

#[test]
fn programs_are_told_the_same_as_people() {
    let text = std::fs::read_to_string(folder().join("troubles.history")).expect("a history");
    let history = parse(&text);
    let plan = plan(&history.snapshots, &history.versions, history.now);
    let report = Report::new(&plan);
    assert_eq!((report.kept, report.expired), (plan.kept().count(), plan.expired().count()));
    assert_eq!(report.snapshots.len(), plan.decisions.len());
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["now"], "2026-06-30T03:00:00Z");
    for row in json["snapshots"].as_array().expect("rows") {
        let reasons = row["reasons"].as_array().expect("reasons");
        assert!(!reasons.is_empty(), "{row}");
        assert!(reasons.iter().all(|reason| reason["text"].as_str().is_some_and(|text| !text.is_empty())));
    }
    let text = json.to_string();
    for word in
        ["\"older_rules_until\"", "\"too-soon\"", "\"last-proven\"", "\"counted\":false", "\"kept\":false"]
    {
        assert!(text.contains(word), "{word}");
    }
}
