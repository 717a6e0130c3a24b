//! When tickets escalate, open again, and are called flapping.

use crate::records::Severity;
use serde::{Deserialize, Serialize};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How tickets behave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TicketSettings {
    /// Ages at which a critical problem that nobody has taken notice of is told again.
    pub escalate_critical_secs: Vec<i64>,
    /// Ages at which another one is raised by a step and told again; a mere notice becomes a warning at most.
    pub escalate_secs: Vec<i64>,
    /// A problem that comes back within this time opens its old ticket again; later, a new one.
    pub reopen_secs: i64,
    /// A ticket that opens and closes by itself this often within [`Self::flap_secs`] is flapping.
    pub flap_turns: usize,
    /// See there.
    pub flap_secs: i64,
    /// It is not flapping any more when it has not turned for so long.
    pub flap_quiet_secs: i64,
    /// A problem that is only seen again is stored this often.
    pub again_secs: i64,
}

impl Default for TicketSettings {
    fn default() -> Self {
        Self {
            escalate_critical_secs: vec![HOUR, 4 * HOUR, DAY],
            escalate_secs: vec![DAY, 3 * DAY, 7 * DAY],
            reopen_secs: 7 * DAY,
            flap_turns: 5,
            flap_secs: DAY,
            flap_quiet_secs: 6 * HOUR,
            again_secs: 300,
        }
    }
}

impl TicketSettings {
    /// How many steps a ticket has taken that the rule calls `judged` and that is open for so long.
    pub(super) fn steps_due(&self, judged: Severity, age_secs: i64) -> u32 {
        let ages =
            if judged == Severity::Critical { &self.escalate_critical_secs } else { &self.escalate_secs };
        u32::try_from(ages.iter().filter(|age| age_secs >= **age).count()).unwrap_or(u32::MAX)
    }
}

/// A severity after steps of escalation.
pub(super) fn raised(judged: Severity, steps: u32) -> Severity {
    match (judged, steps) {
        (severity, 0) => severity,
        (Severity::Notice, _) => Severity::Warning,
        _ => Severity::Critical,
    }
}
