//! Prometheus Alertmanager, API version 2. An alert is its labels: a repeat is the same alert.
//!
//! Alertmanager forgets alerts that nobody repeats, so an open one is given an end far away; it is resolved when the ticket closes.

use super::channel::{ChannelError, DeliverError, accepted};
use super::http::HttpClient;
use super::text;
use super::webhook::{client, optional};
use crate::records::{Delivery, Message, Outgoing, Severity};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// How long an alert lasts that is never resolved.
const YEAR_SECS: i64 = 365 * 86_400;

/// Settings of a channel of type `alertmanager`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerSettings {
    /// Its address: `http://alertmanager:9093`.
    pub url: String,
    /// A file with a token for `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

/// The channel.
pub struct Alertmanager {
    http: HttpClient,
    url: String,
    token: Option<Zeroizing<String>>,
}

impl Alertmanager {
    pub(super) fn open(channel: &str, settings: &AlertmanagerSettings) -> Result<Self, ChannelError> {
        Ok(Self {
            http: client(channel, settings.ca_file.as_deref())?,
            url: settings.url.trim_end_matches('/').to_owned(),
            token: optional(channel, settings.token_file.as_deref())?,
        })
    }

    pub(super) async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let message = &outgoing.message;
        let bearer = self.token.as_ref().map(|token| Zeroizing::new(format!("Bearer {}", token.as_str())));
        let headers: Vec<(&str, &str)> =
            bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let body = json!(alerts(message)).to_string();
        let address = format!("{}/api/v2/alerts", self.url);
        accepted(self.http.send(Method::POST, &address, &headers, body).await?)?;
        // It says nothing when it takes an alert, but shows those it has. A resolved one is not shown any more.
        let filter = format!("vow_ticket=\"{}\"", message.ticket);
        let shown = format!("{address}?filter={}", utf8_percent_encode(&filter, NON_ALPHANUMERIC));
        let answer = self.http.send(Method::GET, &shown, &headers, "").await;
        let alerts = answer.ok().filter(|answer| answer.is_success()).and_then(|answer| answer.json());
        let fingerprint = alerts.as_ref().and_then(|alerts| alerts.get(0)?.get("fingerprint")?.as_str());
        let is_there = fingerprint.is_some();
        Ok(Delivery {
            receipt: fingerprint.map(str::to_owned),
            confirmed: alerts.is_some() && is_there != message.is_over(),
        })
    }
}

/// One alert for each severity: routing there goes by labels, and severity is one. The one that holds is open, the others are
/// resolved, so that an alert that became worse does not leave its milder self behind.
fn alerts(message: &Message) -> Vec<Value> {
    [Severity::Notice, Severity::Warning, Severity::Critical]
        .into_iter()
        .map(|severity| alert(message, severity, !message.is_over() && severity == message.severity))
        .collect()
}

fn alert(message: &Message, severity: Severity, is_open: bool) -> Value {
    let mut labels = json!({
        "alertname": format!("vow_{}", message.key.rule.word().replace('-', "_")),
        "vow_ticket": message.ticket,
        "tenant": message.key.tenant,
        "subject": message.key.subject.to_string(),
        "severity": severity.word(),
    });
    if let Some(host) = message.key.subject.host() {
        labels["instance"] = json!(host);
    }
    if let Some(source) = message.key.subject.source() {
        labels["source"] = json!(source);
    }
    let ends = if is_open { message.at_secs.saturating_add(YEAR_SECS) } else { message.at_secs };
    json!({
        "labels": labels,
        "annotations": {
            "summary": text::subject(message),
            "description": message.sentence,
            "next_step": message.next_step,
        },
        // It must not end before it begins.
        "startsAt": text::rfc3339(message.since_secs.min(ends)),
        "endsAt": text::rfc3339(ends),
        "generatorURL": message.url.clone().unwrap_or_default(),
    })
}
