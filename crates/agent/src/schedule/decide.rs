//! What is due now, and when to look again.

use super::{Job, JobMemory, Memory, Plan};
use std::collections::BTreeMap;

/// An anchor or a retry that lies further ahead than this was set while the clock was wrong, in seconds. Less is a clock that was put
/// back a little: nothing is run twice for that.
const AHEAD_MOST_SECS: i64 = 26 * 3600;
/// A job that may not be caught up may still begin this late, in seconds: the agent does not look every second.
const LATE_LEAST_SECS: i64 = 90;

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What begins now, in this order.
    pub start: Vec<Start>,
    /// Slots that count as dealt with although nothing was run for them.
    pub settled: Vec<Settled>,
    /// When to look again; `None` when nothing is due any more, until something ends or changes.
    pub wake_secs: Option<i64>,
    /// When each job is due next, after what begins now.
    pub next: BTreeMap<String, i64>,
}

/// A job that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub key: String,
    /// The slot it is for.
    pub slot_secs: i64,
    /// How many times it was begun for this slot, counted from 1.
    pub attempt: u32,
}

/// A job whose anchor moves without a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub key: String,
    /// The new anchor.
    pub anchor_secs: i64,
    /// Why.
    pub why: Why,
}

/// Why an anchor moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The slot was missed, and the plan wants no catching up that late.
    TooLate,
    /// It lay so far ahead that the clock must have been wrong.
    ClockWasWrong,
}

/// Where a job stands.
enum Standing {
    /// It may begin.
    Due { since_secs: i64, slot_secs: i64, attempt: u32 },
    /// Not before.
    At(i64),
    /// Nothing is planned.
    Never,
}

/// What is due at `now_secs`, given what is remembered. Jobs that are not remembered yet are not due: [`Memory::meet`] them first.
pub fn decide(plan: &Plan, memory: &Memory, now_secs: i64) -> Decision {
    let mut decision = Decision::default();
    let mut due = Vec::new();
    for job in &plan.jobs {
        let Some(remembered) = memory.jobs.get(&job.key) else { continue };
        let standing = standing(job, remembered, now_secs, &mut decision.settled);
        let running = remembered.running_since_secs.is_some();
        let planned = match standing {
            Standing::Due { since_secs, slot_secs, attempt } if !running => {
                due.push((since_secs, job, Start { key: job.key.clone(), slot_secs, attempt }));
                job.calendar
                    .as_ref()
                    .and_then(|calendar| calendar.next_after(now_secs))
                    .map(|slot| slot + job.delay_secs)
            }
            // What became due while it runs begins when it has ended.
            Standing::Due { .. } => Some(now_secs),
            Standing::At(at) => {
                if !running {
                    wake(&mut decision.wake_secs, at);
                }
                Some(at)
            }
            Standing::Never => None,
        };
        if let Some(at) = planned {
            decision.next.insert(job.key.clone(), at);
        }
    }
    due.sort_by(|a, b| (a.0, &a.1.key).cmp(&(b.0, &b.1.key)));
    let is_running =
        |job: &&Job| memory.jobs.get(&job.key).is_some_and(|job| job.running_since_secs.is_some());
    let mut busy: Vec<_> = plan.jobs.iter().filter(is_running).map(|job| job.what).collect();
    for (_, job, start) in due {
        // What does not fit begins when something ends, and then the agent looks again.
        if busy.len() < plan.parallel.max(1) && !busy.contains(&job.what) {
            busy.push(job.what);
            if let Some(next) = decision.next.get(&job.key).copied() {
                wake(&mut decision.wake_secs, next);
            }
            decision.start.push(start);
        } else {
            decision.next.insert(job.key.clone(), now_secs);
        }
    }
    decision
}

fn standing(job: &Job, memory: &JobMemory, now: i64, settled: &mut Vec<Settled>) -> Standing {
    let mut settle = |anchor_secs, why| settled.push(Settled { key: job.key.clone(), anchor_secs, why });
    let mut anchor = memory.anchor_secs;
    if anchor > now.saturating_add(AHEAD_MOST_SECS) {
        anchor = now;
        settle(anchor, Why::ClockWasWrong);
    }
    let retry =
        memory.retry_at_secs.map(|at| if at > now.saturating_add(AHEAD_MOST_SECS) { now } else { at });
    let passed = now.saturating_sub(job.delay_secs);
    let calendar = job.calendar.as_ref();
    let mut slot = calendar.and_then(|calendar| calendar.newest_between(anchor, passed));
    if let Some(late) = slot.filter(|slot| is_too_late(job, now - slot - job.delay_secs)) {
        settle(late, Why::TooLate);
        (anchor, slot) = (late, None);
    }
    let due = match (slot, retry) {
        // A new slot takes the place of what is left of the last one.
        (Some(slot), _) => Some((slot + job.delay_secs, slot, 1)),
        (None, Some(at)) if at <= now => Some((at, memory.anchor_secs, memory.attempt + 1)),
        _ => None,
    };
    if let Some((since_secs, slot_secs, attempt)) = due {
        let zone = calendar.map(|calendar| calendar.zone());
        return match (&job.window, zone) {
            (Some(window), Some(zone)) if !window.is_open(zone, now) => {
                Standing::At(window.opens_after(zone, now))
            }
            _ => Standing::Due { since_secs, slot_secs, attempt },
        };
    }
    let next = calendar
        .and_then(|calendar| calendar.next_after(anchor.max(passed)))
        .map(|slot| slot + job.delay_secs);
    match (next, retry) {
        (Some(next), Some(retry)) => Standing::At(next.min(retry)),
        (Some(at), None) | (None, Some(at)) => Standing::At(at),
        (None, None) => Standing::Never,
    }
}

/// A window that was closed meanwhile makes nothing late.
fn is_too_late(job: &Job, late_secs: i64) -> bool {
    let window_secs = if job.window.is_some() { 86_400 } else { 0 };
    job.catch_up_secs.is_some_and(|most| late_secs > most.max(LATE_LEAST_SECS).saturating_add(window_secs))
}

fn wake(at: &mut Option<i64>, other: i64) {
    *at = Some(at.map_or(other, |at| at.min(other)));
}
