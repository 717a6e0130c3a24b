//! PagerDuty events, version 2. The ticket's id is the deduplication key: a repeat changes nothing there.

use super::channel::{ChannelError, DeliverError, accepted, unexpected};
use super::http::HttpClient;
use super::text;
use super::webhook::{client, optional};
use crate::records::{Delivery, Message, Outgoing, Severity};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Their limit of a summary, characters.
const SUMMARY_MAX: usize = 1024;

/// Settings of a channel of type `pagerduty`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDutySettings {
    /// A file with the integration key of the service.
    pub routing_key_file: PathBuf,
    /// Their address; another one for what speaks their language.
    #[serde(default = "theirs")]
    pub url: String,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

fn theirs() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

/// The channel.
pub struct PagerDuty {
    http: HttpClient,
    url: String,
    key: Zeroizing<String>,
}

impl PagerDuty {
    pub(super) fn open(channel: &str, settings: &PagerDutySettings) -> Result<Self, ChannelError> {
        let absent = || ChannelError::Setting {
            channel: channel.to_owned(),
            why: "`routing_key_file` must be set".to_owned(),
        };
        Ok(Self {
            http: client(channel, settings.ca_file.as_deref())?,
            url: settings.url.clone(),
            key: optional(channel, Some(&settings.routing_key_file))?.ok_or_else(absent)?,
        })
    }

    pub(super) async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let body = Zeroizing::new(body(&outgoing.message, &self.key).to_string());
        let answer = accepted(self.http.send(Method::POST, &self.url, &[], body.as_bytes().to_vec()).await?)?;
        // They name the key of what they took.
        let key = answer.json().and_then(|json| Some(json.get("dedup_key")?.as_str()?.to_owned()));
        match key {
            Some(key) => {
                let confirmed = key == dedup_key(&outgoing.message);
                Ok(Delivery { receipt: Some(key), confirmed })
            }
            None => Err(unexpected(&answer)),
        }
    }
}

fn dedup_key(message: &Message) -> String {
    format!("vow-{}", message.ticket)
}

fn body(message: &Message, routing_key: &str) -> Value {
    let common = json!({ "routing_key": routing_key, "dedup_key": dedup_key(message) });
    let mut body = common;
    if message.is_over() {
        body["event_action"] = json!("resolve");
        return body;
    }
    let severity = match message.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Notice => "info",
    };
    body["event_action"] = json!("trigger");
    body["client"] = json!("Vow");
    body["client_url"] = json!(message.url);
    let details: serde_json::Map<String, Value> =
        message.evidence.iter().map(|one| (one.label.clone(), json!(one.value))).collect();
    body["payload"] = json!({
        "summary": text::one_line(&text::subject(message), SUMMARY_MAX),
        "source": message.key.subject.to_string(),
        "severity": severity,
        "timestamp": text::rfc3339(message.at_secs),
        "group": message.key.tenant,
        "class": message.key.rule,
        "custom_details": {
            "sentence": message.sentence,
            "what to do": message.next_step,
            "since": text::rfc3339(message.since_secs),
            "evidence": details,
        },
    });
    body
}
