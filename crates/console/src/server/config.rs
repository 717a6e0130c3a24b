//! What a console is told: `console.toml`, read strictly. Whatever is wrong is said with line and column.

use crate::notify::config::ChannelSettings;
use crate::notify::ping_out::PingSettings;
use crate::notify::self_test::SelfTestSettings;
use serde::{Deserialize, Deserializer, de::Error};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use vow_base::amount::{self, BadAmount};
use vow_protocol::Address;

const TEXT_LIMIT_BYTES: usize = 1 << 20;
const DAY: Duration = Duration::from_secs(86_400);
/// The port for hosts when nothing else is said.
pub const HOSTS_PORT: u16 = 8444;
/// The port for browsers when nothing else is said.
pub const WEB_PORT: u16 = 8445;

/// What a console is told. Everything has a default, so that an empty file is a good one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where hosts reach it: join tokens name it.
    pub address: Option<Address>,
    /// Where it listens for hosts.
    pub listen_hosts: Vec<SocketAddr>,
    /// Where it listens for browsers and programs.
    pub listen_web: Vec<SocketAddr>,
    /// What links in notifications begin with.
    pub web_address: Option<String>,
    /// A certificate (PEM) for browsers; without one they speak HTTP.
    pub certificate: Option<PathBuf>,
    /// The key of the certificate (PEM).
    pub key: Option<PathBuf>,
    /// Whether a proxy on this machine says who asks (`X-Forwarded-For`) and how (`X-Forwarded-Proto`).
    pub behind_proxy: bool,
    /// The URL of a PostgreSQL database; without one, `console.db` beside this file.
    pub database: Option<String>,
    /// A file with the password for that.
    pub database_password_file: Option<PathBuf>,
    /// Authorities (PEM) that sign the certificate of that database's server, which then must prove its name by one.
    pub database_ca_file: Option<PathBuf>,
    /// How often vaults are asked.
    pub ask_vaults_every: Term,
    /// How often hosts and sources are looked at of which nothing comes.
    pub look_every: Term,
    /// How long healthy runs are kept.
    pub keep_runs: Term,
    /// How long other runs are kept.
    pub keep_problems: Term,
    /// How long days are kept.
    pub keep_days: Term,
    /// Connections at a time, of hosts and of browsers each.
    pub connections: usize,
    /// Reports of one host in a second, on average.
    pub reports_per_second: u32,
    /// Channels that are told of tickets: `docs/rules.md` has what each can be told.
    pub channel: Vec<ChannelSettings>,
    /// The daily test of the way from a fault to every channel.
    pub self_test: SelfTestSettings,
    /// Somebody else's watchman, who is told how the test ended.
    pub ping: Option<PingSettings>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: None,
            listen_hosts: vec![(Ipv6Addr::UNSPECIFIED, HOSTS_PORT).into()],
            listen_web: vec![(Ipv4Addr::LOCALHOST, WEB_PORT).into()],
            web_address: None,
            certificate: None,
            key: None,
            behind_proxy: false,
            database: None,
            database_password_file: None,
            database_ca_file: None,
            ask_vaults_every: Term(Duration::from_secs(60)),
            look_every: Term(Duration::from_secs(600)),
            keep_runs: Term(14 * DAY),
            keep_problems: Term(400 * DAY),
            keep_days: Term(800 * DAY),
            connections: 4096,
            reports_per_second: 50,
            channel: Vec::new(),
            self_test: SelfTestSettings::default(),
            ping: None,
        }
    }
}

/// A length of time in whole seconds, written as [`vow_base::amount`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term(pub Duration);

impl Term {
    /// In seconds.
    pub fn secs(self) -> i64 {
        i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX)
    }
}

impl std::str::FromStr for Term {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let term: amount::Term = text.parse()?;
        term.whole_secs().map(|secs| Self(Duration::from_secs(secs)))
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Why a configuration was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl Config {
    /// Reads the text of a `console.toml`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let at = |offset: usize, message: String| {
            let before = text.get(..offset).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
            ConfigError { line, column, message }
        };
        if text.len() > TEXT_LIMIT_BYTES {
            return Err(at(0, "the file is longer than 1 MiB".into()));
        }
        let config: Self = toml::from_str(text).map_err(|error| {
            // Only the first line: the others may quote the file.
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            at(error.span().map_or(0, |span| span.start), message)
        })?;
        config.check().map_err(|(word, why)| at(text.find(word).unwrap_or(0), format!("{word}: {why}")))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err(("certificate", "certificate and key belong together"));
        }
        if self
            .database
            .as_deref()
            .is_some_and(|url| !url.starts_with("postgres://") && !url.starts_with("postgresql://"))
        {
            return Err(("database", "must be postgres://…"));
        }
        if self.database.as_deref().is_some_and(has_password) {
            return Err(("database", "a password does not belong into a URL: use database_password_file"));
        }
        for (name, file) in [
            ("database_password_file", &self.database_password_file),
            ("database_ca_file", &self.database_ca_file),
        ] {
            if file.is_some() && self.database.is_none() {
                return Err((name, "there is no database that it belongs to"));
            }
        }
        if self.connections == 0 {
            return Err(("connections", "must be at least 1"));
        }
        if self.reports_per_second == 0 {
            return Err(("reports_per_second", "must be at least 1"));
        }
        if self
            .web_address
            .as_deref()
            .is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://"))
        {
            return Err(("web_address", "must begin with https:// or http://"));
        }
        Ok(())
    }

    /// What addresses of this console begin with, as far as it knows how browsers reach it.
    pub fn web_base(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        let listening = || self.listen_web.first().map(|address| format!("{scheme}://{address}"));
        let base = self.web_address.clone().or_else(listening).unwrap_or_default();
        base.trim_end_matches('/').to_owned()
    }

    /// Whether browsers reach it by HTTPS, here or at a proxy: cookies are marked so.
    pub fn is_secure(&self) -> bool {
        self.certificate.is_some()
            || self.web_address.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.split_once('@').is_some_and(|(user, _)| user.contains(':')) || url.contains("password=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_good_one_and_the_document_has_the_defaults() {
        let config = Config::parse("").expect("good");
        assert_eq!((config.keep_runs.secs(), config.connections), (14 * 86_400, 4096));
        let document = include_str!("../../../../docs/console.md");
        let block = document.split("## Settings: `console.toml`").nth(1).expect("the section");
        let text: String = block
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .map(|line| format!("{line}\n"))
            .collect();
        let shown = Config::parse(&text).expect("what the document shows");
        assert_eq!(format!("{shown:?}"), format!("{config:?}"));
        // What stands there as a comment is good as well: up to the comment behind it.
        let bare =
            |line: &str| line.trim_start_matches("# ").split("  ").next().unwrap_or_default().to_owned();
        let all: String = text.lines().map(|line| format!("{}\n", bare(line))).collect();
        let all = all.replace("certificate =", "key = \"web.key\"\ncertificate =");
        assert!(Config::parse(&all).is_ok(), "{all}\n{:?}", Config::parse(&all));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, line, message) in [
            ("\nlisten = 1", 2, "unknown field `listen`"),
            ("keep_runs = \"1 moon\"", 1, "not a length of time"),
            ("database = \"mysql://x\"", 1, "must be postgres://"),
            ("database = \"postgres://u:secret@h/d\"", 1, "a password does not belong"),
            ("\ndatabase_ca_file = \"a\"", 2, "no database"),
            ("certificate = \"a\"", 1, "belong together"),
            ("connections = 0", 1, "at least 1"),
        ] {
            let error = Config::parse(text).expect_err(text);
            assert_eq!(error.line, line);
            assert!(error.message.contains(message), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
