//! `vow console tickets`, and what can be done to one.

use super::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::{Table, plain, rfc3339};
use serde_json::json;
use vow_console::admin;
use vow_console::db::{Conn, Scope, tickets};
use vow_console::records::{Action, Status, Ticket};
use vow_console::rules::words;
use vow_console::tickets::said;

/// List tickets, worst and oldest first. Exit code 4 when one is open
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    at: At,
    /// Closed ones instead of open ones
    #[arg(long)]
    closed: bool,
    /// Only those of this tenant
    #[arg(long)]
    tenant: Option<String>,
}

/// Show a ticket with its history
#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    at: At,
    /// The ticket, or how its number begins
    ticket: String,
}

/// Say that you look into a ticket
#[derive(clap::Args)]
pub(crate) struct AckArgs {
    #[command(flatten)]
    one: One,
}

/// Hand a ticket to someone; to nobody when no name is given
#[derive(clap::Args)]
pub(crate) struct AssignArgs {
    #[command(flatten)]
    one: One,
    /// To whom
    owner: Option<String>,
}

/// Say something about a ticket
#[derive(clap::Args)]
pub(crate) struct TextArgs {
    #[command(flatten)]
    one: One,
    /// What
    text: String,
}

/// Hear nothing of a ticket for a while
#[derive(clap::Args)]
pub(crate) struct SnoozeArgs {
    #[command(flatten)]
    one: One,
    /// For how long, ninety days at most
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=2160))]
    hours: i64,
}

/// Say that this is how it is from now on: the rule learns it
#[derive(clap::Args)]
pub(crate) struct ExpectArgs {
    #[command(flatten)]
    one: One,
    /// Why
    reason: String,
}

/// Close a ticket; it opens again when the problem is seen again
#[derive(clap::Args)]
pub(crate) struct CloseArgs {
    #[command(flatten)]
    one: One,
    /// Why
    reason: String,
}

/// Which ticket, and who speaks.
#[derive(clap::Args)]
struct One {
    #[command(flatten)]
    at: At,
    /// The ticket, or how its number begins
    ticket: String,
    /// Who you are [default: $USER]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

const LIST_MAX: i64 = 100_000;

/// Lists.
pub(crate) fn list(cx: &Context, args: &ListArgs) -> Outcome<Exit> {
    let wanted = tickets::Wanted { closed: args.closed, ..tickets::Wanted::default() };
    let scope = |tenant: Option<i64>| tenant.map_or(Scope::All, Scope::Tenant);
    let (found, now) = args.at.with(|app| async move {
        let mut conn = app.read().await?;
        let tenant = match &args.tenant {
            Some(name) => Some(super::audit::tenant_id(&app, name).await?),
            None => None,
        };
        Ok((tickets::list(&mut conn, scope(tenant), &wanted, LIST_MAX, 0).await?, app.now()))
    })?;
    cx.ui.json(&json!({"message_type": "tickets", "tickets": found}));
    let mut table = Table::new(&["ticket", "severity", "since", "owner", "tenant", "about", ""], &[]);
    for ticket in &found {
        let key = &ticket.key;
        let owner = ticket.owner.as_ref().or(ticket.acknowledged_by.as_ref());
        let cells = [
            &*ticket.id,
            ticket.severity.word(),
            &words::span((now - ticket.since_secs).max(0) as f64),
            &owner.map_or_else(|| "-".to_owned(), |owner| plain(owner)),
            &plain(&key.tenant),
            &plain(&key.subject.to_string()),
            &plain(&ticket.sentence),
        ];
        table.row(cells.map(str::to_owned).into());
    }
    if found.is_empty() {
        cx.ui.line("no ticket");
    } else {
        table.lines().iter().for_each(|line| cx.ui.line(line));
    }
    Ok(if found.is_empty() || args.closed { Exit::Done } else { Exit::Problems })
}

/// Shows one.
pub(crate) fn show(cx: &Context, args: &ShowArgs) -> Outcome<Exit> {
    let (ticket, events) = args.at.with(|app| async move {
        let mut conn = app.read().await?;
        let id = whole_id(&mut conn, &args.ticket).await?;
        let found = tickets::get(&mut conn, Scope::All, &id).await?;
        let (ticket, _) = found.ok_or_else(|| none(&args.ticket))?;
        Ok((ticket, tickets::events(&mut conn, &id, 500).await?))
    })?;
    cx.ui.json(&json!({"message_type": "ticket", "ticket": ticket, "events": events}));
    print(cx, &ticket);
    for evidence in &ticket.evidence {
        cx.ui.line(&format!("{}: {}", plain(&evidence.label), plain(&evidence.value)));
    }
    cx.ui.line("history:");
    for event in events.iter().rev() {
        let at = rfc3339(event.at_secs.saturating_mul(1_000_000_000));
        cx.ui.line(&format!("  {at}  {}", plain(&said(&event.action))));
    }
    Ok(Exit::Done)
}

fn print(cx: &Context, ticket: &Ticket) {
    let status = match ticket.status {
        Status::Open => "open",
        Status::Closed => "closed",
    };
    let time = |secs: i64| rfc3339(secs.saturating_mul(1_000_000_000));
    cx.ui.line(&format!("{} {status} {}: {}", ticket.id, ticket.severity.word(), plain(&ticket.sentence)));
    if ticket.status == Status::Open {
        cx.ui.line(&format!("next step: {}", plain(&ticket.next_step)));
    }
    let about = format!("{} {}", ticket.key.tenant, ticket.key.subject);
    let about = plain(about.trim());
    cx.ui.line(&format!(
        "about: {about}, rule {}, since {}",
        ticket.key.rule.word(),
        time(ticket.since_secs)
    ));
    if let Some(owner) = &ticket.owner {
        cx.ui.line(&format!("owner: {}", plain(owner)));
    }
    if let Some(by) = &ticket.acknowledged_by {
        cx.ui.line(&format!("looked into by: {}", plain(by)));
    }
    if let Some(until) = ticket.snoozed_until_secs.filter(|_| ticket.status == Status::Open) {
        cx.ui.line(&format!("snoozed until: {}", time(until)));
    }
}

fn none(ticket: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no ticket {ticket:?}"))
        .hint("`vow console tickets` has those that are open, with --closed the others")
}

/// The id of a ticket of which the beginning was typed.
async fn whole_id(conn: &mut Conn, typed: &str) -> Outcome<String> {
    match &*tickets::beginning(conn, typed).await? {
        [] => Err(none(typed)),
        [id] => Ok(id.clone()),
        [id, ..] if id == typed => Ok(id.clone()),
        _ => Err(Failure::new(Exit::Usage, format!("several tickets begin with {typed:?}"))
            .hint("give more of its number")),
    }
}

impl One {
    fn act(&self, cx: &Context, make: impl FnOnce(String, i64) -> Action) -> Outcome<Exit> {
        let mut who = admin::at_the_machine();
        if let Some(by) = &self.by {
            who.name.clone_from(by);
        }
        let ticket = self.at.with(|app| async move {
            let action = make(who.name.clone(), app.now());
            let id = whole_id(&mut app.read().await?, &self.ticket).await?;
            Ok(admin::apply(&app, &who, &id, &action).await?)
        })?;
        cx.ui.json(&json!({"message_type": "ticket", "ticket": ticket}));
        print(cx, &ticket);
        Ok(Exit::Done)
    }
}

/// Acknowledges.
pub(crate) fn ack(cx: &Context, args: &AckArgs) -> Outcome<Exit> {
    args.one.act(cx, |by, _| Action::Acknowledge { by })
}

/// Hands over.
pub(crate) fn assign(cx: &Context, args: &AssignArgs) -> Outcome<Exit> {
    args.one.act(cx, |by, _| Action::Assign { by, owner: args.owner.clone() })
}

/// Comments.
pub(crate) fn comment(cx: &Context, args: &TextArgs) -> Outcome<Exit> {
    args.one.act(cx, |by, _| Action::Comment { by, text: args.text.clone() })
}

/// Snoozes.
pub(crate) fn snooze(cx: &Context, args: &SnoozeArgs) -> Outcome<Exit> {
    args.one.act(cx, |by, now| Action::Snooze { by, until_secs: now + args.hours * 3600 })
}

/// Marks as expected.
pub(crate) fn expect(cx: &Context, args: &ExpectArgs) -> Outcome<Exit> {
    args.one.act(cx, |by, _| Action::Expect { by, reason: args.reason.clone() })
}

/// Closes.
pub(crate) fn close(cx: &Context, args: &CloseArgs) -> Outcome<Exit> {
    args.one.act(cx, |by, _| Action::Close { by, reason: args.reason.clone() })
}
