//! No snapshot was made.

use super::words;
use super::{Found, RunCase, Said};
use crate::records::Severity;
use vow_protocol::report::Outcome;

/// Failures in a row from which on nobody can call it a hiccup.
const CRITICAL_IN_A_ROW: usize = 3;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    if body.outcome != Outcome::Failed {
        return Some(vec![]);
    }
    let before = case.past.iter().rev().take_while(|past| past.outcome == Outcome::Failed).count();
    let last_good = case.past.iter().rev().find(|past| past.outcome != Outcome::Failed);
    let error = body.error.as_deref().unwrap_or("the host gave no reason");
    let mut sentence = format!("{} failed: {}", case.source(), error.trim_end_matches('.'));
    if body.attempt > 1 {
        sentence += &format!(", also at attempt {}", body.attempt);
    }
    if before > 0 {
        sentence += &format!("; {} in a row", before + 1);
    }
    let (never, since) = match last_good {
        Some(good) => {
            let age = words::span((body.started_secs - good.started_secs) as f64);
            (
                false,
                format!(
                    "the last snapshot is from {} ({age} before)",
                    words::moment(good.started_secs, &case.zone)
                ),
            )
        }
        None => (true, "there is no snapshot of it that this console knows".to_owned()),
    };
    sentence += &format!("; {since}.");
    let severity =
        if never || before + 1 >= CRITICAL_IN_A_ROW { Severity::Critical } else { Severity::Warning };
    let next = body.hint.clone().unwrap_or_else(|| {
        format!("On {}: look at the error, mend it, and run `vow backup {}`.", case.run.host, case.source())
    });
    let mut found = Found::new(severity, sentence, next).with("error", error).with("attempt", body.attempt);
    for problem in body.problems.iter().take(5) {
        found = found.with("problem", problem);
    }
    found.said()
}
