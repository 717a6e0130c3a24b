//! What a host's own audit says, and whether there is one.

use super::{Said, Sheet, span};
use crate::audit::facts::HostFact;
use crate::records::Severity;

const OPEN_NAMED: usize = 20;

pub(super) fn host(sheet: &mut Sheet<'_>, host: &HostFact) {
    let said = audited(sheet, host);
    sheet.put("audited", (&host.name, host.name.clone()), said);
    if let Some(said) = open(sheet, host) {
        sheet.put("coverage", (&host.name, host.name.clone()), said);
    }
}

fn audited(sheet: &Sheet<'_>, host: &HostFact) -> Said {
    let most = i64::from(sheet.policy.audit_hours) * 3600;
    let step = "See that its agent runs (`vow agent`), or run `vow audit` there as root.";
    match (host.audited_secs, &host.audit) {
        (Some(at), Some(audit)) if sheet.now_secs - at <= most => match audit.unseen.first() {
            None => Said::pass(format!("It was audited {} ago.", span(sheet.now_secs - at))),
            Some(first) => Said::unknown(
                format!("Its audit could not see everything: {first}"),
                "Run the agent as root, or accept that with a waiver.",
            )
            .with("not seen", audit.unseen.join("; ")),
        },
        (Some(at), _) => Said::finding(
            Severity::Warning,
            format!("{} was last audited {} ago.", host.name, span(sheet.now_secs - at)),
            step,
        ),
        _ if sheet.now_secs - host.since_secs <= most => {
            Said::unknown(format!("{} is new, and was not audited yet.", host.name), step)
        }
        _ => Said::finding(Severity::Warning, format!("{} was never audited.", host.name), step),
    }
}

/// The findings themselves have tickets of their own; here they count.
fn open(sheet: &Sheet<'_>, host: &HostFact) -> Option<Said> {
    let audit = host.audit.as_ref()?;
    let open: Vec<_> = audit.findings.iter().filter(|one| !one.is_waived(sheet.now_secs)).collect();
    let Some(worst) = open.iter().map(|one| one.severity).max() else {
        return Some(Said::pass(format!(
            "Everything that it found is covered or accepted: {} things, {} accepted.",
            audit.covered,
            audit.findings.len()
        )));
    };
    let names: Vec<_> = open.iter().take(OPEN_NAMED).map(|one| one.finding.as_str()).collect();
    let number = open.len() + audit.more;
    Some(
        Said::finding(
            worst,
            format!("The audit of {} has {number} open findings.", host.name),
            "Close each with the lines that are offered, or accept it in the host's plan with a [[waiver]].",
        )
        .with("open", names.join(", "))
        .with("bytes of unknown things", audit.unknown_bytes),
    )
}
