//! `pgbackrest info --output=json`: every stanza with its backups; the newest backup is the run.

use super::{incomplete, made, problem};
use serde_json::Value;
use vow_protocol::report::RunReport;

pub(super) fn fill(output: &str, report: &mut RunReport) {
    let begin = output.find('[').unwrap_or(output.len());
    let stanzas = serde_json::Deserializer::from_str(&output[begin..]).into_iter::<Value>().next();
    let Some(Ok(Value::Array(stanzas))) = stanzas else {
        return incomplete(report, "there is no document of pgbackrest info");
    };
    let stop = |backup: &Value| backup.get("timestamp").and_then(|times| times.get("stop")?.as_i64());
    let mut newest: Option<&Value> = None;
    for stanza in &stanzas {
        let status = stanza.get("status");
        if status.and_then(|status| status.get("code")?.as_i64()).unwrap_or(0) != 0 {
            let name = stanza.get("name").and_then(Value::as_str).unwrap_or("?");
            let why = status.and_then(|status| status.get("message")?.as_str()).unwrap_or("no reason given");
            problem(report, &format!("stanza {name}: {why}"));
        }
        for backup in stanza.get("backup").and_then(Value::as_array).into_iter().flatten() {
            if newest.is_none_or(|newest| stop(newest) <= stop(backup)) {
                newest = Some(backup);
            }
        }
    }
    let Some(backup) = newest else { return incomplete(report, "pgbackrest knows of no backup") };
    // An information about a backup from long before is not the result of this run.
    if stop(backup).is_some_and(|stop| stop < report.started_secs - 60) {
        return incomplete(report, "the newest backup that pgbackrest knows is older than this run");
    }
    if backup.get("error").and_then(Value::as_bool) == Some(true) {
        problem(report, "pages with wrong checksums were found");
    }
    let info = backup.get("info");
    report.bytes = info.and_then(|info| info.get("size")?.as_u64()).unwrap_or(0);
    let repository = info.and_then(|info| info.get("repository"));
    report.added_bytes = repository.and_then(|repository| repository.get("delta")?.as_u64()).unwrap_or(0);
    made(report, "pgBackRest backup", backup.get("label"));
    let start = backup.get("timestamp").and_then(|times| times.get("start")?.as_i64());
    if let (Some(start), Some(stop)) = (start, stop(backup)) {
        report.duration_secs = (stop - start).max(0) as f64;
    }
}
