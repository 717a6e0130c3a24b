//! Slack, Mattermost and Rocket.Chat: their incoming webhooks take the same. They cannot recognise a repeat.

use super::channel::{ChannelError, DeliverError, accepted};
use super::http::HttpClient;
use super::text;
use super::webhook::{address, client};
use crate::records::{Delivery, Message, Outgoing, Severity};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Settings of a channel of type `slack`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackSettings {
    /// A file with the address of the incoming webhook, which is a secret.
    pub url_file: PathBuf,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

/// The channel.
pub struct Slack {
    http: HttpClient,
    url: Zeroizing<String>,
}

impl Slack {
    pub(super) fn open(channel: &str, settings: &SlackSettings) -> Result<Self, ChannelError> {
        Ok(Self {
            http: client(channel, settings.ca_file.as_deref())?,
            url: address(channel, None, Some(&settings.url_file))?,
        })
    }

    pub(super) async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let body = body(&outgoing.message).to_string();
        let answer = accepted(self.http.send(Method::POST, &self.url, &[], body).await?)?;
        Ok(Delivery { receipt: Some(text::one_line(&answer.quote(), 100)), confirmed: false })
    }
}

fn body(message: &Message) -> Value {
    let color = match (message.is_over(), message.severity) {
        (true, _) => "#2e7d32",
        (_, Severity::Critical) => "#c62828",
        (_, Severity::Warning) => "#ef6c00",
        (_, Severity::Notice) => "#1565c0",
    };
    let mut lines = vec![escaped(&message.sentence)];
    if !message.is_over() {
        lines.push(format!("*What to do:* {}", escaped(&message.next_step)));
    }
    lines.extend(
        message
            .evidence
            .iter()
            .take(8)
            .map(|one| format!("• {}: {}", escaped(&one.label), escaped(&one.value))),
    );
    let title = escaped(&text::subject(message));
    json!({
        "text": title,
        "attachments": [{
            "color": color,
            "fallback": title,
            "title": format!("Ticket {}", message.ticket),
            "title_link": message.url,
            "text": lines.join("\n"),
            "mrkdwn_in": ["text"],
            "ts": message.at_secs,
        }],
    })
}

/// Their control characters: `<!channel>` in the name of a file must not wake everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
