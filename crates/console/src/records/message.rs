//! Messages to people and machines outside, and the outbox they wait in.

use super::key::{Key, RuleName};
use super::problem::{Evidence, Severity};
use super::ticket::NoticeKind;
use serde::{Deserialize, Serialize};

/// What a channel tells. It stands by itself: a channel needs nothing else to deliver it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The ticket's id: receivers that can, keep one incident for it.
    pub ticket: String,
    /// Counts the notices of the ticket: `(ticket, number)` is said once.
    pub number: u64,
    /// The problem.
    pub key: Key,
    /// Why it is told.
    pub kind: NoticeKind,
    /// How bad it is.
    pub severity: Severity,
    /// One plain sentence.
    pub sentence: String,
    /// What to do.
    pub next_step: String,
    /// What the sentence rests on.
    pub evidence: Vec<Evidence>,
    /// Since when the problem is there.
    pub since_secs: i64,
    /// When this was said.
    pub at_secs: i64,
    /// Where to read more, when the console has an address.
    pub url: Option<String>,
}

impl Message {
    /// The rule that speaks.
    pub fn rule(&self) -> RuleName {
        self.key.rule
    }

    /// Whether this says that the problem is over.
    pub fn is_over(&self) -> bool {
        self.kind == NoticeKind::Closed
    }
}

/// Where an outgoing message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It waits for its time.
    Waiting,
    /// Someone is delivering it; when the lease is over without a word, it waits again.
    Leased {
        /// Who: unique for each claim, so that a late word of an earlier claim is recognised.
        lease: String,
        /// Until when.
        until_secs: i64,
    },
    /// The receiver has it.
    Delivered {
        /// When.
        at_secs: i64,
        /// What the receiver said.
        delivery: Delivery,
    },
    /// The receiver will never take it; a ticket about the channel says so.
    Refused {
        /// When.
        at_secs: i64,
        /// What it said.
        error: String,
    },
}

/// What a receiver said when it took a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its own name of it: the id of a mail, an incident, a ticket over there.
    pub receipt: Option<String>,
    /// Whether the message was read back from the receiver, or the receiver named it in its answer: it did not only say "yes".
    pub confirmed: bool,
}

/// A message to one channel, in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// `TICKET.NUMBER.CHANNEL`: putting the same twice is putting it once, and receivers that can are given it to recognise repeats.
    pub id: String,
    /// The channel's name.
    pub channel: String,
    /// The message.
    pub message: Message,
    /// When it was put here.
    pub put_secs: i64,
    /// Not to be tried before.
    pub due_secs: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Where it stands.
    pub state: State,
}
