//! Pings to a healthchecks server (or what speaks like one): the watchman of the console itself. It is told after each passed test
//! of the alarm path; when the console dies, or its alarms do not arrive, the ping stays away and somebody else's server says so.

use super::channel::ChannelError;
use super::http::{HttpClient, HttpError};
use super::webhook::{address, client};
use http::Method;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// How much text a ping carries; healthchecks keeps no more.
const BODY_MAX: usize = 10_000;

/// Settings of pings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PingSettings {
    /// A file with the address of the check: `https://hc-ping.com/UUID`.
    pub url_file: PathBuf,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Something has begun.
    Start,
    /// All is well.
    Success,
    /// Something is wrong.
    Fail,
}

/// Where pings go.
pub struct Pinger {
    http: HttpClient,
    url: Zeroizing<String>,
}

impl Pinger {
    /// Reads what the settings name.
    pub fn open(settings: &PingSettings) -> Result<Self, ChannelError> {
        let name = "ping";
        Ok(Self {
            http: client(name, settings.ca_file.as_deref())?,
            url: address(name, None, Some(&settings.url_file))?,
        })
    }

    /// Sends one. What does not arrive is not sent again: staying away is a message too.
    pub async fn ping(&self, signal: Signal, text: &str) -> Result<(), HttpError> {
        let suffix = match signal {
            Signal::Start => "/start",
            Signal::Success => "",
            Signal::Fail => "/fail",
        };
        let address = Zeroizing::new(format!("{}{suffix}", self.url.trim_end_matches('/')));
        let text: String = text.chars().take(BODY_MAX).collect();
        let headers = [("content-type", "text/plain; charset=utf-8")];
        let answer = self.http.send(Method::POST, &address, &headers, text).await?;
        if answer.is_success() {
            return Ok(());
        }
        let why = format!("it answered {}: {}", answer.status, answer.quote());
        Err(HttpError::Answer { host: super::http::shown(&self.url), why })
    }
}
