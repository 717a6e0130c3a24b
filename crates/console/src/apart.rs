//! Work in a task of its own: what it stumbles over ends that piece of work, and nothing else.

use std::future::Future;
use tokio::task::{JoinError, JoinSet};

/// Does something, and gives what came of it; an error when it stumbled. Whoever drops this ends the work.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    let mut only = JoinSet::new();
    only.spawn(work);
    loop {
        // A set with one task gives it back.
        if let Some(done) = only.join_next().await {
            return done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::apart;

    #[tokio::test]
    async fn whoever_waits_lives_on() {
        assert_eq!(apart(async { 7 }).await.ok(), Some(7));
        let none: Vec<u8> = Vec::new();
        let stumbled = apart(async move { none[7] }).await;
        assert!(stumbled.is_err_and(|error| error.is_panic()));
    }
}
