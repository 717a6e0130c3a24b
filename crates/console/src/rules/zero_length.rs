//! A snapshot without a single byte.

use super::usual::usual;
use super::words;
use super::{Found, RunCase, Said};
use crate::records::{RuleName, Severity};

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    if !case.has_snapshot() {
        return None;
    }
    // A ping says that something ran, not how much it was.
    if body.source_type == crate::import::PLAIN_TYPE {
        return None;
    }
    // An empty source that a person has called expected stays so until it has had bytes.
    let expected = case.marked_since(RuleName::ZeroLength).is_some_and(|since| {
        case.past.iter().filter(|past| past.started_secs >= since).all(|past| past.bytes == 0)
    });
    if body.bytes > 0 || expected {
        return Some(vec![]);
    }
    let usually = usual(case, RuleName::ZeroLength, |past| Some(past.bytes as f64));
    let usually = match &usually {
        Some(usual) => format!(", usually {}{}", words::byte_range(usual.low, usual.high), usual.when()),
        None => String::new(),
    };
    let files = words::count(body.files, "file");
    Found::new(
        Severity::Critical,
        format!("{} has no bytes at all: {files}, 0 B{usually}.", case.source()),
        "Look whether the source is mounted, and whether the program that makes it works; the snapshots before this one are still there.",
    )
    .with("files", body.files)
    .said()
}
