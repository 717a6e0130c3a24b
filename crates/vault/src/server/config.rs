//! What a server is told: `vault.toml`, read strictly. Whatever is wrong is said with line and column.

pub use vow_base::amount::{Bytes, Term};

use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use vow_base::Fingerprint;
use vow_protocol::{Address, limits};

/// The longest `vault.toml` that is read, in bytes.
const TEXT_LIMIT_BYTES: usize = 1 << 20;

/// What a server is told. Everything has a default, so that an empty file is a good one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where hosts reach this vault: what join tokens name.
    pub address: Option<Address>,
    /// Where the vault lies: a folder, relative to that of `vault.toml`; or a bucket, `s3://BUCKET/PREFIX`.
    pub storage: String,
    /// The file with the vault's key, relative to the folder of `vault.toml`; of a vault in a bucket, which holds no secret.
    pub key: PathBuf,
    /// What is to be known of the bucket.
    pub bucket: BucketTerms,
    /// Where to listen; left aside when systemd hands over sockets.
    pub listen: Vec<SocketAddr>,
    /// The socket for administration; none when empty. Its folder is made when it is missing, and must be the server's own.
    pub socket: PathBuf,
    /// A file with a token that lets its bearer read `/metrics`.
    pub metrics_token_file: Option<PathBuf>,
    /// Space that is kept for manifests and the ledger: packs are refused before.
    pub reserve: Bytes,
    /// Limits on connections, requests and time.
    pub limits: Limits,
    /// How much may be stored.
    pub quota: Quota,
    /// How often the vault does what it does by itself.
    pub chores: ChoreTerms,
    /// Vaults that this one pulls from, and heals from.
    pub replicate: Vec<PullFrom>,
}

/// What is to be known of the bucket that a vault lies in. Credentials are in none of it: they come from the environment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BucketTerms {
    /// The address of the store, when it is not Amazon's; instead of `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// The region; instead of `AWS_REGION`.
    pub region: Option<String>,
    /// How long every object is locked from when it is stored: the longest `lock` of the rules of retention.
    pub lock: Term,
    /// How much longer, so that few requests extend locks: their `grace`.
    pub grace: Term,
    /// Whether a bucket that does not hold its lock is a problem that somebody must look at.
    pub must_lock: bool,
    /// How much of what never changes is kept on this machine, in the folder `cache` beside `vault.toml`; nothing when 0.
    pub cache: Bytes,
}

/// How often the vault does what it does by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChoreTerms {
    /// Time between sweeps.
    pub sweep: Term,
    /// Everything is read again within this time.
    pub scrub: Term,
    /// Time between probes of a bucket: whether it refuses what it must.
    pub probe: Term,
}

/// A vault to pull from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullFrom {
    /// What it is called here.
    pub name: String,
    /// Its address; or
    pub url: Option<Address>,
    /// its folder, relative to that of `vault.toml`.
    pub path: Option<PathBuf>,
    /// The fingerprint of its key; needed with an address.
    #[serde(default, deserialize_with = "pin")]
    pub fingerprint: Option<Fingerprint>,
    /// Time between two pulls.
    #[serde(default = "every_hour")]
    pub every: Term,
}

/// Limits on connections, requests and time. A host's share cannot use up the others'.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one key.
    pub connections_per_key: usize,
    /// Connections of those who have shown no known key yet; the oldest one gives way to a new one.
    pub strangers: usize,
    /// Of these, from one address (of IPv6: from one network of 64 bits).
    pub strangers_per_address: usize,
    /// Requests that are being answered.
    pub requests: usize,
    /// Requests of one key that are being answered; more wait.
    pub requests_per_key: usize,
    /// Requests of one key in a second, on average; those above wait.
    pub requests_per_second: u32,
    /// Bytes of one key in a second, to and fro, on average; those above wait.
    pub bytes_per_second: Bytes,
    /// Snapshots that one host commits in an hour.
    pub snapshots_per_hour: u32,
    /// Attempts to join from one address in a minute.
    pub joins_per_minute: u32,
    /// Packs that one snapshot may name.
    pub packs_per_snapshot: u64,
    /// Pieces of work that the storage does at a time.
    pub storage_tasks: usize,
    /// Of these, for one key.
    pub storage_tasks_per_key: usize,
    /// Memory for bodies that are being received or sent; requests that find none wait.
    pub memory: Bytes,
    /// How long a request waits for its turn.
    pub wait: Term,
    /// The head of a request arrives within this time.
    pub head_time: Term,
    /// A connection on which nothing is asked for so long is closed.
    pub idle_time: Term,
    /// Bodies are watched in windows of this length.
    pub pace_window: Term,
    /// One that moves less in a window is given up.
    pub pace_least: Bytes,
    /// How long requests may go on when the server is told to stop.
    pub stop_time: Term,
}

/// How much may be stored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// By one host; without it, as much as there is room.
    pub host: Option<Bytes>,
    /// By all hosts of one customer.
    pub tenant: Option<Bytes>,
    /// Exceptions.
    #[serde(rename = "for")]
    pub exceptions: Vec<QuotaFor>,
}

/// Another quota for one customer, or for one of its hosts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaFor {
    /// The customer.
    pub tenant: String,
    /// Its host; without one, the quota of the customer.
    pub name: Option<String>,
    /// How much.
    pub bytes: Bytes,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: None,
            storage: "store".into(),
            key: "vault.key".into(),
            bucket: BucketTerms::default(),
            listen: vec![SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), DEFAULT_PORT)],
            socket: "/run/vow/vault.sock".into(),
            metrics_token_file: None,
            reserve: Bytes(1 << 30),
            limits: Limits::default(),
            quota: Quota::default(),
            chores: ChoreTerms::default(),
            replicate: Vec::new(),
        }
    }
}

const DEFAULT_PORT: u16 = 8443;
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for ChoreTerms {
    fn default() -> Self {
        Self { sweep: Term(DAY), scrub: Term(30 * DAY), probe: Term(DAY) }
    }
}

impl Default for BucketTerms {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            lock: Term(14 * DAY),
            grace: Term(3 * DAY),
            must_lock: true,
            cache: Bytes(1 << 30),
        }
    }
}

fn every_hour() -> Term {
    Term(Duration::from_secs(3600))
}

fn pin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Fingerprint>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            connections_per_key: 64,
            strangers: 256,
            strangers_per_address: 64,
            requests: 512,
            requests_per_key: 32,
            requests_per_second: 500,
            bytes_per_second: Bytes(1 << 30),
            snapshots_per_hour: 120,
            joins_per_minute: 10,
            packs_per_snapshot: 1 << 23,
            storage_tasks: 16,
            storage_tasks_per_key: 4,
            memory: Bytes(128 << 20),
            wait: Term(Duration::from_secs(30)),
            head_time: Term(limits::HEAD_TIME),
            idle_time: Term(limits::IDLE_TIME),
            pace_window: Term(limits::PACE_WINDOW),
            pace_least: Bytes(limits::PACE_LEAST_BYTES),
            stop_time: Term(Duration::from_secs(30)),
        }
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
    /// Whether the vault lies in a bucket.
    pub fn is_in_bucket(&self) -> bool {
        self.storage.starts_with("s3://")
    }

    /// Reads the text of a `vault.toml`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let at_start = |message: String| ConfigError { line: 1, column: 1, message };
        if text.len() > TEXT_LIMIT_BYTES {
            return Err(at_start("the file is longer than 1 MiB".into()));
        }
        let config: Self = toml::from_str(text).map_err(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            // Only the first line: the others may quote the file.
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            ConfigError { line, column, message }
        })?;
        config.check().map_err(|(word, message)| {
            let (line, column) = position(text, find_word(text, word));
            ConfigError { line, column, message: format!("{word}: {message}") }
        })?;
        Ok(config)
    }

    /// What the types cannot say. The name of what is wrong, and why.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let limits = &self.limits;
        let at_least_one = "must be at least 1".to_owned();
        for (word, value) in [
            ("connections", limits.connections),
            ("connections_per_key", limits.connections_per_key),
            ("strangers", limits.strangers),
            ("strangers_per_address", limits.strangers_per_address),
            ("requests", limits.requests),
            ("requests_per_key", limits.requests_per_key),
            ("requests_per_second", limits.requests_per_second as usize),
            ("bytes_per_second", usize::try_from(limits.bytes_per_second.0).unwrap_or(usize::MAX)),
            ("snapshots_per_hour", limits.snapshots_per_hour as usize),
            ("joins_per_minute", limits.joins_per_minute as usize),
            ("storage_tasks", limits.storage_tasks),
            ("storage_tasks_per_key", limits.storage_tasks_per_key),
        ] {
            if value == 0 {
                return Err((word, at_least_one));
            }
        }
        if limits.strangers >= limits.connections {
            return Err((
                "strangers",
                "must be less than connections, or strangers shut out the hosts".into(),
            ));
        }
        for (word, share, whole) in [
            ("connections_per_key", limits.connections_per_key, limits.connections - limits.strangers),
            ("requests_per_key", limits.requests_per_key, limits.requests),
            ("storage_tasks_per_key", limits.storage_tasks_per_key, limits.storage_tasks),
        ] {
            if share > whole {
                return Err((word, format!("must be at most {whole}, which is all there is")));
            }
        }
        if limits.memory.0 < MEMORY_LEAST_BYTES {
            return Err(("memory", "must be at least 8 MiB".into()));
        }
        if self.listen.is_empty() {
            return Err(("listen", "names no address".into()));
        }
        if self.storage.is_empty() {
            return Err(("storage", "names no folder".into()));
        }
        if self.chores.sweep.0 < SHORTEST || self.chores.sweep.0 > DAY {
            return Err((
                "sweep",
                "must be between a minute and a day, or the clock comes into doubt".into(),
            ));
        }
        if self.chores.scrub.0 < SHORTEST {
            return Err(("scrub", "must be at least a minute".into()));
        }
        if self.chores.probe.0 < SHORTEST || self.chores.probe.0 > DAY {
            return Err(("probe", "must be between a minute and a day".into()));
        }
        if self.storage.contains("://") && !self.is_in_bucket() {
            return Err(("storage", "neither a folder nor s3://BUCKET/PREFIX".into()));
        }
        if self.bucket.lock.0 < SHORTEST {
            return Err(("lock", "must be at least a minute".into()));
        }
        for (at, from) in self.replicate.iter().enumerate() {
            from.check(&self.replicate[..at])?;
        }
        for exception in &self.quota.exceptions {
            let names = std::iter::once(&exception.tenant).chain(&exception.name);
            if let Some(bad) = names.into_iter().find(|name| !limits::is_name(name)) {
                return Err(("for", format!("{bad:?} cannot be a name")));
            }
        }
        Ok(())
    }
}

/// Nothing is done by itself more often than this.
const SHORTEST: Duration = Duration::from_secs(60);

impl PullFrom {
    fn check(&self, before: &[Self]) -> Result<(), (&'static str, String)> {
        let name = &self.name;
        let wrong = |why: &str| Err(("[[replicate]]", format!("{name:?} {why}")));
        if !limits::is_name(name) {
            return wrong("cannot be a name");
        }
        if before.iter().any(|other| other.name == *name) {
            return wrong("stands there twice");
        }
        match (&self.url, &self.path, &self.fingerprint) {
            (Some(_), None, None) => {
                wrong("has a url and no fingerprint: nobody could say who answers there")
            }
            (Some(_), None, Some(_)) | (None, Some(_), _) if self.every.0 >= SHORTEST => Ok(()),
            (Some(_), None, Some(_)) | (None, Some(_), _) => {
                wrong("is pulled from too often: at most every minute")
            }
            _ => wrong("needs either a url or a path"),
        }
    }
}

/// Room for the largest body that is held whole, several times over.
const MEMORY_LEAST_BYTES: u64 = 8 << 20;

/// Line and column of a byte, from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Where a line begins with this word; the start when none does.
fn find_word(text: &str, word: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let rest = line[indent..].trim_start_matches("[[quota.");
        if rest
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()))
        {
            return at + indent;
        }
        at += line.len();
    }
    0
}

#[cfg(test)]
mod tests;
