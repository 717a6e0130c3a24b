//! Who is told what.

use crate::records::{Message, Notice, NoticeKind, Outgoing, RuleName, Severity, State, Ticket};
use serde::{Deserialize, Serialize};

/// What one channel wants to hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The channel's name.
    pub channel: String,
    /// Nothing less severe.
    #[serde(default = "least")]
    pub least: Severity,
    /// Only these tenants; empty is all, and what belongs to whoever runs the console.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Only these rules; empty is all.
    #[serde(default)]
    pub rules: Vec<RuleName>,
    /// Not these rules: a host's first audit, for one, has a ticket for everything that it finds.
    #[serde(default)]
    pub except: Vec<RuleName>,
}

/// Who is told what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// Each channel.
    pub routes: Vec<Route>,
    /// What links begin with: `https://console.example.net`.
    pub web_address: Option<String>,
}

fn least() -> Severity {
    Severity::Notice
}

impl Route {
    /// Everything goes to a channel.
    pub fn all(channel: &str) -> Self {
        let (tenants, rules, except) = (vec![], vec![], vec![]);
        Self { channel: channel.to_owned(), least: Severity::Notice, tenants, rules, except }
    }

    fn wants(&self, ticket: &Ticket) -> bool {
        // The daily fault must reach every channel, whatever it listens to.
        if ticket.key.rule == RuleName::SelfTest {
            return true;
        }
        // A channel cannot tell of its own failure.
        if ticket.key.rule == RuleName::ChannelDown
            && ticket.key.subject.to_string() == format!("channel {}", self.channel)
        {
            return false;
        }
        ticket.severity >= self.least
            && (self.tenants.is_empty() || self.tenants.contains(&ticket.key.tenant))
            && (self.rules.is_empty() || self.rules.contains(&ticket.key.rule))
            && !self.except.contains(&ticket.key.rule)
    }
}

/// The messages that a notice makes. Remembers in the ticket who was told; who was not told of a problem is not told of its end.
pub(crate) fn outgoing(
    notice: &Notice,
    ticket: &mut Ticket,
    routes: &Routes,
    now_secs: i64,
) -> Vec<Outgoing> {
    let channels: Vec<String> = if notice.kind == NoticeKind::Closed {
        std::mem::take(&mut ticket.told).into_iter().collect()
    } else {
        routes.routes.iter().filter(|route| route.wants(ticket)).map(|route| route.channel.clone()).collect()
    };
    if notice.kind != NoticeKind::Closed {
        ticket.told.extend(channels.iter().cloned());
    }
    let message = message(notice, ticket, routes, now_secs);
    channels
        .into_iter()
        .map(|channel| Outgoing {
            id: format!("{}.{}.{channel}", notice.ticket, notice.number),
            channel,
            message: message.clone(),
            put_secs: now_secs,
            due_secs: now_secs,
            attempts: 0,
            error: None,
            state: State::Waiting,
        })
        .collect()
}

fn message(notice: &Notice, ticket: &Ticket, routes: &Routes, now_secs: i64) -> Message {
    let base = routes.web_address.as_deref().map(|address| address.trim_end_matches('/'));
    Message {
        ticket: ticket.id.clone(),
        number: notice.number,
        key: ticket.key.clone(),
        kind: notice.kind,
        severity: ticket.severity,
        sentence: ticket.sentence.clone(),
        next_step: ticket.next_step.clone(),
        evidence: ticket.evidence.clone(),
        since_secs: ticket.since_secs,
        at_secs: now_secs,
        url: base.map(|base| format!("{base}/tickets/{}", ticket.id)),
    }
}
