//! Whether what a host says fits what others see: a taken-over host would say that all is well.

use super::{Said, Sheet, span};
use crate::audit::facts::HostFact;
use crate::records::Severity;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Clocks, queues and vaults that were asked a little later.
const SLACK_SECS: i64 = 6 * 3600;
/// Inventories that are further apart than this say nothing about each other.
const APART_SECS: i64 = 2 * 86_400;

/// A host that says that its vaults have its newest snapshot, while their receipts end long before.
pub(super) fn receipts(sheet: &mut Sheet<'_>, host: &HostFact) {
    let mut lies = Vec::new();
    for source in &host.sources {
        let Some(good) = source.good_secs else { continue };
        for copy in source.copies.iter().filter(|copy| copy.reported == Some(true)) {
            let vault = copy.vault.as_deref().and_then(|print| sheet.facts.vaults.get(print));
            let Some(asked) = vault.and_then(|vault| vault.answered_secs) else { continue };
            let received = copy.received_secs.unwrap_or(0);
            // The vault was asked since, and knows of nothing so new.
            if asked > good + SLACK_SECS && received + SLACK_SECS < good {
                lies.push(format!(
                    "{} on {}: it says that one of {} ago was received, the newest receipt is {}",
                    source.name,
                    copy.level,
                    span(sheet.now_secs - good),
                    if received == 0 {
                        "none".to_owned()
                    } else {
                        format!("{} old", span(sheet.now_secs - received))
                    }
                ));
            }
        }
    }
    let said = match lies.is_empty() {
        true => Said::pass("What it says of its backups fits the receipts of the vaults."),
        false => Said::finding(
            Severity::Critical,
            format!("{} contradicts the receipts of its vaults: {}.", host.name, lies.join("; ")),
            "Treat the host as one that may be taken over, or the vault as one that lost something: compare `vow snapshots` there with the vault.",
        ),
    };
    sheet.put("receipts", (&host.name, host.name.clone()), said);
}

/// A host to whose port others have connections, and which says that nothing listens there.
pub(super) fn ports(sheet: &mut Sheet<'_>) {
    let living = || {
        sheet.facts.hosts.iter().filter(|host| host.closed_secs.is_none() && host.record.gone_secs.is_none())
    };
    let mut owners: BTreeMap<IpAddr, BTreeSet<usize>> = BTreeMap::new();
    let hosts: Vec<&HostFact> = living().collect();
    for (at, host) in hosts.iter().enumerate() {
        for address in host.inventory.iter().flat_map(|inventory| &inventory.addresses) {
            owners.entry(*address).or_default().insert(at);
        }
    }
    let mut seen: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for host in &hosts {
        let Some(own) = &host.inventory else { continue };
        for (address, port) in &own.peers {
            // Private networks repeat: an address that several have is nobody's.
            let Some(owner) =
                owners.get(address).filter(|owners| owners.len() == 1).and_then(|owners| owners.first())
            else {
                continue;
            };
            let Some(other) = hosts.get(*owner).and_then(|other| other.inventory.as_ref()) else { continue };
            let near = (other.made_secs - own.made_secs).abs() <= APART_SECS;
            if other.whole && near && !own.addresses.contains(address) && !other.listening.contains(port) {
                seen.entry(*owner)
                    .or_default()
                    .push(format!("{} is connected to its port {port}", host.name));
            }
        }
    }
    let mut answers = Vec::new();
    for (at, host) in hosts
        .iter()
        .enumerate()
        .filter(|(_, host)| host.inventory.as_ref().is_some_and(|one| !one.addresses.is_empty()))
    {
        let said = match seen.get(&at) {
            None => Said::pass("No other host sees a port open that it does not name."),
            Some(others) => Said::finding(
                Severity::Warning,
                format!(
                    "{} names no service behind a port that other hosts use: {}.",
                    host.name,
                    others.join(", ")
                ),
                "See there what listens (`ss -ltnp`): a service that its inventory hides, or one that was stopped just before it was made.",
            ),
        };
        answers.push((host.name.clone(), said));
    }
    for (name, said) in answers {
        sheet.put("ports", (&name, name.clone()), said);
    }
}
