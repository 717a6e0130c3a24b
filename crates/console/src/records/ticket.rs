//! Tickets, what happens to them, and what has to be told about it.

use super::key::Key;
use super::message::Outgoing;
use super::problem::{Evidence, Problem, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The problem is there.
    Open,
    /// It is over, or a person has said so.
    Closed,
}

/// One problem that someone must look at, from its first occurrence to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Ten hexadecimal digits, made from the key and the time of opening: two consoles that open the same make the same.
    pub id: String,
    /// Counts the changes; a change is stored only over the revision it was made from.
    pub revision: u64,
    /// The problem.
    pub key: Key,
    /// Where it stands.
    pub status: Status,
    /// How bad it is, with escalation.
    pub severity: Severity,
    /// How bad the rule says it is.
    pub judged: Severity,
    /// The newest sentence.
    pub sentence: String,
    /// What to do.
    pub next_step: String,
    /// What the sentence rests on.
    pub evidence: Vec<Evidence>,
    /// Reports that show it, oldest first: the first, and the newest ones.
    pub reports: Vec<String>,
    /// When it was first opened.
    pub opened_secs: i64,
    /// Since when it is open this time, or was when it closed.
    pub since_secs: i64,
    /// When the problem was last seen.
    pub seen_secs: i64,
    /// How often it was seen.
    pub seen: u64,
    /// When it was closed.
    pub closed_secs: Option<i64>,
    /// Who looks after it.
    pub owner: Option<String>,
    /// Who has taken notice of it, this time.
    pub acknowledged_by: Option<String>,
    /// Until when nobody wants to hear of it.
    pub snoozed_until_secs: Option<i64>,
    /// How many steps of escalation it has taken, this time.
    pub escalation: u32,
    /// When it opened or closed by itself, newest last, within the time in which flapping is recognised.
    pub turns_secs: Vec<i64>,
    /// It opens and closes again and again: told once, and then only when it has been quiet or becomes worse.
    pub flapping: bool,
    /// Counts the notices; makes each one unmistakable.
    pub notices: u64,
    /// Whether the last notice that was told said that it is open.
    pub told_open: bool,
    /// Channels that were told that it is open, and not yet that it is over.
    #[serde(default)]
    pub told: BTreeSet<String>,
}

/// What happens to a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// The problem is there.
    Seen {
        /// What the rule says.
        problem: Problem,
    },
    /// Its rule judged, and did not find it.
    Healed,
    /// Time passes: escalation, the end of a snooze, the end of flapping.
    Tick,
    /// A person has taken notice and looks into it.
    Acknowledge {
        /// Who.
        by: String,
    },
    /// A person hands it to someone.
    Assign {
        /// Who.
        by: String,
        /// To whom; `None` to nobody.
        owner: Option<String>,
    },
    /// A person says something.
    Comment {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// Nobody wants to hear of it until then.
    Snooze {
        /// Who.
        by: String,
        /// Until when.
        until_secs: i64,
    },
    /// A person closes it. It opens again when the problem is seen again.
    Close {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person says that this is how it is from now on. The caller also stores the [`Mark`](super::Mark).
    Expect {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// One entry in the history of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketEvent {
    /// The ticket.
    pub ticket: String,
    /// The revision that it made.
    pub revision: u64,
    /// When.
    pub at_secs: i64,
    /// What.
    pub action: Action,
}

/// Why someone is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A ticket was opened.
    Opened,
    /// A closed one was opened again.
    Reopened,
    /// It became worse.
    Worse,
    /// Nobody has taken notice of it for long.
    Escalated,
    /// It opens and closes again and again.
    Flapping,
    /// Its snooze ended and it is still there.
    Reminder,
    /// It is over.
    Closed,
}

/// Something that has to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The ticket's id.
    pub ticket: String,
    /// Counts within the ticket.
    pub number: u64,
    /// Why.
    pub kind: NoticeKind,
}

/// A step of one ticket, to be stored in one transaction: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The revision that the step was made from; `None` when the ticket is new.
    pub from_revision: Option<u64>,
    /// The ticket as it is then.
    pub ticket: Ticket,
    /// What happened; `None` when nothing did that a person would look for in a history.
    pub event: Option<TicketEvent>,
    /// What has to be delivered.
    pub outgoing: Vec<Outgoing>,
}
