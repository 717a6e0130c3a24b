//! `borg create --json --log-json`: a document about the archive, and lines of JSON about what went wrong.

use super::{incomplete, made, problem};
use serde_json::Value;
use vow_protocol::report::{Outcome, RunReport};

pub(super) fn fill(output: &str, report: &mut RunReport) {
    for line in output.lines().filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok()) {
        if line.get("type").and_then(Value::as_str) != Some("log_message") {
            continue;
        }
        let message = line.get("message").and_then(Value::as_str).unwrap_or_default();
        match line.get("levelname").and_then(Value::as_str) {
            Some("WARNING") => problem(report, message),
            Some("ERROR" | "CRITICAL") if report.outcome == Outcome::Failed => {
                report.error.get_or_insert_with(|| message.to_owned());
            }
            Some("ERROR" | "CRITICAL") => problem(report, message),
            _ => {}
        }
    }
    let Some(archive) = document(output).and_then(|document| document.get("archive").cloned()) else {
        return incomplete(report, "borg printed nothing about an archive");
    };
    let number = |name: &str| archive.get("stats").and_then(|stats| stats.get(name)?.as_u64()).unwrap_or(0);
    report.files = number("nfiles");
    report.bytes = number("original_size");
    report.added_bytes = number("deduplicated_size");
    if let Some(secs) = archive.get("duration").and_then(Value::as_f64) {
        report.duration_secs = secs;
    }
    made(report, "borg archive", archive.get("name"));
}

/// The document that begins with a brace alone on its line, whatever stands around it.
fn document(output: &str) -> Option<Value> {
    let mut begin = 0;
    for line in output.split_inclusive('\n') {
        if line.trim_end() == "{" {
            let mut values = serde_json::Deserializer::from_str(&output[begin..]).into_iter::<Value>();
            if let Some(Ok(value)) = values.next() {
                return Some(value);
            }
        }
        begin += line.len();
    }
    None
}
