//! Trying again: which failures pass, how long to wait, when to give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often and how long a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// At most this many tries.
    pub tries: u32,
    /// At most this many tries of what rarely passes: a full disk, bytes that arrive damaged.
    pub few_tries: u32,
    /// No try starts later than this after the first one.
    pub total: Duration,
    /// The pause after the first try is drawn from 0 to this; after each further one from twice as much.
    pub first_pause: Duration,
    /// No pause is drawn from more than this.
    pub longest_pause: Duration,
    /// A vault that asks for a longer pause than this is asked again after this; one that asks for more than `total`, not at all.
    pub longest_after: Duration,
    /// The same for what rarely passes: a vault that asks for a longer pause than this is believed, and not asked again.
    pub few_longest_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 12,
            few_tries: 3,
            total: Duration::from_mins(10),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_mins(1),
            longest_after: Duration::from_mins(2),
            few_longest_after: Duration::from_secs(30),
        }
    }
}

impl Retry {
    /// The same for the first contact: a vault that is away should not hold up the others for long.
    #[must_use]
    pub fn brief(self) -> Self {
        let (total, longest_after) = (Duration::from_secs(20), Duration::from_secs(5));
        Self {
            tries: self.tries.min(3),
            total: self.total.min(total),
            longest_after: self.longest_after.min(longest_after),
            ..self
        }
    }

    /// The pause before try number `next`, counted from 2; at least what the vault asked for.
    fn pause(&self, next: u32, after: Option<Duration>, random: f64) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << (next.saturating_sub(2)).min(20));
        let drawn = doubled.min(self.longest_pause).mul_f64(random.clamp(0.0, 1.0));
        // On top of what was asked for: many hosts may have been asked for the same.
        after.map_or(drawn, |after| after.min(self.longest_after) + drawn)
    }
}

/// Time and chance, so that tests can have their own.
pub trait Timing: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
    /// Waits, or less when there is a reason to stop waiting.
    fn sleep(&self, pause: Duration);
    /// A number from 0 to 1.
    fn random(&self) -> f64;
    /// Whether nobody waits for the result any more.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// The machine's own time and chance.
#[derive(Debug)]
pub struct RealTiming {
    start: Instant,
    cancelled: Arc<AtomicBool>,
}

impl RealTiming {
    /// Time that stops being waited for when `cancelled` becomes true.
    pub fn new(cancelled: Arc<AtomicBool>) -> Self {
        Self { start: Instant::now(), cancelled }
    }
}

impl Timing for RealTiming {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, pause: Duration) {
        const SLICE: Duration = Duration::from_millis(100);
        let until = Instant::now() + pause;
        while !self.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    fn random(&self) -> f64 {
        let mut bytes = [0; 4];
        // Without randomness the pause is the longest one: nobody is crowded.
        getrandom::fill(&mut bytes)
            .map_or(1.0, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// What a failure means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next try would fail too.
    Final,
    /// The next try may succeed; not earlier than this, if the vault said so.
    Passing(Option<Duration>),
    /// The next try may succeed, but there is little hope.
    Stubborn(Option<Duration>),
}

/// Tries until it succeeds, fails for good, or the bounds of `retry` are reached; then the last failure is the answer.
pub(super) fn run<T, E>(
    retry: &Retry,
    timing: &dyn Timing,
    verdict: impl Fn(&E) -> Verdict,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let start = timing.now();
    let mut stubborn = 0;
    for next in 2.. {
        let error = match attempt() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let after = match verdict(&error) {
            Verdict::Final => return Err(error),
            // Until then the vault would say no, and by then nobody waits any more.
            Verdict::Passing(Some(after)) if after > retry.total => return Err(error),
            // Neither a full disk nor a quota is waited for: the other levels go on, and the next run sends what this one lacks.
            Verdict::Stubborn(Some(after)) if after > retry.few_longest_after => return Err(error),
            Verdict::Passing(after) => after,
            Verdict::Stubborn(after) => {
                stubborn += 1;
                if stubborn >= retry.few_tries {
                    return Err(error);
                }
                after
            }
        };
        let pause = retry.pause(next, after, timing.random());
        let too_late = timing.now().saturating_sub(start) + pause > retry.total;
        if next > retry.tries || too_late || timing.is_cancelled() {
            return Err(error);
        }
        timing.sleep(pause);
        if timing.is_cancelled() {
            return Err(error);
        }
    }
    unreachable!("the bound on tries is below the largest number")
}

#[cfg(test)]
mod tests;
