//! A dump that does not end as it must is cut off.

use super::words;
use super::{Found, RunCase, Said};
use crate::records::Severity;

pub(super) fn judge(case: &RunCase) -> Said {
    match case.run.body.end_marker {
        // What failed has made no snapshot; where there is no end marker, nothing can be missing.
        None => None,
        Some(true) => Some(vec![]),
        Some(false) => Found::new(
            Severity::Critical,
            format!(
                "{} is cut off: the dump does not end with its end marker, after {}.",
                case.source(),
                words::bytes(case.run.body.bytes as f64)
            ),
            "Do not count on this snapshot. Look for a full disk, a killed dump or a lost connection on the host, and run it again.",
        )
        .with("bytes", case.run.body.bytes)
        .said(),
    }
}
