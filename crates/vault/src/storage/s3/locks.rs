//! Locks on objects: until when, and never shorter than before.

use super::failure::Failure;
use super::store::Store;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vow_base::clock::Nanos;
use vow_base::id::sha256;

/// For so many objects it is remembered until when they are locked: some 50 MB.
const KNOWN_LIMIT: usize = 1 << 20;
/// So much longer than the rules say a lock may be asked for: the vault's clock and the store's may differ.
const LEEWAY: Duration = Duration::from_secs(86_400);

/// Until when objects are known to be locked. Locks never get shorter, so what is known stays true.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<[u8; 16], i64>>);

impl Known {
    /// Seconds since 1970.
    fn until(&self, key: &str) -> i64 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&short(key)).copied().unwrap_or(i64::MIN)
    }

    pub(super) fn remember(&self, key: &str, until: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_LIMIT {
            // Costs questions, no lock.
            known.clear();
        }
        known.insert(short(key), until.as_second());
    }
}

fn short(key: &str) -> [u8; 16] {
    let [short, _] = *sha256(key.as_bytes()).as_chunks::<16>().0 else { return [0; 16] };
    short
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
        let wrong = || Failure::Unwanted(format!("{until} is no time that a lock can last until"));
        let until = Timestamp::from_nanosecond(until.into()).map_err(|_| wrong())?;
        if self.known.until(key) >= ceil(until) {
            return Ok(());
        }
        self.refuse_endless(until)?;
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

    /// A lock cannot be taken back. A clock that jumped must not make one that lasts for years.
    fn refuse_endless(&self, until: Timestamp) -> Result<(), Failure> {
        let longest = self.options.lock + self.options.grace * 2 + LEEWAY;
        let latest = self.now().saturating_add(longest).unwrap_or(Timestamp::MAX);
        if until <= latest {
            return Ok(());
        }
        Err(Failure::Unwanted(format!(
            "a lock until {until} is longer than the rules say, by the store's clock: look at the vault's clock"
        )))
    }
}

/// Whole seconds, rounded up.
fn ceil(time: Timestamp) -> i64 {
    time.as_second() + i64::from(time.subsec_nanosecond() > 0)
}
