//! There is a snapshot, and something is missing: in it, or on a level.

use super::words;
use super::{Found, RunCase, Said};
use crate::records::Severity;
use vow_protocol::report::Outcome;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    if body.outcome == Outcome::Failed {
        return None;
    }
    let missed: Vec<_> = body.levels.iter().filter(|level| level.received == Some(false)).collect();
    if body.outcome == Outcome::Ok && missed.is_empty() && body.errors == 0 {
        return Some(vec![]);
    }
    // One cause, one ticket: a vault that does not answer the console either has its own, and would have one here for every source there is.
    let is_away = |name: &str| case.around.levels.iter().any(|level| level.name == name && level.away);
    let absent: Vec<_> = missed.iter().filter(|level| !is_away(&level.name)).collect();
    if absent.is_empty() && !missed.is_empty() && body.errors == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if body.errors > 0 {
        let first = body.problems.first().map(|first| format!(", the first: {first}")).unwrap_or_default();
        let of = if body.files > 0 {
            format!(" beside {}", words::count(body.files, "captured file"))
        } else {
            String::new()
        };
        parts.push(format!("{} could not be captured{of}{first}", words::count(body.errors, "thing")));
    }
    if !absent.is_empty() {
        let names = words::names(absent.iter().map(|level| level.name.as_str()), 5);
        let why = absent.iter().find_map(|level| level.error.as_deref());
        parts.push(format!(
            "not received by {names}{}",
            why.map(|why| format!(" ({why})")).unwrap_or_default()
        ));
    }
    if parts.is_empty() {
        parts.push("the host says that something is missing, without saying what".to_owned());
    }
    let sentence = format!("{} is not whole: {}.", case.source(), parts.join("; "));
    let next = body.hint.clone().unwrap_or_else(|| match (absent.is_empty(), body.errors > 0) {
        (false, _) => {
            "Look whether that vault can be reached from the host; the next run sends what is missing."
                .to_owned()
        }
        (true, _) => format!(
            "Make it readable, exclude it by name, or accept it: `vow backup {}` lists all.",
            case.source()
        ),
    });
    let mut found = Found::new(Severity::Warning, sentence, next);
    for problem in body.problems.iter().take(10) {
        found = found.with("problem", problem);
    }
    for level in absent {
        found =
            found.with(&format!("level {}", level.name), level.error.as_deref().unwrap_or("not received"));
    }
    found.said()
}
