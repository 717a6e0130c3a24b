//! The stores in memory: the strict twin of the database, for tests and simulations.

use super::store::{Committed, StoreError, TicketStore};
use crate::notify::outbox::{Backlog, Outbox, OutboxError, Settled};
use crate::records::{Change, Outgoing, State, Status, Subject, Ticket, TicketEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

/// Tickets and outbox in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tickets: BTreeMap<String, Ticket>,
    events: Vec<TicketEvent>,
    /// In the order in which they were put.
    outgoing: Vec<Outgoing>,
}

impl MemoryStore {
    /// Every ticket.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.lock().tickets.values().cloned().collect()
    }

    /// Every event, in order.
    pub fn events(&self) -> Vec<TicketEvent> {
        self.lock().events.clone()
    }

    /// Every message, in the order in which they were put.
    pub fn outgoing(&self) -> Vec<Outgoing> {
        self.lock().outgoing.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl TicketStore for MemoryStore {
    async fn about(&self, tenant: &str, subject: &Subject) -> Result<Vec<Ticket>, StoreError> {
        let inner = self.lock();
        let mut newest: BTreeMap<_, &Ticket> = BTreeMap::new();
        for ticket in inner
            .tickets
            .values()
            .filter(|ticket| ticket.key.tenant == tenant && subject.covers(&ticket.key.subject))
        {
            let held = newest.entry(&ticket.key).or_insert(ticket);
            if held.opened_secs < ticket.opened_secs {
                *held = ticket;
            }
        }
        Ok(newest.into_values().cloned().collect())
    }

    async fn ticket(&self, id: &str) -> Result<Option<Ticket>, StoreError> {
        Ok(self.lock().tickets.get(id).cloned())
    }

    async fn ticking(&self) -> Result<Vec<Ticket>, StoreError> {
        let ticks = |ticket: &&Ticket| ticket.status == Status::Open || ticket.flapping;
        Ok(self.lock().tickets.values().filter(ticks).cloned().collect())
    }

    async fn commit(&self, change: &Change) -> Result<Committed, StoreError> {
        let mut inner = self.lock();
        let held = inner.tickets.get(&change.ticket.id);
        let other_is_open = inner.tickets.values().any(|other| {
            other.key == change.ticket.key && other.id != change.ticket.id && other.status == Status::Open
        });
        if held.map(|held| held.revision) != change.from_revision
            || (other_is_open && change.ticket.status == Status::Open)
        {
            return Ok(Committed::Conflict);
        }
        inner.tickets.insert(change.ticket.id.clone(), change.ticket.clone());
        inner.events.extend(change.event.clone());
        for outgoing in &change.outgoing {
            if !inner.outgoing.iter().any(|held| held.id == outgoing.id) {
                inner.outgoing.push(outgoing.clone());
            }
        }
        Ok(Committed::Stored)
    }
}

fn is_settled(outgoing: &Outgoing) -> bool {
    matches!(outgoing.state, State::Delivered { .. } | State::Refused { .. })
}

impl Outbox for MemoryStore {
    async fn claim(
        &self,
        channel: &str,
        lease: &str,
        now_secs: i64,
        until_secs: i64,
        limit: usize,
    ) -> Result<Vec<Outgoing>, OutboxError> {
        let mut inner = self.lock();
        let (mut claimed, mut busy) = (Vec::new(), BTreeSet::new());
        for outgoing in
            inner.outgoing.iter_mut().filter(|outgoing| outgoing.channel == channel && !is_settled(outgoing))
        {
            if claimed.len() == limit {
                break;
            }
            // Only the oldest of each ticket.
            if !busy.insert(outgoing.message.ticket.clone()) {
                continue;
            }
            let is_free = match &outgoing.state {
                State::Leased { until_secs, .. } => *until_secs <= now_secs,
                _ => outgoing.due_secs <= now_secs,
            };
            if is_free {
                outgoing.state = State::Leased { lease: lease.to_owned(), until_secs };
                outgoing.attempts += 1;
                claimed.push(outgoing.clone());
            }
        }
        Ok(claimed)
    }

    async fn settle(&self, id: &str, lease: &str, settled: &Settled) -> Result<bool, OutboxError> {
        let mut inner = self.lock();
        let mine = |outgoing: &&mut Outgoing| {
            outgoing.id == id && matches!(&outgoing.state, State::Leased { lease: held, .. } if held == lease)
        };
        let Some(outgoing) = inner.outgoing.iter_mut().find(mine) else { return Ok(false) };
        outgoing.state = settled.state.clone();
        outgoing.due_secs = settled.due_secs;
        outgoing.error.clone_from(&settled.error);
        Ok(true)
    }

    async fn of_ticket(&self, ticket: &str) -> Result<Vec<Outgoing>, OutboxError> {
        Ok(self
            .lock()
            .outgoing
            .iter()
            .filter(|outgoing| outgoing.message.ticket == ticket)
            .cloned()
            .collect())
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, OutboxError> {
        let inner = self.lock();
        let channels: BTreeSet<&String> = inner.outgoing.iter().map(|outgoing| &outgoing.channel).collect();
        Ok(channels.into_iter().map(|channel| backlog(channel, &inner.outgoing)).collect())
    }
}

fn backlog(channel: &str, all: &[Outgoing]) -> Backlog {
    let own = || all.iter().filter(|outgoing| outgoing.channel == channel);
    let delivered_secs = own()
        .filter_map(|outgoing| match outgoing.state {
            State::Delivered { at_secs, .. } => Some(at_secs),
            _ => None,
        })
        .max();
    let refusals: Vec<&str> = own()
        .filter_map(|outgoing| match &outgoing.state {
            State::Refused { at_secs, error }
                if delivered_secs.is_none_or(|delivered| delivered <= *at_secs) =>
            {
                Some(error.as_str())
            }
            _ => None,
        })
        .collect();
    let oldest = own().find(|outgoing| !is_settled(outgoing));
    Backlog {
        channel: channel.to_owned(),
        waiting: own().filter(|outgoing| !is_settled(outgoing)).count() as u64,
        oldest_put_secs: oldest.map(|outgoing| outgoing.put_secs),
        error: oldest.and_then(|outgoing| outgoing.error.clone()),
        delivered_secs,
        refused: refusals.last().map(|last| (refusals.len() as u64, (*last).to_owned())),
    }
}
