//! What every channel can do, and how its failures are told apart.

use super::alertmanager::Alertmanager;
use super::config::{ChannelSettings, Kind};
use super::http::{Answer, HttpError};
use super::pagerduty::PagerDuty;
use super::redmine::Redmine;
use super::request_tracker::RequestTracker;
use super::secret::SecretError;
use super::slack::Slack;
use super::smtp::Smtp;
use super::webhook::Webhook;
use crate::records::{Delivery, Outgoing};

/// Why a channel cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A secret.
    #[error("channel {channel}: {error}")]
    Secret {
        /// The channel.
        channel: String,
        /// What is wrong.
        error: SecretError,
    },
    /// The client.
    #[error("channel {channel}: {error}")]
    Http {
        /// The channel.
        channel: String,
        /// What is wrong.
        error: HttpError,
    },
    /// A value of its settings.
    #[error("channel {channel}: {why}")]
    Setting {
        /// The channel.
        channel: String,
        /// What is wrong, and what it must be.
        why: String,
    },
}

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// It may be taken later.
    #[error("{error}")]
    Later {
        /// Why.
        error: String,
        /// When the receiver wants to be asked again, seconds.
        after_secs: Option<i64>,
    },
    /// The receiver does not take this message as it is.
    #[error("{error}")]
    Refused {
        /// Why.
        error: String,
    },
}

/// One channel, ready.
pub struct Channel {
    /// Its name.
    pub name: String,
    receiver: Receiver,
}

enum Receiver {
    Smtp(Smtp),
    Webhook(Webhook),
    Slack(Slack),
    PagerDuty(PagerDuty),
    Alertmanager(Alertmanager),
    Redmine(Redmine),
    RequestTracker(RequestTracker),
}

impl Channel {
    /// Reads what its settings name: secrets, certificates, templates.
    pub fn open(settings: &ChannelSettings) -> Result<Self, ChannelError> {
        let name = &settings.name;
        let receiver = match &settings.kind {
            Kind::Smtp(kind) => Receiver::Smtp(Smtp::open(name, kind)?),
            Kind::Webhook(kind) => Receiver::Webhook(Webhook::open(name, kind)?),
            Kind::Slack(kind) => Receiver::Slack(Slack::open(name, kind)?),
            Kind::Pagerduty(kind) => Receiver::PagerDuty(PagerDuty::open(name, kind)?),
            Kind::Alertmanager(kind) => Receiver::Alertmanager(Alertmanager::open(name, kind)?),
            Kind::Redmine(kind) => Receiver::Redmine(Redmine::open(name, kind)?),
            Kind::RequestTracker(kind) => Receiver::RequestTracker(RequestTracker::open(name, kind)?),
        };
        Ok(Self { name: name.clone(), receiver })
    }

    /// Delivers one message. The same one again makes nothing new at receivers that can tell.
    pub async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        match &self.receiver {
            Receiver::Smtp(receiver) => receiver.deliver(outgoing).await,
            Receiver::Webhook(receiver) => receiver.deliver(outgoing).await,
            Receiver::Slack(receiver) => receiver.deliver(outgoing).await,
            Receiver::PagerDuty(receiver) => receiver.deliver(outgoing).await,
            Receiver::Alertmanager(receiver) => receiver.deliver(outgoing).await,
            Receiver::Redmine(receiver) => receiver.deliver(outgoing).await,
            Receiver::RequestTracker(receiver) => receiver.deliver(outgoing).await,
        }
    }
}

impl From<HttpError> for DeliverError {
    fn from(error: HttpError) -> Self {
        Self::Later { error: error.to_string(), after_secs: None }
    }
}

/// A yes, or why not. Only what is about this message is a refusal: an address or a credential may be mended.
pub(super) fn accepted(answer: Answer) -> Result<Answer, DeliverError> {
    if answer.is_success() {
        return Ok(answer);
    }
    let quote = answer.quote();
    let said = if quote.is_empty() { String::new() } else { format!(": {quote}") };
    let error = format!("the receiver answered {}{said}", answer.status);
    Err(match answer.status {
        400 | 413 | 422 => DeliverError::Refused { error },
        _ => DeliverError::Later { error, after_secs: answer.retry_after_secs },
    })
}

/// What an answer that cannot be used means: another program answers there.
pub(super) fn unexpected(answer: &Answer) -> DeliverError {
    let error =
        format!("the receiver's answer is not the one expected ({}): {}", answer.status, answer.quote());
    DeliverError::Later { error, after_secs: None }
}
