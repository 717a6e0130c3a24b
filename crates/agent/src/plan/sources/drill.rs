//! What every source may say about its drills: what is expected of it, how soon it is to be restored, how often to be proven.

use super::Common;
use crate::drill::expect::Expect;
use crate::drill::rotation::parse_bytes;
use crate::plan::fault::{Checked, fault};
use serde::Deserialize;
use toml::Spanned;

/// A source is proven within a week when the plan does not say.
const DRILL_WITHIN_SECS: u64 = 7 * 86_400;

/// How a source is drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillPlan {
    /// What is expected of its files.
    pub expect: Vec<Expect>,
    /// Seconds within which it should be restored.
    pub restore_target_secs: Option<u64>,
    /// Seconds within which it is to be proven again.
    pub within_secs: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpect {
    path: Spanned<String>,
    exists: Option<Spanned<bool>>,
    larger_than: Option<Spanned<String>>,
    newer_than: Option<Spanned<String>>,
    contains: Option<Spanned<String>>,
    count_at_least: Option<Spanned<i64>>,
}

pub(super) fn plan(common: &Common) -> Checked<DrillPlan> {
    let kind = common.kind.get_ref();
    if let Some(first) = common.expect.first().filter(|_| kind != "files") {
        return Err(fault(
            first,
            format!("expect is for sources of type \"files\", and this one is of type {kind:?}"),
        ));
    }
    Ok(DrillPlan {
        expect: common.expect.iter().map(expect).collect::<Checked<_>>()?,
        restore_target_secs: common.restore_target.as_ref().map(term).transpose()?,
        within_secs: common.drill_within.as_ref().map(term).transpose()?.unwrap_or(DRILL_WITHIN_SECS),
    })
}

fn expect(raw: &Spanned<RawExpect>) -> Checked<Expect> {
    let RawExpect { path, exists, larger_than, newer_than, contains, count_at_least } = raw.get_ref();
    absolute(path)?;
    if let Some(exists) = exists.as_ref().filter(|exists| !exists.get_ref()) {
        return Err(fault(exists, "only what should be there can be expected: exists = true"));
    }
    if exists.is_none()
        && larger_than.is_none()
        && newer_than.is_none()
        && contains.is_none()
        && count_at_least.is_none()
    {
        return Err(fault(
            path,
            "nothing is expected of it: say exists, larger_than, newer_than, contains or count_at_least",
        ));
    }
    let count = |number: &Spanned<i64>| {
        let least = u64::try_from(*number.get_ref()).ok().filter(|least| *least > 0);
        least.ok_or_else(|| fault(number, "this is a number from 1 on"))
    };
    if let Some(text) = contains.as_ref().filter(|text| text.get_ref().is_empty()) {
        return Err(fault(text, "every file contains an empty text"));
    }
    Ok(Expect {
        path: path.get_ref().clone(),
        larger_than_bytes: larger_than.as_ref().map(size).transpose()?,
        newer_than_secs: newer_than.as_ref().map(term).transpose()?,
        contains: contains.as_ref().map(|text| text.get_ref().clone()),
        count_at_least: count_at_least.as_ref().map(count).transpose()?,
    })
}

/// `10 kB`, `2 GiB`.
pub(in crate::plan) fn size(text: &Spanned<String>) -> Checked<u64> {
    parse_bytes(text.get_ref())
        .ok_or_else(|| fault(text, "a size is a whole number, with kB, MB, GB, KiB, MiB or GiB behind it"))
}

fn absolute(path: &Spanned<String>) -> Checked<()> {
    match path.get_ref().starts_with('/') && path.get_ref().len() > 1 {
        true => Ok(()),
        false => Err(fault(path, "this is an absolute path, as the snapshot has it")),
    }
}

/// `90 s`, `15 min`, `4 h`, `2 days`.
fn term(raw: &Spanned<String>) -> Checked<u64> {
    let text = raw.get_ref().trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        _ => 0,
    };
    let secs = digits.parse::<u64>().ok().filter(|_| unit > 0).and_then(|number| number.checked_mul(unit));
    let secs = secs.filter(|secs| *secs > 0);
    secs.ok_or_else(|| {
        fault(raw, "a time is a whole number with s, min, h, days or weeks behind it: \"4 h\"")
    })
}
