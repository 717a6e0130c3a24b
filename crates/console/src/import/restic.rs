//! `restic backup --json`: lines of JSON; the last one is a summary. Errors come as lines too; some older versions write as plain text.

use super::{incomplete, made, problem};
use serde_json::Value;
use vow_protocol::report::RunReport;

pub(super) fn fill(output: &str, report: &mut RunReport) {
    let mut done = false;
    for line in output.lines().map(str::trim) {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            // restic 0.14 leaves out a path that is not there, says so in words, and ends with status 0.
            if line.ends_with(" does not exist, skipping") {
                problem(report, line);
            }
            continue;
        };
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        match line.get("message_type").and_then(Value::as_str) {
            Some("error") => {
                let why = text(line.get("error").and_then(|error| error.get("message")));
                problem(report, &format!("{}: {why}", text(line.get("item"))));
            }
            Some("exit_error") => report.error = Some(text(line.get("message"))),
            Some("summary") => {
                let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or(0);
                done = true;
                report.files = number("total_files_processed");
                report.dirs = number("dirs_new") + number("dirs_changed") + number("dirs_unmodified");
                report.bytes = number("total_bytes_processed");
                // What is stored, which versions before 0.17 do not tell.
                let packed = line.get("data_added_packed").and_then(Value::as_u64);
                report.added_bytes = packed.unwrap_or_else(|| number("data_added"));
                if let Some(secs) = line.get("total_duration").and_then(Value::as_f64) {
                    report.duration_secs = secs;
                }
                made(report, "restic snapshot", line.get("snapshot_id"));
            }
            _ => {}
        }
    }
    if !done {
        incomplete(report, "restic printed no summary");
    }
}
