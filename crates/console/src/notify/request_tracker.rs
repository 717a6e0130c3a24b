//! Request Tracker by its REST API, version 2. A ticket of ours is one of theirs, found again by its id in the subject; each message
//! is one comment, found again by its subject: what was delivered before a crash is recognised, not repeated.

use super::channel::{ChannelError, DeliverError, accepted, unexpected};
use super::http::{Answer, HttpClient};
use super::text;
use super::webhook::{client, optional};
use crate::records::{Delivery, Message, Outgoing};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Their limit of a subject, characters.
const SUBJECT_MAX: usize = 200;

/// Settings of a channel of type `request-tracker`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestTrackerSettings {
    /// Its address, without `/REST/2.0`.
    pub url: String,
    /// A file with an authentication token of a user who may create and modify tickets.
    pub token_file: PathBuf,
    /// The queue.
    pub queue: String,
    /// The status of what is open.
    #[serde(default = "open")]
    pub open_status: String,
    /// The status of what is over.
    #[serde(default = "resolved")]
    pub closed_status: String,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

fn open() -> String {
    "open".to_owned()
}

fn resolved() -> String {
    "resolved".to_owned()
}

/// The channel.
pub struct RequestTracker {
    http: HttpClient,
    settings: RequestTrackerSettings,
    token: Zeroizing<String>,
}

impl RequestTracker {
    pub(super) fn open(channel: &str, settings: &RequestTrackerSettings) -> Result<Self, ChannelError> {
        let absent = || ChannelError::Setting {
            channel: channel.to_owned(),
            why: "`token_file` must be set".to_owned(),
        };
        let mut settings = settings.clone();
        settings.url = settings.url.trim_end_matches('/').to_owned();
        Ok(Self {
            http: client(channel, settings.ca_file.as_deref())?,
            token: optional(channel, Some(&settings.token_file))?.ok_or_else(absent)?,
            settings,
        })
    }

    pub(super) async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let message = &outgoing.message;
        let ticket = match self.find(message).await? {
            Some(ticket) => ticket,
            None => self.create(message).await?,
        };
        if !self.is_said(&ticket, outgoing).await? {
            self.say(&ticket, outgoing).await?;
        }
        let confirmed = self.is_said(&ticket, outgoing).await?;
        Ok(Delivery { receipt: Some(format!("ticket {ticket}")), confirmed })
    }

    /// Their ticket, whatever its status.
    async fn find(&self, message: &Message) -> Result<Option<String>, DeliverError> {
        let query = format!("Subject LIKE '{}'", tag(message));
        let path = format!("/tickets?orderby=id&query={}", utf8_percent_encode(&query, NON_ALPHANUMERIC));
        let answer = self.call(Method::GET, &path, None).await?;
        let items = answer.json().and_then(|json| json.get("items")?.as_array().cloned());
        let items = items.ok_or_else(|| unexpected(&answer))?;
        Ok(items.first().and_then(|item| item.get("id")).map(plain))
    }

    async fn create(&self, message: &Message) -> Result<String, DeliverError> {
        let subject = format!("{} {}", tag(message), text::subject(message));
        let body = json!({
            "Queue": self.settings.queue,
            "Subject": text::one_line(&subject, SUBJECT_MAX),
            "Content": text::plain(message),
            "ContentType": "text/plain",
        });
        let answer = self.call(Method::POST, "/ticket", Some(body)).await?;
        answer.json().and_then(|json| json.get("id").map(plain)).ok_or_else(|| unexpected(&answer))
    }

    /// Whether a comment with this message's subject is there.
    async fn is_said(&self, ticket: &str, outgoing: &Outgoing) -> Result<bool, DeliverError> {
        let path = format!("/ticket/{ticket}/history?fields=Type,Data&per_page=100&orderby=id&order=DESC");
        let answer = self.call(Method::GET, &path, None).await?;
        let items = answer.json().and_then(|json| json.get("items")?.as_array().cloned());
        let items = items.ok_or_else(|| unexpected(&answer))?;
        let mark = mark(outgoing);
        // A subject comes back with the end of its line.
        Ok(items.iter().filter_map(|item| item.get("Data")?.as_str()).any(|data| data.trim_end() == mark))
    }

    /// First the status, then the comment that says it was done: what is repeated after a crash is both.
    async fn say(&self, ticket: &str, outgoing: &Outgoing) -> Result<(), DeliverError> {
        let message = &outgoing.message;
        let status =
            if message.is_over() { &self.settings.closed_status } else { &self.settings.open_status };
        self.call(Method::PUT, &format!("/ticket/{ticket}"), Some(json!({ "Status": status }))).await?;
        let comment = json!({
            "Subject": mark(outgoing),
            "Content": text::plain(message),
            "ContentType": "text/plain",
        });
        self.call(Method::POST, &format!("/ticket/{ticket}/comment"), Some(comment)).await?;
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, DeliverError> {
        let address = format!("{}/REST/2.0{path}", self.settings.url);
        let token = Zeroizing::new(format!("token {}", self.token.as_str()));
        let headers = [("authorization", token.as_str()), ("accept", "application/json")];
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        accepted(self.http.send(method, &address, &headers, body).await?)
    }
}

fn tag(message: &Message) -> String {
    format!("[vow {}]", message.ticket)
}

fn mark(outgoing: &Outgoing) -> String {
    format!("vow {}.{}", outgoing.message.ticket, outgoing.message.number)
}

/// They write numbers sometimes as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
