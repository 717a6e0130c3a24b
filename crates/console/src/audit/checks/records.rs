//! Records: who answers for it, whether hosts are there, whether their plans are the approved ones, who is told.

use super::{Said, Sheet, span};
use crate::audit::facts::HostFact;
use crate::audit::{date_of, day_secs};
use crate::records::Severity;

pub(super) fn look(sheet: &mut Sheet<'_>) {
    let said = told(sheet);
    sheet.put("told", ("", String::new()), said);
    if let Some(days) = sheet.policy.review_days {
        let said = owner(sheet, days);
        sheet.put("owner", ("", String::new()), said);
    }
}

fn told(sheet: &Sheet<'_>) -> Said {
    let lacks: Vec<_> =
        sheet.policy.told.iter().filter(|name| !sheet.facts.channels.contains(*name)).cloned().collect();
    let step = "Add the channel to console.toml ([[channel]], docs/rules.md).";
    if !lacks.is_empty() {
        return Said::finding(
            Severity::Warning,
            format!("The console has no channel {}, by which somebody was to be told.", lacks.join(", ")),
            step,
        );
    }
    if sheet.facts.channels.is_empty() {
        return Said::finding(
            Severity::Warning,
            "Nobody is told of tickets: the console has no channel.",
            step,
        );
    }
    Said::pass(format!("{} channels tell of tickets.", sheet.facts.channels.len()))
}

fn owner(sheet: &Sheet<'_>, days: u32) -> Said {
    let records = &sheet.facts.records;
    let step = "Ask the customer who answers for the data and how they are reached, and write it down on the tenant's page.";
    if records.owner.is_empty() || records.contact.is_empty() {
        return Said::finding(
            Severity::Warning,
            "Who answers for this tenant, or how they are reached, is not written down.",
            step,
        );
    }
    match day_secs(&records.reviewed) {
        Some(at) if at > sheet.now_secs + 86_400 => Said::finding(
            Severity::Notice,
            format!("The last review is dated {}, which is to come.", records.reviewed),
            step,
        ),
        Some(at) if sheet.now_secs - at <= i64::from(days) * 86_400 => Said::pass(format!(
            "{} answers for it; reviewed on {} by {}.",
            records.owner, records.reviewed, records.reviewed_by
        )),
        Some(at) => Said::finding(
            Severity::Notice,
            format!(
                "Owner and contact were last reviewed {} ago; {days} days were agreed.",
                span(sheet.now_secs - at)
            ),
            step,
        ),
        None => Said::finding(Severity::Notice, "Owner and contact were never reviewed.", step),
    }
}

pub(super) fn host(sheet: &mut Sheet<'_>, host: &HostFact) {
    let said = alive(sheet, host);
    sheet.put("alive", (&host.name, host.name.clone()), said);
    if sheet.policy.approved_plans && host.record.gone_secs.is_none() && host.closed_secs.is_none() {
        let said = plan(host);
        sheet.put("plan", (&host.name, host.name.clone()), said);
    }
}

fn alive(sheet: &Sheet<'_>, host: &HostFact) -> Said {
    if let Some(at) = host.record.gone_secs {
        return Said::pass(format!(
            "It was decommissioned on {} by {}: {}",
            date_of(at),
            host.record.gone_by,
            host.record.gone_reason
        ));
    }
    let step = "Bring it back, or decommission it on its page with your name and the reason; its copies stay until they expire.";
    if host.closed_secs.is_some() {
        return Said::finding(
            Severity::Warning,
            format!("{} is closed, and nobody has said why.", host.name),
            step,
        );
    }
    if sheet.vanished(host) {
        let heard = host.heard_secs.max(host.received_secs);
        let since = heard.map_or_else(
            || "was never heard of".to_owned(),
            |at| format!("has not been heard of for {}", span(sheet.now_secs - at)),
        );
        return Said::finding(Severity::Critical, format!("{} {since}.", host.name), step);
    }
    Said::pass("It is heard of.")
}

fn plan(host: &HostFact) -> Said {
    let (approved, now) = (host.record.plan.as_deref(), host.plan.as_deref());
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    match (approved, now) {
        (_, None) => Said::unknown(
            format!("Which plan {} has is not known.", host.name),
            "It is reported by its agent and with each backup.",
        ),
        (None, Some(now)) => Said::finding(
            Severity::Notice,
            format!("The plan of {} was never approved.", host.name),
            "Read vow.toml there (`vow config show`), and approve it on the host's page.",
        )
        .with("plan", short(now)),
        (Some(approved), Some(now)) if approved == now => Said::pass(format!(
            "Its plan is the one that {} approved on {}.",
            host.record.plan_by,
            date_of(host.record.plan_secs)
        ))
        .with("plan", short(now)),
        (Some(approved), Some(now)) => Said::finding(
            Severity::Warning,
            format!(
                "The plan of {} is another one than {} approved on {}.",
                host.name,
                host.record.plan_by,
                date_of(host.record.plan_secs)
            ),
            "Read vow.toml there, find out who changed it, and approve it on the host's page.",
        )
        .with("plan", short(now))
        .with("approved", short(approved)),
    }
}
