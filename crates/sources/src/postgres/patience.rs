//! How long something is tried again that others keep in the way of.

use super::error::PostgresError;
use super::session::Stop;
use crate::process::ToolError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The pause before the second attempt; each later one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// Somebody who is waited for gets this much at least, even by the last attempt.
const LEFT_MIN: Duration = Duration::from_secs(1);
/// How often a pause looks whether it was asked to stop.
const LOOK: Duration = Duration::from_millis(100);

/// A time limit over all attempts, and their number.
pub(crate) struct Patience {
    began: Instant,
    limit: Duration,
    /// Attempts that are over.
    pub(crate) attempts: u32,
}

impl Patience {
    /// Begins now.
    pub(crate) fn of_secs(secs: u32) -> Self {
        Self { began: Instant::now(), limit: Duration::from_secs(secs.into()), attempts: 0 }
    }

    /// What is left of it; never less than a second.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.began.elapsed()).max(LEFT_MIN)
    }

    /// Counts an attempt that failed because of `why` and pauses, or gives `why` back when there was time enough.
    pub(crate) fn again(&mut self, why: PostgresError, stop: Stop<'_>) -> Result<(), PostgresError> {
        self.attempts += 1;
        if self.began.elapsed() >= self.limit {
            return Err(why);
        }
        let pause = pause(self.attempts, chance());
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if stop() {
                return Err(ToolError::Stopped.into());
            }
            std::thread::sleep(left.min(LOOK));
        }
        Ok(())
    }
}

/// Twice as long each time up to a limit, and between half and all of that, so that no rhythm of others is met again and again.
fn pause(attempts: u32, chance: f64) -> Duration {
    let whole = PAUSE_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(PAUSE_MAX);
    whole.mul_f64(0.5 + chance / 2.0)
}

/// A number from 0 to 1. Nothing depends on its being hard to guess.
fn chance() -> f64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    f64::from(nanos % 1_000_003) / 1_000_003.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let all: Vec<_> = (1..40).map(|attempt| pause(attempt, 1.0)).collect();
        assert_eq!(all[0], PAUSE_FIRST);
        assert!(all.is_sorted() && all.last() == Some(&PAUSE_MAX), "{all:?}");
        assert_eq!(pause(1, 0.0), PAUSE_FIRST / 2);
    }

    #[test]
    fn it_ends_with_the_last_reason() {
        let mut patience = Patience::of_secs(0);
        let why = patience.again(PostgresError::Refused("x".into()), &|| false).expect_err("it is over");
        assert_eq!(why.to_string(), "x");
        assert_eq!(patience.left(), LEFT_MIN);
        let mut long = Patience::of_secs(1000);
        let stopped = long.again(PostgresError::Refused("x".into()), &|| true).expect_err("it is stopped");
        assert!(stopped.is_stopped());
    }
}
