//! When the plan wants a source next.

use vow_agent::plan::{Config, Timing};
use vow_agent::schedule::spread;

/// When it is due after `now_secs`, as far as only the plan counts.
pub(crate) fn next_secs(config: &Config, source: &str, now_secs: i64) -> Option<i64> {
    let timing = config.timings.get(source)?;
    let delay = delay_secs(config, source, timing);
    Some(timing.calendar.as_ref()?.next_after(now_secs - delay)? + delay)
}

/// How much later than its schedule it begins.
pub(crate) fn delay_secs(config: &Config, source: &str, timing: &Timing) -> i64 {
    let most = u32::try_from(timing.jitter.as_secs()).unwrap_or(u32::MAX);
    // Sources of one group begin together.
    spread(&format!("{}/{}", config.tenant, config.host), config.leader_of(source), most)
}
