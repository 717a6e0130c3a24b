//! It took much longer or much shorter than usual.

use super::words;
use super::{Found, RunCase, Said};
use crate::records::{RuleName, Severity};

/// While learning, only this many times the median speaks.
const GROSS: f64 = 8.0;
/// The share of the median below which it is too short, however much it varies.
const WIDE: f64 = 0.85;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    if !case.has_snapshot() {
        return None;
    }
    let usual = super::usual::usual(case, RuleName::Duration, |past| Some(past.duration_secs))?;
    let (tolerance, took) = (&case.settings.duration, body.duration_secs);
    let (up_share, down_share) = match usual.learning {
        true => (tolerance.up_share.max(GROSS - 1.0), tolerance.down_share.max(1.0 - 1.0 / GROSS)),
        false => (tolerance.up_share, tolerance.down_share),
    };
    let spread = case.settings.spreads * usual.spread;
    let over = took - usual.median;
    // What is twice as large may take twice as long; the rule about its size tells that.
    let size = super::usual::usual(case, RuleName::Size, |past| Some(past.bytes as f64));
    let larger = size.map_or(1.0, |size| body.bytes as f64 / size.median.max(1.0)).max(1.0);
    let (unexplained, most) = (took - usual.median * larger, usual.most * larger * 1.2);
    let long =
        unexplained > (spread.max(up_share * usual.median) * larger).max(tolerance.up_floor) && took > most;
    // Nothing can be more than the whole below what is usual, however much that varies.
    let short = -over
        > spread.min(WIDE * usual.median).max(down_share * usual.median).max(tolerance.down_floor)
        && took < usual.least * 0.8;
    if !long && !short {
        return Some(vec![]);
    }
    let range = words::span_range(usual.low, usual.high);
    let (word, next) = if long {
        (
            "took long",
            "Look what else ran on the host, whether its disk or network is slow, and whether the vault is.",
        )
    } else {
        ("was done suspiciously soon", "Look whether everything that belongs to the source was still there.")
    };
    let severity = if long { Severity::Warning } else { Severity::Notice };
    Found::new(
        severity,
        format!("{} {word}: {}, usually {range}{}.", case.source(), words::span(took), usual.when()),
        next,
    )
    .with("took", words::span(took))
    .with("median", words::span(usual.median))
    .with("usually", range)
    .said()
}
