//! A token bucket: so much in a time on average, so much at once. Pure: the time is handed in.

use std::time::{Duration, Instant};

/// A token bucket. What is taken beyond its content is owed, and has to be waited for.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// What one token costs, in nanoseconds.
    each: f64,
    /// How far it can be ahead: the time in which it fills up.
    depth: Duration,
    /// When everything that was taken is paid for.
    paid: Option<Instant>,
}

impl Bucket {
    /// `amount` tokens in `per` on average, `at_once` at most.
    pub(crate) fn new(amount: u64, per: Duration, at_once: u64) -> Self {
        let each = per.as_nanos() as f64 / amount.max(1) as f64;
        Self { each, depth: Duration::from_nanos((each * at_once as f64) as u64), paid: None }
    }

    /// Takes tokens, whether they are there or not: how long to wait before going on.
    pub(crate) fn take(&mut self, tokens: u64, now: Instant) -> Duration {
        let paid = self.paid.map_or(now, |paid| paid.max(now)) + self.cost(tokens);
        self.paid = Some(paid);
        paid.saturating_duration_since(now).saturating_sub(self.depth)
    }

    /// Takes tokens if they are there, else nothing: how long until they are.
    pub(crate) fn try_take(&mut self, tokens: u64, now: Instant) -> Result<(), Duration> {
        let paid = self.paid.map_or(now, |paid| paid.max(now)) + self.cost(tokens);
        let wait = paid.saturating_duration_since(now).saturating_sub(self.depth);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        self.paid = Some(paid);
        Ok(())
    }

    /// Whether nothing is owed.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.paid.is_none_or(|paid| paid <= now)
    }

    fn cost(&self, tokens: u64) -> Duration {
        Duration::from_nanos((self.each * tokens as f64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_free_and_then_everything_has_its_time() {
        let (mut bucket, now) = (Bucket::new(10, SECOND, 5), Instant::now());
        assert!((0..5).all(|_| bucket.take(1, now) == Duration::ZERO));
        assert_eq!(bucket.take(1, now), SECOND / 10);
        assert_eq!(bucket.take(10, now), SECOND / 10 * 11);
        assert!(!bucket.is_full(now));
        let later = now + SECOND * 2;
        assert!(bucket.is_full(later));
        assert!((0..5).all(|_| bucket.take(1, later) == Duration::ZERO));
        assert!(bucket.take(1, later) > Duration::ZERO);
    }

    #[test]
    fn what_is_refused_is_not_counted() {
        let (mut bucket, now) = (Bucket::new(1, SECOND, 1), Instant::now());
        assert_eq!(bucket.try_take(1, now), Ok(()));
        assert!((0..100).all(|_| bucket.try_take(1, now) == Err(SECOND)));
        assert_eq!(bucket.try_take(1, now + SECOND), Ok(()));
    }

    #[test]
    fn the_average_holds_over_a_long_time() {
        let (mut bucket, start) = (Bucket::new(1000, SECOND, 100), Instant::now());
        let mut now = start;
        for _ in 0..10_000 {
            now += bucket.take(1, now);
        }
        let took = now - start;
        assert!(took > SECOND * 9 && took < SECOND * 11, "{took:?}");
    }
}
