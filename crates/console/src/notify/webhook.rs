//! Any program that takes JSON by HTTP. The body is the message, or what a template makes of it; it is signed with a shared
//! secret, and `Idempotency-Key` is the same each time the same message is sent.
//!
//! The signature is HMAC-SHA-256 over `TIMESTAMP.BODY`, in `Vow-Signature: t=TIMESTAMP,v1=HEX`. A receiver compares it, and refuses
//! old timestamps. A receiver that answers `{"received": ID}` with the message's own id has confirmed it.

mod template;

use super::channel::{ChannelError, DeliverError, accepted};
use super::http::HttpClient;
use super::{secret, text};
use crate::records::{Delivery, Outgoing};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use std::path::PathBuf;
use std::time::Duration;
use template::Template;
use zeroize::Zeroizing;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Settings of a channel of type `webhook`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where to.
    pub url: Option<String>,
    /// A file with it, when it is a secret.
    pub url_file: Option<PathBuf>,
    /// A file with the secret that signs.
    pub secret_file: Option<PathBuf>,
    /// A file with a token for `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// A JSON document in whose strings `{{name}}` stands for fields of the message.
    pub template_file: Option<PathBuf>,
}

/// The channel.
pub struct Webhook {
    http: HttpClient,
    url: Zeroizing<String>,
    secret: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
    template: Option<Template>,
}

impl Webhook {
    pub(super) fn open(channel: &str, settings: &WebhookSettings) -> Result<Self, ChannelError> {
        let refuse = |why: String| ChannelError::Setting { channel: channel.to_owned(), why };
        let template = match &settings.template_file {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| refuse(format!("{}: {error}", path.display())))?;
                Some(Template::parse(&text).map_err(|why| refuse(format!("{}: {why}", path.display())))?)
            }
        };
        Ok(Self {
            http: client(channel, settings.ca_file.as_deref())?,
            url: address(channel, settings.url.as_deref(), settings.url_file.as_deref())?,
            secret: optional(channel, settings.secret_file.as_deref())?,
            token: optional(channel, settings.token_file.as_deref())?,
            template,
        })
    }

    pub(super) async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let body = match &self.template {
            Some(template) => template.fill(&fields(outgoing)),
            None => fields(outgoing),
        };
        let body = body.to_string();
        let mut headers = vec![("idempotency-key", outgoing.id.as_str())];
        let signature =
            self.secret.as_ref().map(|secret| sign(secret, jiff::Timestamp::now().as_second(), &body));
        if let Some(signature) = &signature {
            headers.push(("vow-signature", signature));
        }
        let bearer = self.token.as_ref().map(|token| Zeroizing::new(format!("Bearer {}", token.as_str())));
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer));
        }
        let answer = accepted(self.http.send(Method::POST, &self.url, &headers, body).await?)?;
        let received = answer.json().and_then(|json| Some(json.get("received")?.as_str()?.to_owned()));
        let confirmed = received.as_deref() == Some(outgoing.id.as_str());
        Ok(Delivery { receipt: Some(format!("HTTP {}", answer.status)), confirmed })
    }
}

/// Everything that a message says, as documented.
fn fields(outgoing: &Outgoing) -> serde_json::Value {
    let message = &outgoing.message;
    json!({
        "format": "vow-notification",
        "version": 1,
        "id": outgoing.id,
        "ticket": message.ticket,
        "number": message.number,
        "key": message.key.to_string(),
        "tenant": message.key.tenant,
        "rule": message.key.rule,
        "subject": message.key.subject.to_string(),
        "host": message.key.subject.host(),
        "source": message.key.subject.source(),
        "kind": message.kind,
        "open": !message.is_over(),
        "severity": message.severity,
        "title": text::subject(message),
        "text": text::plain(message),
        "sentence": message.sentence,
        "next_step": message.next_step,
        "evidence": message.evidence,
        "since": text::rfc3339(message.since_secs),
        "at": text::rfc3339(message.at_secs),
        "url": message.url,
    })
}

/// `t=TIMESTAMP,v1=HEX`.
pub fn sign(secret: &str, now_secs: i64, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{now_secs}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={now_secs},v1={hex}")
}

/// The client of a channel.
pub(super) fn client(channel: &str, ca_file: Option<&std::path::Path>) -> Result<HttpClient, ChannelError> {
    HttpClient::new(ca_file, TIMEOUT)
        .map_err(|error| ChannelError::Http { channel: channel.to_owned(), error })
}

/// A secret that need not be there.
pub(super) fn optional(
    channel: &str,
    path: Option<&std::path::Path>,
) -> Result<Option<Zeroizing<String>>, ChannelError> {
    let read = |path| {
        secret::read(path).map_err(|error| ChannelError::Secret { channel: channel.to_owned(), error })
    };
    path.map(read).transpose()
}

/// An address, written down or in a file.
pub(super) fn address(
    channel: &str,
    url: Option<&str>,
    url_file: Option<&std::path::Path>,
) -> Result<Zeroizing<String>, ChannelError> {
    let refuse = |why: &str| ChannelError::Setting { channel: channel.to_owned(), why: why.to_owned() };
    let url = match (url, optional(channel, url_file)?) {
        (Some(url), None) => Zeroizing::new(url.to_owned()),
        (None, Some(url)) => url,
        _ => return Err(refuse("either `url` or `url_file` must be set")),
    };
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(url)
    } else {
        Err(refuse("an address begins with https:// or http://"))
    }
}
