//! Drills: proven within the term, nothing wrong, quick enough.

use super::{Said, Sheet, span};
use crate::audit::facts::{HostFact, SourceFact};
use crate::records::Severity;

pub(super) fn source(sheet: &mut Sheet<'_>, host: &HostFact, source: &SourceFact) {
    let about = || (host.name.as_str(), format!("{}/{}", host.name, source.name));
    if sheet.policy.proven || sheet.policy.drill_days.is_some() {
        let said = drill(sheet, source);
        sheet.put("drill", about(), said);
    }
    let wanted = match (source.restore_target_secs, sheet.policy.restore_minutes) {
        (Some(plan), Some(policy)) => Some(plan.min(u64::from(policy) * 60)),
        (plan, policy) => plan.or(policy.map(|minutes| u64::from(minutes) * 60)),
    };
    if let Some(wanted) = wanted {
        sheet.put("restore", about(), restore(source, wanted as f64));
    }
}

fn drill(sheet: &Sheet<'_>, source: &SourceFact) -> Said {
    let bad: Vec<_> = source
        .copies
        .iter()
        .filter(|copy| matches!(copy.verdict.as_deref(), Some("failed" | "broken")))
        .map(|copy| copy.level.as_str())
        .collect();
    if !bad.is_empty() {
        return Said::finding(
            Severity::Critical,
            format!("The newest drill of {} from {} found something wrong.", source.name, bad.join(", ")),
            "Read the drill, back up again, and repeat it: `vow drill`.",
        );
    }
    let proven = source.copies.iter().filter_map(|copy| copy.proven_secs).max();
    let Some(days) = sheet.policy.drill_days else {
        return match proven {
            Some(at) => Said::pass(format!("It was proven {} ago.", span(sheet.now_secs - at))),
            None => Said::unknown(
                format!("{} was never proven.", source.name),
                "Run `vow drill` on a drill host.",
            ),
        };
    };
    let term = i64::from(days) * 86_400;
    match proven {
        Some(at) if sheet.now_secs - at <= term => {
            Said::pass(format!("It was proven {} ago.", span(sheet.now_secs - at)))
        }
        Some(at) => Said::finding(
            Severity::Warning,
            format!(
                "{} was last proven {} ago; {days} days were agreed.",
                source.name,
                span(sheet.now_secs - at)
            ),
            "Give the drill host's nightly budget more time, or run `vow drill` for it.",
        ),
        None if sheet.now_secs - source.since_secs <= term => Said::unknown(
            format!("{} is new, and was not proven yet.", source.name),
            "The drill host's next night should prove it.",
        ),
        None => Said::finding(
            Severity::Warning,
            format!("{} was never proven, in {}.", source.name, span(sheet.now_secs - source.since_secs)),
            "Run `vow drill` on a drill host.",
        ),
    }
}

fn restore(source: &SourceFact, wanted: f64) -> Said {
    let quickest = source.copies.iter().filter_map(|copy| Some((copy.restore_secs?, copy.level.as_str())));
    let words = |secs: f64| crate::rules::words::span(secs);
    match quickest.min_by(|a, b| a.0.total_cmp(&b.0)) {
        None => Said::unknown(
            format!("How long restoring {} takes was never measured.", source.name),
            "A drill measures it: `vow drill`.",
        ),
        Some((secs, level)) if secs <= wanted => {
            Said::pass(format!("Restored in {} from {level}; {} were agreed.", words(secs), words(wanted)))
        }
        Some((secs, level)) => Said::finding(
            Severity::Warning,
            format!(
                "Restoring {} took {} from {level}, the quickest level; {} were agreed.",
                source.name,
                words(secs),
                words(wanted)
            ),
            "Add a nearer or faster level, split the source, or agree on another target.",
        ),
    }
}
