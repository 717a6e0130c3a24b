//! Much more or much less is new than usual: something was rewritten, or nothing is written any more.

use super::words;
use super::{Found, RunCase, Said};
use crate::records::{RuleName, Severity};

/// How much more than ever it must be.
const OUTSIDE: f64 = 1.5;
/// While learning, nothing is known of quiet days: little is never too little.
const GROSS: f64 = 20.0;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    if !case.has_snapshot() {
        return None;
    }
    // The first run sends everything, and is not usual.
    let first = case.past.first().map(|past| past.report.clone());
    let usual = super::usual::usual(case, RuleName::NewBytes, |past| {
        (Some(&past.report) != first.as_ref()).then_some(past.added_bytes as f64)
    })?;
    let (tolerance, added, bytes) = (&case.settings.new_bytes, body.added_bytes as f64, body.bytes as f64);
    let spread = case.settings.spreads * usual.spread;
    let up_share = if usual.learning { tolerance.up_share.max(GROSS - 1.0) } else { tolerance.up_share };
    // What a source has grown by is new, and the rule about its size tells that.
    let size = super::usual::usual(case, RuleName::Size, |past| Some(past.bytes as f64));
    let rewritten = added - size.map_or(0.0, |size| (bytes - size.high).max(0.0));
    let over = rewritten - usual.median;
    let much = over > spread.max(up_share * usual.median).max(tolerance.up_floor)
        && rewritten > usual.most * OUTSIDE
        && rewritten > case.settings.new_bytes_share * bytes;
    let little = !usual.learning
        && usual.median - added > (tolerance.down_share * usual.median).max(tolerance.down_floor)
        && added < usual.low * 0.1
        && added < usual.least * 0.5;
    if !much && !little {
        return Some(vec![]);
    }
    let range = words::byte_range(usual.low, usual.high);
    let new = words::bytes(added);
    let (severity, sentence, next) = if much {
        let share = words::percent(added / bytes.max(1.0));
        (
            Severity::Warning,
            format!("{new} of {} were new ({share} of it), usually {range}{}.", case.source(), usual.when()),
            "Look whether data was imported or rewritten on purpose. If nobody knows, think of ransomware: keep the host from overwriting, and look at the files.",
        )
    } else {
        (
            Severity::Warning,
            format!(
                "Only {new} of {} were new, usually {range}{}: it may have stopped being written.",
                case.source(),
                usual.when()
            ),
            "Look whether the application still writes there, and whether an old copy is being captured again.",
        )
    };
    Found::new(severity, sentence, next)
        .with("new", body.added_bytes)
        .with("median", words::bytes(usual.median))
        .with("usually", range)
        .said()
}
