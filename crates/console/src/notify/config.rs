//! The settings of channels, as in `console.toml`:
//!
//! ```toml
//! [[channel]]
//! name = "duty"
//! type = "smtp"
//! server = "mail.example.net"
//! from = "vow@example.net"
//! to = ["duty@example.net"]
//! ```

use super::alertmanager::AlertmanagerSettings;
use super::pagerduty::PagerDutySettings;
use super::redmine::RedmineSettings;
use super::request_tracker::RequestTrackerSettings;
use super::route::Route;
use super::slack::SlackSettings;
use super::smtp::SmtpSettings;
use super::webhook::WebhookSettings;
use crate::records::{RuleName, Severity};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Nothing less severe is told there.
    #[serde(default = "least")]
    pub least: Severity,
    /// Only these tenants; empty is all.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Only these rules; empty is all.
    #[serde(default)]
    pub rules: Vec<RuleName>,
    /// Not these rules.
    #[serde(default)]
    pub except: Vec<RuleName>,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a channel is. Each is told apart by `type`, and knows only its own keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Kind {
    /// E-mail.
    Smtp(SmtpSettings),
    /// Any program that takes JSON by HTTP.
    Webhook(WebhookSettings),
    /// Slack, Mattermost, Rocket.Chat.
    Slack(SlackSettings),
    /// PagerDuty events, version 2.
    Pagerduty(PagerDutySettings),
    /// Prometheus Alertmanager, API version 2.
    Alertmanager(AlertmanagerSettings),
    /// Redmine.
    Redmine(RedmineSettings),
    /// Request Tracker.
    RequestTracker(RequestTrackerSettings),
}

impl Kind {
    /// The files that it names: what is relative is meant from the folder of the console.
    pub(crate) fn files(&mut self) -> Vec<&mut PathBuf> {
        fn some(files: [Option<&mut PathBuf>; 5]) -> Vec<&mut PathBuf> {
            files.into_iter().flatten().collect()
        }
        match self {
            Self::Smtp(its) => some([its.ca_file.as_mut(), its.password_file.as_mut(), None, None, None]),
            Self::Webhook(its) => some([
                its.url_file.as_mut(),
                its.secret_file.as_mut(),
                its.token_file.as_mut(),
                its.ca_file.as_mut(),
                its.template_file.as_mut(),
            ]),
            Self::Slack(its) => some([Some(&mut its.url_file), its.ca_file.as_mut(), None, None, None]),
            Self::Pagerduty(its) => {
                some([Some(&mut its.routing_key_file), its.ca_file.as_mut(), None, None, None])
            }
            Self::Alertmanager(its) => {
                some([its.token_file.as_mut(), its.ca_file.as_mut(), None, None, None])
            }
            Self::Redmine(its) => some([Some(&mut its.key_file), its.ca_file.as_mut(), None, None, None]),
            Self::RequestTracker(its) => {
                some([Some(&mut its.token_file), its.ca_file.as_mut(), None, None, None])
            }
        }
    }
}

fn least() -> Severity {
    Severity::Notice
}

impl ChannelSettings {
    /// What it wants to hear.
    pub fn route(&self) -> Route {
        Route {
            channel: self.name.clone(),
            least: self.least,
            tenants: self.tenants.clone(),
            rules: self.rules.clone(),
            except: self.except.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        channel: Vec<ChannelSettings>,
    }

    #[test]
    fn channels_are_told_apart_and_unknown_keys_are_refused() {
        let good = "[[channel]]\nname = 'duty'\ntype = 'slack'\nleast = 'critical'\nurl_file = '/etc/vow/slack.url'\n";
        let file: File = toml::from_str(good).expect("good settings");
        let route = file.channel[0].route();
        assert_eq!((route.channel.as_str(), route.least), ("duty", Severity::Critical));
        let file: File =
            toml::from_str(&format!("{good}except = ['audit', 'policy']\n")).expect("good settings");
        assert_eq!(file.channel[0].route().except, [RuleName::Audit, RuleName::Policy]);
        for (bad, word) in [("webhok_file = 'x'", "webhok_file"), ("tennants = []", "tennants")] {
            let error =
                toml::from_str::<File>(&format!("{good}{bad}\n")).err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| error.contains(word)), "{error:?}");
        }
    }
}
