//! Drills: what is right is proven, and what is not is not, whatever it is that is wrong.

mod console;
mod databases;
mod files;

use serde_json::Value;
use std::path::Path;
use vow_testkit::Host;
use vow_testkit::shell::Done;

/// Drills with the recovery kit.
fn drill<'a>(host: &Host, arguments: impl IntoIterator<Item = &'a str>) -> Done {
    let identity = host.identity().display().to_string();
    let all = ["drill", "--json", "--identity", &identity].into_iter().map(str::to_owned);
    host.run(all.chain(arguments.into_iter().map(str::to_owned)))
}

/// The proofs in its summary.
#[track_caller]
fn proofs(done: &Done) -> Vec<Value> {
    let summary = done.summary();
    assert_eq!(summary["message_type"], "summary", "{}", done.story());
    summary["proofs"].as_array().cloned().unwrap_or_default()
}

/// The texts of a list of it.
fn texts(proof: &Value, list: &str) -> String {
    proof[list].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// Names of what lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
