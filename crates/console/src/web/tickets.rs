//! Tickets: the board, and one of them with its history and what can be done.

use super::draw::{ago, count, dated, lasting, plain, prose, several, stamp, ticket_severity};
use super::forms::Posted;
use super::guard::{Done, Page, Who};
use super::layout;
use crate::auth::Right;
use crate::db::tickets::{InTransaction, Leads};
use crate::db::{Scope, hosts, outbox, runs, tickets as rows, vaults};
use crate::ingest::{self, ActError};
use crate::records::{Action, Outgoing, State as Standing, Status, Subject, Ticket, TicketEvent};
use crate::server::App;
use crate::server::error::Error;
use crate::tickets::said;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

impl From<ActError> for Error {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Absent => Self::Absent,
            ActError::Refused(why) => Self::Conflict(why),
            ActError::Db(error) => Self::Db(error),
        }
    }
}

/// What is asked of the board.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    closed: bool,
    mine: bool,
    page: i64,
    /// Of this tenant alone.
    tenant: Option<i64>,
}

impl Asked {
    /// The way to the same board, otherwise looked at.
    fn other(&self, closed: bool, mine: bool, page: i64) -> String {
        let words = [
            closed.then(|| "closed=true".to_owned()),
            mine.then(|| "mine=true".to_owned()),
            self.tenant.map(|id| format!("tenant={id}")),
            (page > 0).then(|| format!("page={page}")),
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        format!("/tickets{}{}", if words.is_empty() { "" } else { "?" }, words.join("&"))
    }
}

const PAGE_TICKETS: i64 = 60;

pub(super) async fn board(State(app): State<Arc<App>>, who: Who, Query(asked): Query<Asked>) -> Page {
    who.need(Right::See)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let scope = match asked.tenant {
        None => who.scope,
        Some(id) if who.scope.has(id) => Scope::Tenant(id),
        Some(_) => return Err(Error::Absent.into()),
    };
    let tenant = match asked.tenant {
        Some(_) => Some(hosts::tenants(&mut conn, scope).await?.pop().ok_or(Error::Absent)?),
        None => None,
    };
    let owner = asked.mine.then(|| who.name.clone());
    let wanted = rows::Wanted { closed: asked.closed, owner, ..rows::Wanted::default() };
    let page = asked.page.clamp(0, 100_000);
    let found = rows::list(&mut conn, scope, &wanted, PAGE_TICKETS, page * PAGE_TICKETS).await?;
    let number = rows::count(&mut conn, scope, &wanted).await?;
    let hosts = hosts::count(&mut conn, scope, &hosts::Wanted::default()).await?;
    let view = |href: String, word: &str, at: bool| html! { a href=(href) aria-current=[at.then_some("true")] { (word) } };
    let column = |ticket: &Ticket| match (is_snoozed(ticket, now), &ticket.acknowledged_by) {
        (true, _) => "Snoozed",
        (false, Some(_)) => "Someone looks into it",
        (false, None) => "Nobody has looked yet",
    };
    let columns = ["Nobody has looked yet", "Someone looks into it", "Snoozed"];
    let body = html! {
        @if let Some(tenant) = &tenant { (layout::trail(&[("/tickets".into(), "Tickets".into()), (format!("/tenants/{}", tenant.id), tenant.name.clone())])) }
        h1 { "Tickets" @if let Some(tenant) = &tenant { " of " (plain(&tenant.name)) } small { (count(number)) " " @if asked.closed { "closed" } @else { "open" } } }
        p.legend {
            (view(asked.other(false, false, 0), "open", !asked.closed && !asked.mine))
            (view(asked.other(false, true, 0), "mine", asked.mine))
            (view(asked.other(true, false, 0), "closed", asked.closed))
        }
        @if app.channels.is_empty() && who.role.may(Right::SeeAudit) {
            section.card { p { "Nobody is told of tickets: there is no " code { "[[channel]]" } " in " code { "console.toml" } " (docs/rules.md, \"Channels\")." } }
        }
        @if found.is_empty() { section.card { p {
            @if asked.closed { "None was closed yet." }
            @else if asked.mine { "None of them is yours." }
            @else if hosts == 0 { "No ticket is open, and no host is known yet: nothing was judged." }
            @else { "No ticket is open: every rule that could judge has found nothing." }
        } } }
        @if asked.closed {
            @if !found.is_empty() { section.card { (items(&found, now)) } }
        } @else {
            @for word in columns {
                @let some: Vec<Ticket> = found.iter().filter(|ticket| column(ticket) == word).cloned().collect();
                @if !some.is_empty() { section.card { h2 { (word) small { (some.len()) } } (items(&some, now)) } }
            }
        }
        div.pages {
            @if page > 0 { a href=(asked.other(asked.closed, asked.mine, page - 1)) { "← before" } }
            @if (page + 1) * PAGE_TICKETS < number { a href=(asked.other(asked.closed, asked.mine, page + 1)) { "more →" } }
        }
    };
    Ok(layout::page("Tickets", "/tickets", &who, body))
}

fn is_snoozed(ticket: &Ticket, now: i64) -> bool {
    ticket.snoozed_until_secs.is_some_and(|until| until > now)
}

/// Tickets in a list.
pub(super) fn items(tickets: &[Ticket], now: i64) -> Markup {
    html! {
        ul.tickets {
            @for ticket in tickets {
                li {
                    div { (ticket_severity(ticket.severity)) }
                    div.said {
                        a href={ "/tickets/" (ticket.id) } { (plain(&ticket.sentence)) }
                        small { (about(ticket)) " · " (ticket.key.rule.word()) @if ticket.flapping { " · opens and closes again and again" } }
                        @if ticket.status == Status::Open { small.next { b { "Next step: " } (prose(&ticket.next_step)) } }
                    }
                    div.side.soft {
                        @match ticket.status { Status::Open => (lasting(ticket.since_secs, now)), Status::Closed => { "closed " @match ticket.closed_secs { Some(at) => (ago(at, now)), None => "" } } }
                        @if let Some(owner) = ticket.owner.as_ref().or(ticket.acknowledged_by.as_ref()) { small { (plain(owner)) } }
                    }
                }
            }
        }
    }
}

/// Whose it is and what it is about. What is shared, a vault or this console, has no tenant.
fn about(ticket: &Ticket) -> Markup {
    let (tenant, subject) = (plain(&ticket.key.tenant), plain(&ticket.key.subject.to_string()));
    html! { @if !tenant.is_empty() { (tenant) " · " } (subject) }
}

/// The first of many, and the others where they are not in the way of what is below.
pub(super) fn some(tickets: &[Ticket], now: i64) -> Markup {
    const FIRST: usize = 8;
    let (first, rest) = tickets.split_at(tickets.len().min(FIRST));
    html! {
        (items(first, now))
        @if !rest.is_empty() { details { summary { (several(rest.len(), "ticket more", "tickets more")) } (items(rest, now)) } }
    }
}

pub(super) async fn ticket(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Page {
    who.need(Right::See)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let (ticket, leads) = rows::get(&mut conn, who.scope, &id).await?.ok_or(Error::Absent)?;
    let events = rows::events(&mut conn, &id, 200).await?;
    let told = outbox::of_ticket(&mut conn, &id).await?;
    let mut shown = Vec::new();
    if let Some(host_id) = leads.host_id {
        for report in ticket.reports.iter().rev().take(10) {
            if let Some((run_id, run)) = runs::by_report(&mut conn, host_id, report).await? {
                shown.push((run_id, run.body.started_secs));
            }
        }
        shown.sort_by_key(|(_, started)| *started);
    }
    let vault = match &ticket.key.subject {
        Subject::Vault { vault } if who.role.may(Right::SeeVaults) => {
            vaults::find(&mut conn, who.scope, vault).await?
        }
        _ => None,
    };
    let body = html! {
        (layout::trail(&trail(&ticket, &leads, vault)))
        h1.sentence { (plain(&ticket.sentence)) }
        section.card {
            p { (ticket_severity(ticket.severity)) " " @if ticket.status == Status::Closed { (super::draw::chip("idle", "closed")) } " " @if ticket.flapping { (super::draw::chip("warn", "opens and closes again and again")) } }
            p { b { "Next step: " } (prose(&ticket.next_step)) }
            (layout::facts(&[
                ("About", about(&ticket)),
                ("Rule", html! { (ticket.key.rule.word()) }),
                ("Since", dated(ticket.since_secs, now)),
                ("Last seen", html! { (dated(ticket.seen_secs, now)) @if ticket.seen > 1 { ", " (ticket.seen) " times" } }),
                ("Owner", html! { (plain(ticket.owner.as_deref().unwrap_or("nobody"))) }),
                ("Acknowledged by", html! { (plain(ticket.acknowledged_by.as_deref().unwrap_or("nobody"))) }),
                ("Snoozed until", html! { @match ticket.snoozed_until_secs.filter(|until| *until > now) { Some(until) => (stamp(until)), None => "—" } }),
            ]))
        }
        @if !ticket.evidence.is_empty() || !shown.is_empty() {
            section.card {
                h2 { "Evidence" }
                dl.facts { @for evidence in &ticket.evidence { div { dt { (plain(&evidence.label)) } dd { (plain(&evidence.value)) } } } }
                @if !shown.is_empty() { p { "Runs that it rests on: " @for (run_id, started) in &shown { a href={ "/runs/" (run_id) } { (stamp(*started)) } " " } } }
            }
        }
        @if who.role.may(Right::Work) && ticket.status == Status::Open { (work(&who, &ticket)) }
        section.card { h2 { "History" } (history(&events, now)) }
        @if !told.is_empty() && who.role.may(Right::SeeAudit) { (deliveries(&told, now)) }
    };
    Ok(layout::page(&ticket.sentence, "/tickets", &who, body))
}

/// From the board to what the ticket is about.
fn trail(ticket: &Ticket, leads: &Leads, vault: Option<i64>) -> Vec<(String, String)> {
    let mut steps = vec![("/tickets".to_owned(), "Tickets".to_owned())];
    if let (Some(id), Subject::Vault { vault }) = (vault, &ticket.key.subject) {
        steps.push((format!("/vaults/{id}"), vault.clone()));
    }
    if let (Some(id), Some(host)) = (leads.host_id, ticket.key.subject.host()) {
        steps.push((format!("/hosts/{id}"), host.to_owned()));
    }
    if let (Some(id), Some(source)) = (leads.source_id, ticket.key.subject.source()) {
        steps.push((format!("/sources/{id}"), source.to_owned()));
    }
    match (&ticket.key.subject, leads.host_id, leads.tenant_id) {
        (Subject::Audit { .. } | Subject::Finding { .. }, Some(id), _) => {
            steps.push((format!("/hosts/{id}/audit"), "its audit".to_owned()));
        }
        (Subject::Tenant | Subject::Policy { .. }, _, Some(id)) => {
            steps.push((format!("/tenants/{id}/audit"), "the audit".to_owned()));
        }
        _ => {}
    }
    steps
}

fn work(who: &Who, ticket: &Ticket) -> Markup {
    let form = |what: &str, inside: Markup| {
        html! { form.inline method="post" { (layout::token(who)) input type="hidden" name="do" value=(what); (inside) } }
    };
    html! {
        section.card {
            h2 { "What is to be done" }
            div.row {
                @if ticket.acknowledged_by.is_none() { (form("acknowledge", html! { button type="submit" { "I look into it" } })) }
                (form("assign", html! { label { "Owner" input name="owner" value=(plain(ticket.owner.as_deref().unwrap_or(&who.name))) maxlength="100"; } button.second type="submit" { "Hand over" } }))
                (form("snooze", html! { label { "Hours" input type="number" name="hours" min="1" max="2160" value="8"; } button.second type="submit" { "Snooze" } }))
                (form("comment", html! { label { "Comment" textarea name="text" rows="2" maxlength="8000" {} } button.second type="submit" { "Say it" } }))
                @if ticket.key.rule.learns() { (form("expect", html! { label { "From now on this is expected, because" input name="text" maxlength="2000"; } button.second type="submit" { "Mark as expected" } })) }
                (form("close", html! { label { "It is over, because" input name="text" maxlength="2000"; } button.danger type="submit" { "Close" } }))
            }
        }
    }
}

fn history(events: &[TicketEvent], now: i64) -> Markup {
    html! {
        ul.events {
            @for event in events {
                li { (plain(&said(&event.action))) small { (dated(event.at_secs, now)) } }
            }
        }
    }
}

fn deliveries(told: &[Outgoing], now: i64) -> Markup {
    html! {
        section.card {
            h2 { "Who was told" }
            ul.list { @for message in told {
                li { (plain(&message.channel)) ": "
                    @match &message.state {
                        Standing::Delivered { at_secs, delivery } => { "delivered " (dated(*at_secs, now)) @if delivery.confirmed { ", confirmed" } }
                        Standing::Refused { error, .. } => { "refused: " (plain(error)) }
                        Standing::Waiting | Standing::Leased { .. } => { "waits, tried " (several(message.attempts as usize, "time", "times")) @if let Some(error) = &message.error { ": " (plain(error)) } }
                    }
                }
            } }
        }
    }
}

pub(super) async fn act(State(app): State<Arc<App>>, Path(id): Path<String>, posted: Posted) -> Done {
    let who = &posted.who;
    who.need(Right::Work)?;
    let now = app.now();
    let by = who.name.clone();
    let text = || posted.field("text").to_owned();
    let action = match posted.field("do") {
        "acknowledge" => Action::Acknowledge { by },
        "assign" => Action::Assign {
            by,
            owner: Some(posted.field("owner").to_owned()).filter(|owner| !owner.is_empty()),
        },
        "comment" => Action::Comment { by, text: text() },
        "snooze" => {
            let hours: i64 =
                posted.field("hours").parse().map_err(|_| Error::Malformed("hours are a number".into()))?;
            Action::Snooze { by, until_secs: now + crate::api::snooze_hours(hours)? * 3600 }
        }
        "close" => Action::Close { by, reason: text() },
        "expect" => Action::Expect { by, reason: text() },
        _ => return Err(Error::Malformed("what is to be done?".into()).into()),
    };
    apply(&app, who, &id, &action).await?;
    Ok(Redirect::to(&format!("/tickets/{id}")))
}

/// Does it, and writes it down.
pub async fn apply(
    app: &App,
    who: &crate::server::caller::Caller,
    id: &str,
    action: &Action,
) -> Result<Ticket, Error> {
    let now = app.now();
    let leads = rows::get(&mut app.read().await?, who.scope, id).await?.ok_or(Error::Absent)?.1;
    let store = InTransaction::begin(&app.db, leads.host_id.as_slice()).await?;
    let ticket = ingest::act(&store, &app.judge, who.scope, id, action, now).await?;
    let mut conn = store.into_conn();
    let word = match action {
        Action::Acknowledge { .. } => "ticket.acknowledge",
        Action::Assign { .. } => "ticket.assign",
        Action::Comment { .. } => "ticket.comment",
        Action::Snooze { .. } => "ticket.snooze",
        Action::Close { .. } => "ticket.close",
        Action::Expect { .. } => "ticket.expect",
        Action::Seen { .. } | Action::Healed | Action::Tick => "ticket",
    };
    let tenant_id = match ticket.key.tenant.as_str() {
        "" => None,
        tenant => crate::db::hosts::find_tenant(&mut conn, tenant).await?,
    };
    who.note(&mut conn, tenant_id, word, &format!("ticket {id}"), &ticket.key.to_string(), now).await?;
    conn.commit().await?;
    Ok(ticket)
}
