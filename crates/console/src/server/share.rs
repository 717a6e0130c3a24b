//! How many reports a host may send.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What each host has left.
pub(crate) struct Shares {
    per_second: f64,
    left: Mutex<HashMap<i64, (Instant, f64)>>,
}

/// A host that was away may send this many seconds' worth at once.
const BURST_SECS: f64 = 10.0;
const HOSTS_MAX: usize = 100_000;

impl Shares {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), left: Mutex::default() }
    }

    /// Counts one report of a host; `false` when it sends too many.
    pub(crate) fn take(&self, host_id: i64) -> bool {
        let burst = self.per_second * BURST_SECS;
        let now = Instant::now();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() > HOSTS_MAX {
            left.clear();
        }
        let (then, rest) = left.entry(host_id).or_insert((now, burst));
        *rest = (*rest + now.duration_since(*then).as_secs_f64() * self.per_second).min(burst);
        *then = now;
        if *rest < 1.0 {
            return false;
        }
        *rest -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_uses_up_its_own_share_only() {
        let shares = Shares::new(1);
        assert!((0..10).all(|_| shares.take(1)));
        assert!(!(0..3).all(|_| shares.take(1)));
        assert!(shares.take(2));
    }
}
