//! Carries changes of tickets out over a store, again when someone else was quicker.

use super::engine::StepError;
use super::plan::{plan, plan_action, plan_tick};
use super::settings::TicketSettings;
use super::store::{Committed, StoreError, TicketStore};
use crate::notify::route::Routes;
use crate::records::{Action, Change, Judged, Ticket};

/// How often a step is made again when someone else changed the ticket in between.
const TRIES: usize = 16;

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// The ticket cannot take it.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such ticket.
    #[error("there is no ticket {0}")]
    Absent(String),
    /// Others change it all the time.
    #[error("others were quicker {TRIES} times; nothing was changed, try again")]
    Busy,
}

/// Where tickets are worked on.
pub struct Desk<'a, S> {
    /// Where they are kept.
    pub store: &'a S,
    /// How they behave.
    pub settings: &'a TicketSettings,
    /// Who is told.
    pub routes: &'a Routes,
}

impl<S: TicketStore> Desk<'_, S> {
    /// Makes the tickets say what a judgement says. Returns those that changed. Doing it twice is doing it once.
    pub async fn take(&self, judged: &Judged, now_secs: i64) -> Result<Vec<Ticket>, DeskError> {
        let mut changed = Vec::new();
        for _ in 0..TRIES {
            let tickets = self.store.about(&judged.tenant, &judged.subject).await?;
            let changes = plan(judged, &tickets, now_secs, self.settings, self.routes);
            // What was stored before a conflict asks for nothing the second time.
            if self.store_all(changes, &mut changed).await? {
                return Ok(changed);
            }
        }
        Err(DeskError::Busy)
    }

    /// Does what a person wants.
    pub async fn act(&self, id: &str, action: &Action, now_secs: i64) -> Result<Ticket, DeskError> {
        for _ in 0..TRIES {
            let ticket = self.store.ticket(id).await?.ok_or_else(|| DeskError::Absent(id.to_owned()))?;
            let Some(change) = plan_action(&ticket, action, now_secs, self.settings, self.routes)? else {
                return Ok(ticket);
            };
            if self.store.commit(&change).await? == Committed::Stored {
                return Ok(change.ticket);
            }
        }
        Err(DeskError::Busy)
    }

    /// Lets time pass. A ticket that someone else changed meanwhile is left for the next time.
    pub async fn tick(&self, now_secs: i64) -> Result<Vec<Ticket>, DeskError> {
        let mut changed = Vec::new();
        for change in plan_tick(&self.store.ticking().await?, now_secs, self.settings, self.routes) {
            self.store_all(vec![change], &mut changed).await?;
        }
        Ok(changed)
    }

    /// `false` at the first conflict.
    async fn store_all(&self, changes: Vec<Change>, changed: &mut Vec<Ticket>) -> Result<bool, DeskError> {
        for change in changes {
            if self.store.commit(&change).await? == Committed::Conflict {
                return Ok(false);
            }
            changed.push(change.ticket);
        }
        Ok(true)
    }
}
