//! One number for a tenant. It must not become better by taking hosts away: a host that vanished counts as nothing, and one that was
//! decommissioned counts for a year as what it was.

use super::checks::{Answer, Checked};
use super::facts::HostFact;
use super::policy::Policy;
use crate::records::Severity;

/// Points of something, 0 to 100.
pub type Points = i64;

const FULL: Points = 100;
const YEAR_SECS: i64 = 365 * 86_400;

/// What a finding costs.
fn cost(checked: &Checked) -> Points {
    match (checked.answer, checked.severity) {
        (Answer::Pass | Answer::Waived, _) => 0,
        (Answer::Unknown, _) => 10,
        (Answer::Finding, Severity::Critical) => 50,
        (Answer::Finding, Severity::Warning) => 20,
        (Answer::Finding, Severity::Notice) => 5,
    }
}

/// Whether a host is gone without anybody having said so.
pub(super) fn is_vanished(host: &HostFact, policy: &Policy, now_secs: i64) -> bool {
    if host.record.gone_secs.is_some() {
        return false;
    }
    let heard = host.heard_secs.max(host.received_secs).unwrap_or(host.since_secs);
    host.closed_secs.is_some() || now_secs - heard > i64::from(policy.vanished_days) * 86_400
}

/// The points of a host; `None` when it counts no more.
pub fn points_of_host(
    host: &HostFact,
    checked: &[Checked],
    policy: &Policy,
    now_secs: i64,
) -> Option<Points> {
    if let Some(gone) = host.record.gone_secs {
        return (now_secs - gone < YEAR_SECS).then_some(host.record.gone_points.clamp(0, FULL));
    }
    if is_vanished(host, policy, now_secs) {
        return Some(0);
    }
    let costs: Points = checked.iter().filter(|one| one.host == host.name).map(cost).sum();
    Some((FULL - costs).max(0))
}

/// The score of a tenant; `None` while it has no hosts.
pub fn score(hosts: &[HostFact], checked: &[Checked], policy: &Policy, now_secs: i64) -> Option<Points> {
    let of = |host: &HostFact| points_of_host(host, checked, policy, now_secs);
    let points: Vec<Points> = hosts.iter().filter_map(of).collect();
    let number = Points::try_from(points.len()).ok().filter(|number| *number > 0)?;
    let common: Points = checked.iter().filter(|one| one.host.is_empty()).map(cost).sum();
    Some((points.iter().sum::<Points>() / number - common).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_790_000_000;

    fn host(name: usize) -> HostFact {
        HostFact { name: format!("h{name}"), since_secs: 0, heard_secs: Some(NOW), ..HostFact::default() }
    }

    fn finding(host: usize, severity: Severity) -> Checked {
        Checked { host: format!("h{host}"), severity, answer: Answer::Finding, ..Checked::default() }
    }

    fn severities() -> impl Strategy<Value = Severity> {
        prop_oneof![Just(Severity::Notice), Just(Severity::Warning), Just(Severity::Critical)]
    }

    proptest! {
        /// However bad a host is: silence, closing and decommissioning it never make the number better.
        #[test]
        fn taking_a_host_away_improves_nothing(
            number in 1..8_usize,
            found in proptest::collection::vec((0..8_usize, severities()), 0..30),
            which in 0..8_usize,
        ) {
            let policy = Policy::default();
            let hosts: Vec<_> = (0..number).map(host).collect();
            let checked: Vec<_> = found.into_iter().map(|(at, severity)| finding(at, severity)).collect();
            let before = score(&hosts, &checked, &policy, NOW).expect("there is one");
            let at = which % number;
            let points = points_of_host(&hosts[at], &checked, &policy, NOW).expect("there is one");
            let gone: [fn(&mut HostFact, Points); 3] = [
                |host, _| host.heard_secs = Some(NOW - 8 * 86_400),
                |host, _| host.closed_secs = Some(NOW),
                |host, points| {
                    host.closed_secs = Some(NOW);
                    host.record.gone_secs = Some(NOW);
                    host.record.gone_points = points;
                },
            ];
            for take in gone {
                let mut fewer = hosts.clone();
                take(&mut fewer[at], points);
                // What was found on it is found no more.
                let left: Vec<_> = checked.iter().filter(|one| one.host != format!("h{at}")).cloned().collect();
                prop_assert!(score(&fewer, &left, &policy, NOW).expect("there is one") <= before);
            }
        }
    }

    #[test]
    fn a_clean_tenant_has_a_hundred_and_one_without_hosts_has_none() {
        let policy = Policy::default();
        assert_eq!(score(&[], &[], &policy, NOW), None);
        assert_eq!(score(&[host(1)], &[], &policy, NOW), Some(100));
        assert_eq!(score(&[host(1), host(2)], &[finding(1, Severity::Critical)], &policy, NOW), Some(75));
        let common = Checked { answer: Answer::Unknown, ..Checked::default() };
        assert_eq!(score(&[host(1)], &[common], &policy, NOW), Some(90));
    }
}
