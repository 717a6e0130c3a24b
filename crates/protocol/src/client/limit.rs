//! Bytes per second: one bucket that all connections of a vault draw from.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// No limit is lower than this, in bytes per second: a vault gives up a body that moves less than 16 KiB/s.
pub const RATE_LEAST: u64 = 32 << 10;

/// A transfer that has this much for itself, in bytes per second, is not taken for a stalled one by the vault.
const SHARE_LEAST: u64 = 64 << 10;

/// How much may be drawn at once after a pause, in time.
const BURST: Duration = Duration::from_millis(100);
/// The smallest and the largest piece that is drawn at once, in bytes.
const PIECE: (u64, u64) = (4 << 10, 256 << 10);

/// A bucket that fills at a steady rate.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    /// When everything drawn so far will have been paid for.
    paid: Mutex<Duration>,
}

impl Bucket {
    /// A bucket of this many bytes per second.
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: rate.max(RATE_LEAST), paid: Mutex::default() }
    }

    /// Draws `bytes` at the time `now`. Says how long to wait before they may move.
    pub(super) fn draw(&self, bytes: u64, now: Duration) -> Duration {
        let cost = Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / self.rate);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let start = (*paid).max(now.saturating_sub(BURST));
        *paid = start + cost;
        paid.saturating_sub(now)
    }

    /// How much to draw at once, in bytes: little enough that the flow is even.
    pub(super) fn piece(&self) -> usize {
        piece(Some(self.rate))
    }

    /// How many transfers may share it without starving each other.
    pub(super) fn shares(&self) -> usize {
        (self.rate / SHARE_LEAST).max(1) as usize
    }
}

/// How much is moved at once at this rate, in bytes.
pub(super) fn piece(rate: Option<u64>) -> usize {
    rate.map_or(PIECE.1, |rate| (rate / 16).clamp(PIECE.0, PIECE.1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_second_carries_more_than_the_rate_and_one_burst(
            rate in RATE_LEAST..1 << 30,
            draws in prop::collection::vec((1u64..256 << 10, 0u64..400), 1..200),
        ) {
            let bucket = Bucket::new(rate);
            let mut now = Duration::ZERO;
            let mut moved = Vec::new();
            for (bytes, pause) in draws {
                now += Duration::from_millis(pause);
                moved.push((now + bucket.draw(bytes, now), bytes));
            }
            for (from, _) in &moved {
                let within = |at: &Duration| at >= from && *at < *from + Duration::from_secs(1);
                let sum: u64 = moved.iter().filter(|(at, _)| within(at)).map(|(_, bytes)| bytes).sum();
                // The last piece may end at the very end of the second, however long it is.
                prop_assert!(sum <= rate + rate / 10 + (256 << 10) + 1, "{sum} at {rate}");
            }
        }
    }

    #[test]
    fn a_steady_flow_gets_the_whole_rate() {
        let bucket = Bucket::new(1 << 20);
        let mut now = Duration::ZERO;
        for _ in 0..160 {
            now += bucket.draw(bucket.piece() as u64, now);
        }
        assert!((9.85..=10.0).contains(&now.as_secs_f64()), "{now:?}");
    }

    #[test]
    fn a_low_rate_is_not_shared_by_many() {
        assert_eq!(Bucket::new(1).shares(), 1);
        assert_eq!(Bucket::new(1 << 20).shares(), 16);
    }
}
