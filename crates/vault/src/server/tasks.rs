//! Work on the storage: on threads of its own, a bounded number at a time, and of those a bounded number for one key.

use super::error::ApiError;
use super::share::Share;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The threads of the storage.
pub(crate) struct Tasks {
    slots: Arc<Semaphore>,
    wait: Duration,
}

impl Tasks {
    /// `slots` pieces of work at a time, each waiting at most `wait` for its turn.
    pub(crate) fn new(slots: usize, wait: Duration) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)), wait }
    }

    /// Does a piece of work when it is its turn: first among those of its key, then among all. Turns come in the order in which they
    /// were asked for. Work that has begun is done, whether anybody waits for it or not.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        share: &Share,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = turns([&share.tasks, &self.slots], self.wait).await?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| {
            ApiError::new(vow_protocol::Word::Storage, "the vault failed; nothing was acknowledged")
                .because(format!("a piece of work ended early: {error}"))
        })
    }
}

/// Waits for a turn at each of these, in this order.
pub(crate) async fn turns<const N: usize>(
    of: [&Arc<Semaphore>; N],
    wait: Duration,
) -> Result<Vec<OwnedSemaphorePermit>, ApiError> {
    let all = async {
        let mut permits = Vec::with_capacity(N);
        for semaphore in of {
            // They are never closed.
            permits.extend(semaphore.clone().acquire_owned().await);
        }
        permits
    };
    tokio::time::timeout(wait, all).await.map_err(|_| ApiError::busy("too much is being asked at once"))
}

/// Drops something that may take the disk's time to drop, on a thread of the storage.
pub(crate) struct Aside<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Aside<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Takes it out.
    pub(crate) fn take(&mut self) -> Option<T> {
        self.0.take()
    }

    /// Puts it back.
    pub(crate) fn put(&mut self, value: T) {
        self.0 = Some(value);
    }
}

impl<T: Send + 'static> Drop for Aside<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn_blocking(move || drop(value)));
        }
    }
}
