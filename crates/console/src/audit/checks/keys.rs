//! Keys: snapshots are sealed to exactly the approved ones, and somebody has shown that each of them still opens.

use super::{Said, Sheet, span};
use crate::audit::facts::{HostFact, SourceFact};
use crate::records::Severity;
use crate::rules::words;
use std::collections::BTreeSet;

pub(super) fn source(sheet: &mut Sheet<'_>, host: &HostFact, source: &SourceFact) {
    let said = recipients(sheet, source);
    sheet.put("recipients", (&host.name, format!("{}/{}", host.name, source.name)), said);
}

fn recipients(sheet: &Sheet<'_>, source: &SourceFact) -> Said {
    let approved: BTreeSet<&str> =
        sheet.facts.records.recipients.iter().map(|one| one.fingerprint.as_str()).collect();
    let Some(sealed) = source.recipients.as_ref().filter(|sealed| !sealed.is_empty()) else {
        return Said::unknown(
            format!("Whom the newest snapshot of {} is sealed to is not known.", source.name),
            "It is reported with its next backup.",
        );
    };
    if approved.is_empty() {
        return Said::unknown(
            format!(
                "{} is sealed to {}; which ones are approved is not written down.",
                source.name,
                words::count(sealed.len() as u64, "key")
            ),
            "Compare them with the recovery keys that people hold, and approve them on the tenant's page.",
        )
        .with("sealed to", sealed.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    let sealed: BTreeSet<&str> = sealed.iter().map(String::as_str).collect();
    let list = |prints: Vec<&&str>| prints.into_iter().copied().collect::<Vec<_>>().join(", ");
    let strangers: Vec<_> = sealed.difference(&approved).collect();
    let lacks: Vec<_> = approved.difference(&sealed).collect();
    let least = usize::try_from(sheet.policy.identities).unwrap_or(usize::MAX);
    let step = "Find out who changed the recipients of its plan. If the keys are right, approve them; else put the approved ones back and run `vow backup`: everything is sent again, sealed to them.";
    let said = if !strangers.is_empty() {
        let and =
            if lacks.is_empty() { String::new() } else { format!(", and {} cannot", list(lacks.clone())) };
        Said::finding(
            Severity::Critical,
            format!(
                "The newest snapshot of {} can be opened by {}, which nobody approved{and}.",
                source.name,
                list(strangers)
            ),
            step,
        )
    } else if !lacks.is_empty() {
        Said::finding(
            Severity::Critical,
            format!(
                "The newest snapshot of {} cannot be opened by the approved key {}.",
                source.name,
                list(lacks)
            ),
            step,
        )
    } else if sealed.len() < least {
        Said::finding(
            Severity::Warning,
            format!(
                "{} is sealed to {}; {least} were agreed.",
                source.name,
                words::count(sealed.len() as u64, "recovery key")
            ),
            "Make another one with `vow key new`, keep it at another place, name it in the plan, and approve it.",
        )
    } else {
        Said::pass(format!("It is sealed to exactly {}.", words::count(sealed.len() as u64, "approved key")))
    };
    said.with("sealed to", sealed.into_iter().collect::<Vec<_>>().join(", "))
}

/// Whether each approved identity was proven within its term.
pub(super) fn identities(sheet: &mut Sheet<'_>) {
    let Some(days) = sheet.policy.identity_days else { return };
    let term = i64::from(days) * 86_400;
    let mut said = Vec::new();
    for approved in &sheet.facts.records.recipients {
        let print = &approved.fingerprint;
        let holder = if approved.holder.is_empty() { "its holder" } else { &approved.holder };
        let step = format!(
            "Ask {holder}: `vow key challenge` on a host, `vow key prove` where the identity is, and the answer back with `vow key accept`."
        );
        let one = match sheet.facts.identities.get(print) {
            Some(at) if sheet.now_secs - at <= term => {
                Said::pass(format!("The identity of {print} was proven {} ago.", span(sheet.now_secs - at)))
            }
            Some(at) => Said::finding(
                Severity::Warning,
                format!(
                    "That somebody still has the identity of {print} was last proven {} ago; {days} days were agreed.",
                    span(sheet.now_secs - at)
                ),
                step,
            ),
            None => Said::finding(
                Severity::Warning,
                format!("That somebody has the identity of {print} was never proven."),
                step,
            ),
        };
        said.push((print.clone(), one));
    }
    for (print, one) in said {
        sheet.put("identity", ("", print), one);
    }
}
