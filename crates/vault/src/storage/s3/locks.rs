//! Locks on objects: until when, and never shorter than before.

use super::failure::Failure;
use super::store::Store;
use jiff::Timestamp;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vow_base::clock::Nanos;

/// For so many objects it is remembered until when they are locked: some 100 MB, where there are so many.
const KNOWN_LIMIT: usize = 1 << 22;
/// The longest lock that rules can ask for, and a year.
const LONGEST: Duration = Duration::from_secs((3650 + 365) * 86_400);

/// Until when objects are known to be locked, in seconds since 1970. Locks never get shorter, so what is known stays true.
#[derive(Default)]
pub(super) struct Known {
    ends: Mutex<HashMap<u64, u32>>,
    /// Keys by a hash that nobody outside can choose names for.
    hash: RandomState,
}

impl Known {
    pub(super) fn covers(&self, key: &str, until: Timestamp) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(&self.hash.hash_one(key)).is_some_and(|end| i64::from(*end) >= ceil(until))
    }

    pub(super) fn remember(&self, key: &str, until: Timestamp) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() >= KNOWN_LIMIT {
            // Costs questions, no lock.
            ends.clear();
        }
        ends.insert(self.hash.hash_one(key), u32::try_from(until.as_second()).unwrap_or(u32::MAX));
    }
}

impl Store {
    /// Until when a new object under this name is locked; `None` where nothing is.
    pub(super) fn lock_of_new(&self, name: &str) -> Option<Timestamp> {
        let is_cache = name.starts_with("cache/");
        (self.locks && !is_cache)
            .then(|| self.now().saturating_add(self.options.lock + self.options.grace).ok())
            .flatten()
    }

    /// Locks an object at least until then.
    ///
    /// What has to be extended at all is extended by the grace more than that: else every hourly snapshot would extend every object.
    pub(super) async fn extend_lock(&self, key: &str, until: Nanos) -> Result<(), Failure> {
        if !self.locks {
            return Ok(());
        }
        let until = self.by_its_clock(until)?;
        if self.known.covers(key, until) {
            return Ok(());
        }
        let version = match self.admin.retention(key, None).await {
            Ok(Some(retention)) if retention.strict && retention.until >= until => {
                self.known.remember(key, retention.until);
                return Ok(());
            }
            Ok(_) => None,
            Err(failure) if failure.is_absent() => match self.hidden_version(key).await? {
                Some(found) => Some(found.version),
                None => return Err(failure),
            },
            Err(other) => return Err(other),
        };
        let target = until.saturating_add(self.options.grace).unwrap_or(until);
        match self.admin.set_retention(key, version.as_deref(), target).await {
            Ok(()) => {}
            // Somebody else may have locked it for longer meanwhile, which is as good.
            Err(failure) => match self.admin.retention(key, version.as_deref()).await {
                Ok(Some(retention)) if retention.strict && retention.until >= until => {
                    self.known.remember(key, retention.until);
                    return Ok(());
                }
                _ => return Err(failure),
            },
        }
        self.known.remember(key, target);
        Ok(())
    }

    /// A time of this machine's clock by the store's, which is the one that locks end by. A lock cannot be taken back: a clock that
    /// jumped must not make one that lasts for years.
    pub(super) fn by_its_clock(&self, until: Nanos) -> Result<Timestamp, Failure> {
        let until = i128::from(until) + i128::from(self.skew.load(Ordering::Relaxed));
        let longest = self.now().saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
        Timestamp::from_nanosecond(until).ok().filter(|until| *until <= longest).ok_or_else(|| {
            Failure::Unwanted("the lock asked for is longer than any rules say: look at the clock".into())
        })
    }
}

/// Whole seconds, rounded up.
fn ceil(time: Timestamp) -> i64 {
    time.as_second() + i64::from(time.subsec_nanosecond() > 0)
}
