//! What a judgement, a person or the clock asks for, as changes ready to be stored. Pure.

use super::engine::{StepError, step};
use super::settings::TicketSettings;
use crate::notify::route::{Routes, outgoing};
use crate::records::{Action, Change, Judged, Status, Ticket};

/// The changes that a judgement asks for. `tickets` are the newest ticket of each key about its subject
/// ([`TicketStore::about`](super::store::TicketStore::about)).
pub fn plan(
    judged: &Judged,
    tickets: &[Ticket],
    now_secs: i64,
    settings: &TicketSettings,
    routes: &Routes,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for problem in &judged.problems {
        let ticket = tickets.iter().find(|ticket| ticket.key == problem.key);
        changes.extend(change(
            ticket,
            &Action::Seen { problem: problem.clone() },
            now_secs,
            settings,
            routes,
        ));
    }
    let is_over = |ticket: &&Ticket| {
        ticket.status == Status::Open
            && judged.decides(&ticket.key)
            && !judged.problems.iter().any(|problem| problem.key == ticket.key)
    };
    for ticket in tickets.iter().filter(is_over) {
        changes.extend(change(Some(ticket), &Action::Healed, now_secs, settings, routes));
    }
    changes
}

/// The change that a person asks for.
pub fn plan_action(
    ticket: &Ticket,
    action: &Action,
    now_secs: i64,
    settings: &TicketSettings,
    routes: &Routes,
) -> Result<Option<Change>, StepError> {
    let made = step(Some(ticket), action, now_secs, settings)?;
    Ok(made.map(|made| route(Some(ticket), made, now_secs, routes)))
}

/// The changes that time asks for.
pub fn plan_tick(
    tickets: &[Ticket],
    now_secs: i64,
    settings: &TicketSettings,
    routes: &Routes,
) -> Vec<Change> {
    tickets
        .iter()
        .filter_map(|ticket| change(Some(ticket), &Action::Tick, now_secs, settings, routes))
        .collect()
}

/// What rules and the clock ask for is never refused.
fn change(
    ticket: Option<&Ticket>,
    action: &Action,
    now_secs: i64,
    settings: &TicketSettings,
    routes: &Routes,
) -> Option<Change> {
    let made = step(ticket, action, now_secs, settings).ok().flatten()?;
    Some(route(ticket, made, now_secs, routes))
}

fn route(before: Option<&Ticket>, made: super::Step, now_secs: i64, routes: &Routes) -> Change {
    let super::Step { mut ticket, event, notices } = made;
    let from_revision = before.filter(|before| before.id == ticket.id).map(|before| before.revision);
    let outgoing =
        notices.iter().flat_map(|notice| outgoing(notice, &mut ticket, routes, now_secs)).collect();
    Change { from_revision, ticket, event, outgoing }
}
