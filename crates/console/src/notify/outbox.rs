//! Where messages wait until their receiver has them: a trait, so that delivering needs no database.

use crate::records::{Outgoing, State};
use std::future::Future;

/// Why the outbox could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// The storage failed.
    #[error("the storage of outgoing messages failed: {0}")]
    Storage(String),
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Where the message stands now: waiting again, delivered or refused.
    pub state: State,
    /// Not to be tried before, when it waits again.
    pub due_secs: i64,
    /// Why it failed.
    pub error: Option<String>,
}

/// How a channel does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The channel.
    pub channel: String,
    /// Messages that are not delivered and not refused.
    pub waiting: u64,
    /// When the oldest of them was put.
    pub oldest_put_secs: Option<i64>,
    /// The error of the oldest of them.
    pub error: Option<String>,
    /// When the channel last delivered anything.
    pub delivered_secs: Option<i64>,
    /// Messages refused since then, and the last reason.
    pub refused: Option<(u64, String)>,
}

/// Where messages wait. They are put there by [`TicketStore::commit`](crate::tickets::store::TicketStore::commit).
pub trait Outbox: Send + Sync {
    /// Leases at most `limit` messages of a channel: those that wait and are due, and those whose lease is over; of each ticket
    /// only the oldest that is neither delivered nor refused, so that "over" is never told before "open". Oldest first. Each is
    /// returned in [`State::Leased`] with `lease`, and with `attempts` already counted up.
    fn claim(
        &self,
        channel: &str,
        lease: &str,
        now_secs: i64,
        until_secs: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Outgoing>, OutboxError>> + Send;

    /// Stores what became of an attempt, if the message is still leased with this lease; `false` when it is not.
    fn settle(
        &self,
        id: &str,
        lease: &str,
        settled: &Settled,
    ) -> impl Future<Output = Result<bool, OutboxError>> + Send;

    /// Every message of a ticket, oldest first.
    fn of_ticket(&self, ticket: &str) -> impl Future<Output = Result<Vec<Outgoing>, OutboxError>> + Send;

    /// How each channel does that ever had a message.
    fn backlog(&self) -> impl Future<Output = Result<Vec<Backlog>, OutboxError>> + Send;
}
