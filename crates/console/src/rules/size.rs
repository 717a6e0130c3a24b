//! Much larger or smaller than usual.

use super::usual::usual;
use super::words;
use super::{Found, RunCase, Said};
use crate::records::{RuleName, Severity};

/// While learning, only this many times the median speaks.
const GROSS: f64 = 4.0;
/// How far outside of everything seen it must be, as a share of that.
const OUTSIDE: f64 = 0.05;
/// A loss of this share of the median speaks, however much the size varies, when it never was so small.
const WIDE: f64 = 0.6;
/// A loss of this share of the median is critical.
const CRITICAL_LOSS: f64 = 0.5;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    // Zero has a rule of its own.
    if !case.has_snapshot() || body.bytes == 0 {
        return None;
    }
    let usual = usual(case, RuleName::Size, |past| Some(past.bytes as f64))?;
    let (tolerance, bytes) = (&case.settings.size, body.bytes as f64);
    let (up_share, down_share) = match usual.learning {
        true => (tolerance.up_share.max(GROSS - 1.0), tolerance.down_share.max(1.0 - 1.0 / GROSS)),
        false => (tolerance.up_share, tolerance.down_share),
    };
    let spread = case.settings.spreads * usual.spread;
    let over = bytes - usual.median;
    let grown = over > spread.max(up_share * usual.median).max(tolerance.up_floor)
        && bytes > usual.high * (1.0 + OUTSIDE);
    let shrunk = -over
        > spread.min(WIDE * usual.median).max(down_share * usual.median).max(tolerance.down_floor)
        && bytes < usual.low * (1.0 - OUTSIDE);
    if !grown && !shrunk {
        return Some(vec![]);
    }
    let range = words::byte_range(usual.low, usual.high);
    let by = words::percent(over.abs() / usual.median.max(1.0));
    let (severity, word, next) = if grown {
        (
            Severity::Warning,
            "more",
            "Look what grew: `vow diff` with the snapshot before names it. If this is how it is now, mark it as expected.",
        )
    } else {
        let lost = -over / usual.median.max(1.0);
        (
            if lost >= CRITICAL_LOSS { Severity::Critical } else { Severity::Warning },
            "less",
            "Look what is gone: `vow diff` with the snapshot before names it. If it was removed on purpose, mark it as expected.",
        )
    };
    Found::new(
        severity,
        format!(
            "{} was {}, usually {range}{} ({by} {word}).",
            case.source(),
            words::bytes(bytes),
            usual.when()
        ),
        next,
    )
    .with("bytes", body.bytes)
    .with("median", words::bytes(usual.median))
    .with("usually", range)
    .said()
}
