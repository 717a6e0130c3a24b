//! A person says that this is how it is from now on: the ticket, the mark, and what rules remember.

use super::judge::Judge;
use crate::db::tickets::{self, InTransaction};
use crate::db::{DbError, Scope, runs, sources};
use crate::records::{Action, Mark, Ticket};
use crate::tickets::{Desk, DeskError};

/// Why something cannot be done to a ticket.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such ticket in scope.
    #[error("there is no such ticket")]
    Absent,
    /// The ticket cannot take it.
    #[error("{0}")]
    Refused(String),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Does what a person wants of a ticket, within a transaction.
pub async fn act(
    store: &InTransaction,
    judge: &Judge,
    scope: Scope,
    id: &str,
    action: &Action,
    now: i64,
) -> Result<Ticket, ActError> {
    let found = tickets::get(&mut *store.lock().await, scope, id).await?;
    let (ticket, leads) = found.ok_or(ActError::Absent)?;
    if matches!(action, Action::Expect { .. }) && !ticket.key.rule.learns() {
        return Err(ActError::Refused(format!(
            "the rule `{}` compares with nothing, so nothing can be expected of it: mend what it says, snooze the ticket, or close it with a reason",
            ticket.key.rule.word()
        )));
    }
    if let (Action::Expect { by, reason }, Some(host_id), Some(source_id)) =
        (action, leads.host_id, leads.source_id)
    {
        let mut conn = store.lock().await;
        let newest = ticket.reports.last().cloned().unwrap_or_default();
        if let Some((_, run)) = runs::by_report(&mut conn, host_id, &newest).await? {
            let mut history = sources::history(&mut conn, source_id).await?;
            history.accept(&run, ticket.key.rule);
            sources::keep_history(&mut conn, source_id, history).await?;
            let source = sources::get(&mut conn, scope, source_id).await?.ok_or(ActError::Absent)?;
            let mut marks = source.marks;
            marks.push(Mark {
                rule: ticket.key.rule,
                report: run.report,
                started_secs: run.body.started_secs,
                by: by.clone(),
                at_secs: now,
                reason: reason.clone(),
            });
            let surplus = marks.len().saturating_sub(MARKS_MAX);
            marks.drain(..surplus);
            sources::keep_marks(&mut conn, source_id, &marks).await?;
        }
    }
    let desk = Desk { store, settings: &judge.tickets, routes: &judge.routes };
    match desk.act(id, action, now).await {
        Ok(ticket) => Ok(ticket),
        Err(DeskError::Absent(_)) => Err(ActError::Absent),
        Err(DeskError::Store(error)) => Err(store.cause(error).await.into()),
        Err(DeskError::Step(error)) => Err(ActError::Refused(error.to_string())),
        Err(error @ DeskError::Busy) => Err(DbError::Busy(error.to_string()).into()),
    }
}

/// Marks that are kept of a source.
const MARKS_MAX: usize = 100;
