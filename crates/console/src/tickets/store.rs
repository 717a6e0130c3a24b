//! Where tickets are kept: a trait, so that the engine needs no database.

use crate::records::{Change, Subject, Ticket};
use std::future::Future;

/// Why tickets could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The storage failed. Nothing of the change was kept, or all of it; asking again tells which.
    #[error("the storage of tickets failed: {0}")]
    Storage(String),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is stored.
    Stored,
    /// The ticket has another revision by now, or another open ticket has its key: read again, and make the step again.
    Conflict,
}

/// Where tickets are kept.
pub trait TicketStore: Send + Sync {
    /// The newest ticket of each key whose subject `subject` [covers](Subject::covers), open or closed.
    fn about(
        &self,
        tenant: &str,
        subject: &Subject,
    ) -> impl Future<Output = Result<Vec<Ticket>, StoreError>> + Send;

    /// One ticket.
    fn ticket(&self, id: &str) -> impl Future<Output = Result<Option<Ticket>, StoreError>> + Send;

    /// Tickets that time may change: open ones, and closed ones that are flapping.
    fn ticking(&self) -> impl Future<Output = Result<Vec<Ticket>, StoreError>> + Send;

    /// Stores the ticket, its event and what has to be delivered in one transaction, if the ticket still has the revision
    /// that the change was made from, and none when that is `None`. There is at most one open ticket of a key. An outgoing
    /// message whose id is already there is not put again.
    fn commit(&self, change: &Change) -> impl Future<Output = Result<Committed, StoreError>> + Send;
}
