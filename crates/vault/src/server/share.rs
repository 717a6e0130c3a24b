//! What one key, or one address of strangers, may have of the whole: requests, work of the storage, bytes, attempts.

mod bucket;
mod network;

pub(crate) use bucket::Bucket;
pub(crate) use network::Network;

use super::config::Limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use vow_base::sign::PublicKey;

/// Strangers have little to ask: so many requests at a time and address, …
const STRANGER_REQUESTS: usize = 8;
/// … so many in a second, …
const STRANGER_REQUESTS_PER_SECOND: u64 = 20;
/// … and so many bytes in a second.
const STRANGER_BYTES_PER_SECOND: u64 = 1 << 20;
/// Above this many shares, those that nobody uses are dropped.
const SHARES_MAX: usize = 10_000;

/// Whose share it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// Of a key that is known here.
    Key(PublicKey),
    /// Of all strangers from one address.
    Strangers(Network),
}

/// What one key, or one address of strangers, may have of the whole.
pub(crate) struct Share {
    /// Requests that are being answered.
    pub(crate) requests: Arc<Semaphore>,
    /// Work of the storage at a time.
    pub(crate) tasks: Arc<Semaphore>,
    /// One commit at a time: a host's turns come after those of the others.
    pub(crate) commits: Arc<Semaphore>,
    /// Connections that are open.
    pub(crate) connections: AtomicUsize,
    rate: Mutex<Bucket>,
    flow: Mutex<Bucket>,
    joins: Mutex<Bucket>,
}

impl Share {
    fn new(whose: Whose, limits: &Limits) -> Self {
        let (requests, tasks, rate, flow) = match whose {
            Whose::Key(_) => (
                limits.requests_per_key,
                limits.storage_tasks_per_key,
                u64::from(limits.requests_per_second),
                limits.bytes_per_second.0,
            ),
            Whose::Strangers(_) => {
                (STRANGER_REQUESTS, 1, STRANGER_REQUESTS_PER_SECOND, STRANGER_BYTES_PER_SECOND)
            }
        };
        let second = Duration::from_secs(1);
        let joins = u64::from(limits.joins_per_minute);
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            tasks: Arc::new(Semaphore::new(tasks)),
            commits: Arc::new(Semaphore::new(1)),
            connections: AtomicUsize::new(0),
            rate: Mutex::new(Bucket::new(rate, second, rate.saturating_mul(2))),
            flow: Mutex::new(Bucket::new(flow, second, flow)),
            joins: Mutex::new(Bucket::new(joins, Duration::from_secs(60), joins)),
        }
    }

    /// Counts a request: how long it has to wait.
    pub(crate) fn count_request(&self) -> Duration {
        lock(&self.rate).take(1, Instant::now())
    }

    /// Counts bytes: how long to wait before the next ones.
    pub(crate) fn count_bytes(&self, bytes: u64) -> Duration {
        lock(&self.flow).take(bytes, Instant::now())
    }

    /// Counts an attempt to join; when there were too many, how long to wait.
    pub(crate) fn count_join(&self) -> Result<(), Duration> {
        lock(&self.joins).try_take(1, Instant::now())
    }

    /// Whether it would be the same if it were made anew.
    fn is_rested(&self, now: Instant) -> bool {
        self.connections.load(Ordering::SeqCst) == 0
            && [&self.rate, &self.flow, &self.joins].iter().all(|bucket| lock(bucket).is_full(now))
    }
}

/// The shares of all.
pub(crate) struct Shares {
    limits: Limits,
    shares: Mutex<HashMap<Whose, Arc<Share>>>,
}

impl Shares {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), shares: Mutex::default() }
    }

    /// The share of this key or address.
    pub(crate) fn of(&self, whose: Whose) -> Arc<Share> {
        let mut shares = lock(&self.shares);
        if let Some(share) = shares.get(&whose) {
            return share.clone();
        }
        if shares.len() >= SHARES_MAX {
            let now = Instant::now();
            shares.retain(|_, share| Arc::strong_count(share) > 1 || !share.is_rested(now));
            if shares.len() >= SHARES_MAX {
                // A flood from everywhere: those who do nothing at present start anew.
                shares.retain(|_, share| Arc::strong_count(share) > 1);
            }
        }
        let share = Arc::new(Share::new(whose, &self.limits));
        shares.insert(whose, share.clone());
        share
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_from_everywhere_do_not_make_it_grow() {
        let shares = Shares::new(&Limits::default());
        let held = shares.of(Whose::Key(PublicKey([1; 32])));
        for number in 0..50_000_u32 {
            let _ = shares
                .of(Whose::Strangers(Network::of(std::net::Ipv4Addr::from(number).into())))
                .count_request();
        }
        assert!(lock(&shares.shares).len() <= SHARES_MAX);
        assert!(Arc::ptr_eq(&held, &shares.of(Whose::Key(PublicKey([1; 32])))));
    }

    #[test]
    fn attempts_to_join_are_few() {
        let shares = Shares::new(&Limits { joins_per_minute: 3, ..Limits::default() });
        let share = shares.of(Whose::Strangers(Network::of([10, 0, 0, 1].into())));
        assert!((0..3).all(|_| share.count_join().is_ok()));
        let wait = share.count_join().expect_err("one too many");
        assert!(wait > Duration::from_secs(10) && wait <= Duration::from_secs(20), "{wait:?}");
        let other = shares.of(Whose::Strangers(Network::of([10, 0, 0, 2].into())));
        assert!(other.count_join().is_ok());
    }
}
