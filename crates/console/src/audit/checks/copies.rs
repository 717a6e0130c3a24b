//! Copies: how many, on what, where, how far away, how old, how long kept and locked.

use super::{Said, Sheet, span};
use crate::audit::facts::{CopyFact, HostFact, SourceFact, VaultFact};
use crate::records::Severity;
use std::collections::BTreeSet;

const DAY_SECS: i64 = 86_400;

pub(super) fn source(sheet: &mut Sheet<'_>, host: &HostFact, source: &SourceFact) {
    let about = || (host.name.as_str(), format!("{}/{}", host.name, source.name));
    let said = number(sheet, host, source);
    sheet.put("copies", about(), said);
    if let Some(km) = sheet.policy.apart_km {
        let said = distance(sheet, host, source, km);
        sheet.put("distance", about(), said);
    }
    if let Some(hours) = sheet.policy.age_hours {
        let said = age(sheet, source, hours);
        sheet.put("age", about(), said);
    }
    if let Some(days) = sheet.policy.lock_days {
        let said = lock(sheet, source, days);
        sheet.put("lock", about(), said);
    }
    if let Some(days) = sheet.policy.keep_days {
        let said = kept(sheet, source, days);
        sheet.put("retention", about(), said);
    }
}

/// Levels that have a copy, by a receipt where the vault is watched.
fn there(source: &SourceFact) -> impl Iterator<Item = &CopyFact> {
    source.copies.iter().filter(|copy| copy.received_secs.is_some())
}

fn vault_of<'f>(sheet: &Sheet<'f>, copy: &CopyFact) -> Option<&'f VaultFact> {
    sheet.facts.vaults.get(copy.vault.as_deref()?)
}

fn number(sheet: &Sheet<'_>, host: &HostFact, source: &SourceFact) -> Said {
    let policy = sheet.policy;
    let claimed =
        source.copies.iter().filter(|copy| copy.received_secs.is_none() && copy.reported == Some(true));
    let claimed: Vec<_> = claimed.map(|copy| copy.level.as_str()).collect();
    // Two levels on one vault are one copy.
    let mut vaults = BTreeSet::new();
    let (mut media, mut offsite, mut immutable) = (BTreeSet::from(["the host".to_owned()]), 0, 0);
    let mut undescribed = Vec::new();
    for copy in there(source) {
        if !vaults.insert(copy.vault.clone().unwrap_or_else(|| copy.level.clone())) {
            continue;
        }
        let Some(vault) = vault_of(sheet, copy) else { continue };
        let record = &vault.record;
        if record.medium.is_empty() || record.place.name.is_empty() {
            undescribed.push(vault.name.as_str());
        }
        // A disk of the host's own place and kind is still another disk.
        if !record.medium.is_empty() {
            media.insert(record.medium.to_lowercase());
        }
        let is_away = !record.place.name.is_empty() && record.place.name != host.record.place.name;
        offsite += u32::from(is_away);
        immutable += u32::from(record.immutable);
    }
    let copies = u32::try_from(vaults.len()).unwrap_or(u32::MAX).saturating_add(1);
    let media = u32::try_from(media.len()).unwrap_or(u32::MAX);
    let lacks: Vec<String> = [
        ("copies", copies, policy.copies),
        ("media", media, policy.media),
        ("at another place", offsite, policy.offsite),
        ("that cannot be changed", immutable, policy.immutable),
    ]
    .into_iter()
    .filter(|(_, is, wanted)| is < wanted)
    .map(|(what, is, wanted)| format!("{is} of {wanted} {what}"))
    .collect();
    let said = if lacks.is_empty() {
        Said::pass(format!(
            "{copies} copies on {media} media, {offsite} at another place, {immutable} that cannot be changed."
        ))
    } else if !claimed.is_empty() && copies < policy.copies {
        Said::unknown(
            format!(
                "{} has {}; the host says that {} received it, and no receipt of that vault is known here.",
                source.name,
                lacks.join(", "),
                claimed.join(", ")
            ),
            "Let this console watch the vault: `vow vault join-token --role console` there, `vow console vault add` here.",
        )
    } else if !undescribed.is_empty() && copies >= policy.copies {
        Said::unknown(
            format!(
                "{} has {}; where {} stands and on what is not written down.",
                source.name,
                lacks.join(", "),
                undescribed.join(", ")
            ),
            "Write down place and medium of the vault on its page.",
        )
    } else {
        let severity = if copies < 2 { Severity::Critical } else { Severity::Warning };
        Said::finding(
            severity,
            format!("{} has {}.", source.name, lacks.join(", ")),
            "Add a level to the plan (`vow vault join`), at another place or on locked storage.",
        )
    };
    let list = there(source).map(|copy| match vault_of(sheet, copy) {
        Some(vault) => format!("{} (vault {})", copy.level, vault.name),
        None => copy.level.clone(),
    });
    said.with("levels with a receipt", list.collect::<Vec<_>>().join(", "))
}

fn distance(sheet: &Sheet<'_>, host: &HostFact, source: &SourceFact, wanted: u32) -> Said {
    let vaults = there(source).filter_map(|copy| vault_of(sheet, copy));
    let known: Vec<(f64, &str)> = vaults
        .filter_map(|vault| Some((host.record.place.km_to(&vault.record.place)?, vault.name.as_str())))
        .collect();
    match known.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
        None => Said::unknown(
            format!("How far the copies of {} are from {} is not known.", source.name, host.name),
            "Write down latitude and longitude of the host and of its vaults.",
        ),
        Some((km, vault)) if km >= f64::from(wanted) => {
            Said::pass(format!("The copy on {vault} is {km:.0} km away."))
        }
        Some((km, vault)) => Said::finding(
            Severity::Warning,
            format!(
                "The furthest copy of {}, on {vault}, is {km:.0} km away; {wanted} km were agreed.",
                source.name
            ),
            "Add a level at a place further away.",
        ),
    }
}

fn age(sheet: &Sheet<'_>, source: &SourceFact, hours: u32) -> Said {
    let most = i64::from(hours) * 3600;
    let is_new = sheet.now_secs - source.since_secs <= most;
    let old: Vec<String> = source
        .copies
        .iter()
        .filter_map(|copy| match copy.received_secs {
            Some(at) if sheet.now_secs - at <= most => None,
            Some(at) => Some(format!("{} is {} old", copy.level, span(sheet.now_secs - at))),
            None if is_new => None,
            None => Some(format!("{} has none by its receipts", copy.level)),
        })
        .collect();
    if source.copies.is_empty() {
        return Said::finding(
            Severity::Critical,
            format!("{} has no level: nothing receives it.", source.name),
            "Name a vault in its plan.",
        );
    }
    if old.is_empty() {
        return Said::pass(format!("The newest copy on each level is younger than {hours} hours."));
    }
    let all = old.len() == source.copies.len();
    let severity = if all { Severity::Critical } else { Severity::Warning };
    Said::finding(
        severity,
        format!("Of the newest copies of {}, {}; {hours} hours were agreed.", source.name, old.join(", ")),
        "See the tickets of the source and its schedule.",
    )
}

fn lock(sheet: &Sheet<'_>, source: &SourceFact, days: u32) -> Said {
    let (mut short, mut unknown, mut yielded) = (Vec::new(), Vec::new(), Vec::new());
    let mut refused = Vec::new();
    for vault in there(source).filter_map(|copy| vault_of(sheet, copy)) {
        match vault.record.lock_days {
            Some(own) if own >= days => {}
            Some(own) => short.push(format!("{} locks for {own} days", vault.name)),
            None => unknown.push(vault.name.clone()),
        }
        match &vault.probe {
            Some(Err(why)) => yielded.push(format!("{}: {why}", vault.name)),
            Some(Ok(said)) => refused.push(format!("{}: {said}", vault.name)),
            None => {}
        }
    }
    let with = |said: Said| match refused.is_empty() {
        true => said,
        false => said.with("tried and refused", refused.join("; ")),
    };
    if !yielded.is_empty() {
        return with(Said::finding(
            Severity::Critical,
            format!(
                "The bucket of a vault of {} does not hold what it promises: {}",
                source.name,
                yielded.join("; ")
            ),
            "Treat the bucket as one that an intruder can empty: set up object lock in compliance mode as docs/vault.md says.",
        ));
    }
    if !short.is_empty() {
        return with(Said::finding(
            Severity::Warning,
            format!("{}; {days} days were agreed.", short.join(", ")),
            "Lengthen `lock` of the vault's rules: `vow vault retain` there says what holds.",
        ));
    }
    if !unknown.is_empty() {
        return with(Said::unknown(
            format!("For how long {} locks is not written down.", unknown.join(", ")),
            "Write it down on the vault's page, from the `lock` of its rules.",
        ));
    }
    with(Said::pass(format!("Every vault with a copy locks for at least {days} days.")))
}

fn kept(sheet: &Sheet<'_>, source: &SourceFact, days: u32) -> Said {
    let wanted = i64::from(days) * DAY_SECS;
    if sheet.now_secs - source.since_secs < wanted {
        return Said::pass(format!(
            "{} is younger than the {days} days for which copies are kept.",
            source.name
        ));
    }
    let longest = source.copies.iter().filter_map(|copy| copy.oldest_secs).min();
    match longest {
        // Schedules have gaps: a tenth of the term, and two days at least.
        Some(oldest) if sheet.now_secs - oldest >= wanted - (wanted / 10).max(2 * DAY_SECS) => {
            Said::pass(format!("The oldest kept copy is {} old.", span(sheet.now_secs - oldest)))
        }
        Some(oldest) => Said::finding(
            Severity::Warning,
            format!(
                "The oldest kept copy of {} is {} old; {days} days were agreed.",
                source.name,
                span(sheet.now_secs - oldest)
            ),
            "Compare `keep` of the vault's rules with the policy; a source that was only added lately needs time.",
        ),
        None => Said::unknown(
            format!("What is kept of {} is not known here.", source.name),
            "Let this console watch its vaults.",
        ),
    }
}
