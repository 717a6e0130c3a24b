//! Redmine by its REST API. A ticket is one issue, found again by its id in the subject; each message is one note, found again by
//! its number: what was delivered before a crash is recognised, not repeated.

use super::channel::{ChannelError, DeliverError, accepted, unexpected};
use super::http::{Answer, HttpClient};
use super::text;
use super::webhook::{client, optional};
use crate::records::{Delivery, Message, Outgoing, Severity};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Their limit of a subject, characters.
const SUBJECT_MAX: usize = 255;

/// Settings of a channel of type `redmine`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedmineSettings {
    /// Its address.
    pub url: String,
    /// A file with the API key of a user who may add and edit issues.
    pub key_file: PathBuf,
    /// The identifier of the project.
    pub project: String,
    /// The tracker's number; the project's first when not given.
    pub tracker: Option<u64>,
    /// Numbers of priorities; the default priority when not given.
    #[serde(default)]
    pub priorities: Priorities,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

/// Numbers of priorities in Redmine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Priorities {
    /// Of critical tickets.
    pub critical: Option<u64>,
    /// Of warnings.
    pub warning: Option<u64>,
    /// Of notices.
    pub notice: Option<u64>,
}

/// The channel.
pub struct Redmine {
    http: HttpClient,
    settings: RedmineSettings,
    key: Zeroizing<String>,
}

impl Redmine {
    pub(super) fn open(channel: &str, settings: &RedmineSettings) -> Result<Self, ChannelError> {
        let absent = || ChannelError::Setting {
            channel: channel.to_owned(),
            why: "`key_file` must be set".to_owned(),
        };
        let mut settings = settings.clone();
        settings.url = settings.url.trim_end_matches('/').to_owned();
        Ok(Self {
            http: client(channel, settings.ca_file.as_deref())?,
            key: optional(channel, Some(&settings.key_file))?.ok_or_else(absent)?,
            settings,
        })
    }

    pub(super) async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let message = &outgoing.message;
        let issue = match self.find(message).await? {
            Some(issue) => {
                if !self.is_noted(issue, outgoing).await? {
                    self.note(issue, outgoing).await?;
                }
                issue
            }
            None => self.create(outgoing).await?,
        };
        // Read back: the only yes that counts.
        let confirmed = self.find(message).await? == Some(issue) && self.is_noted(issue, outgoing).await?;
        Ok(Delivery { receipt: Some(format!("issue {issue}")), confirmed })
    }

    /// The issue of a ticket, open or closed.
    async fn find(&self, message: &Message) -> Result<Option<u64>, DeliverError> {
        let tag = utf8_percent_encode(&tag(message), NON_ALPHANUMERIC).to_string();
        let project = utf8_percent_encode(&self.settings.project, NON_ALPHANUMERIC);
        let path = format!(
            "/projects/{project}/issues.json?set_filter=1&sort=id&f[]=status_id&op[status_id]=*&f[]=subject&op[subject]=~&v[subject][]={tag}"
        );
        let answer = self.call(Method::GET, &path, None).await?;
        let issues = answer.json().ok_or_else(|| unexpected(&answer))?;
        let issues = issues.get("issues").and_then(Value::as_array).ok_or_else(|| unexpected(&answer))?;
        Ok(issues.first().and_then(|issue| issue.get("id")?.as_u64()))
    }

    async fn create(&self, outgoing: &Outgoing) -> Result<u64, DeliverError> {
        let message = &outgoing.message;
        let mut issue = json!({
            "project_id": self.settings.project,
            "subject": text::one_line(&format!("{} {}", tag(message), text::subject(message)), SUBJECT_MAX),
            "description": noted(outgoing),
        });
        if let Some(tracker) = self.settings.tracker {
            issue["tracker_id"] = json!(tracker);
        }
        if let Some(priority) = self.priority(message.severity) {
            issue["priority_id"] = json!(priority);
        }
        let answer = self.call(Method::POST, "/issues.json", Some(json!({ "issue": issue }))).await?;
        let id = answer
            .json()
            .and_then(|json| json.get("issue")?.get("id")?.as_u64())
            .ok_or_else(|| unexpected(&answer))?;
        // A ticket whose first word here is that it is over, after another channel was added, is closed at once.
        if message.is_over() {
            self.note(id, outgoing).await?;
        }
        Ok(id)
    }

    /// Whether the issue carries this message already, as its description or as a note.
    async fn is_noted(&self, issue: u64, outgoing: &Outgoing) -> Result<bool, DeliverError> {
        let answer = self.call(Method::GET, &format!("/issues/{issue}.json?include=journals"), None).await?;
        let json = answer.json().ok_or_else(|| unexpected(&answer))?;
        let issue = json.get("issue").ok_or_else(|| unexpected(&answer))?;
        let journals = issue.get("journals").and_then(Value::as_array).cloned().unwrap_or_default();
        let notes = journals.iter().filter_map(|journal| journal.get("notes")?.as_str());
        let description = issue.get("description").and_then(Value::as_str);
        let mark = mark(outgoing);
        Ok(notes.chain(description).any(|text| text.contains(&mark)))
    }

    async fn note(&self, issue: u64, outgoing: &Outgoing) -> Result<(), DeliverError> {
        let message = &outgoing.message;
        let mut change =
            json!({ "notes": noted(outgoing), "status_id": self.status(message.is_over()).await? });
        if let Some(priority) = self.priority(message.severity) {
            change["priority_id"] = json!(priority);
        }
        self.call(Method::PUT, &format!("/issues/{issue}.json"), Some(json!({ "issue": change }))).await?;
        Ok(())
    }

    /// The first status that means closed, or open.
    async fn status(&self, closed: bool) -> Result<u64, DeliverError> {
        let answer = self.call(Method::GET, "/issue_statuses.json", None).await?;
        let json = answer.json().ok_or_else(|| unexpected(&answer))?;
        let statuses = json.get("issue_statuses").and_then(Value::as_array).cloned().unwrap_or_default();
        let fits =
            |status: &&Value| status.get("is_closed").and_then(Value::as_bool).unwrap_or(false) == closed;
        statuses
            .iter()
            .find(fits)
            .and_then(|status| status.get("id")?.as_u64())
            .ok_or_else(|| unexpected(&answer))
    }

    fn priority(&self, severity: Severity) -> Option<u64> {
        match severity {
            Severity::Critical => self.settings.priorities.critical,
            Severity::Warning => self.settings.priorities.warning,
            Severity::Notice => self.settings.priorities.notice,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, DeliverError> {
        let address = format!("{}{path}", self.settings.url);
        let headers = [("x-redmine-api-key", self.key.as_str()), ("accept", "application/json")];
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        accepted(self.http.send(method, &address, &headers, body).await?)
    }
}

/// What an issue is found again by.
fn tag(message: &Message) -> String {
    format!("[vow {}]", message.ticket)
}

/// What a note is found again by.
fn mark(outgoing: &Outgoing) -> String {
    format!("(vow {}.{})", outgoing.message.ticket, outgoing.message.number)
}

/// Preformatted: what others wrote must not become markup.
fn noted(outgoing: &Outgoing) -> String {
    let text = text::plain(&outgoing.message).replace("</pre>", "< /pre>");
    format!("<pre>\n{text}</pre>\n{}", mark(outgoing))
}
