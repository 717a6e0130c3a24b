//! What the console knows around a run: what vaults say, hosts, proofs, what people said.

use super::key::RuleName;
use serde::{Deserialize, Serialize};
use vow_protocol::report::{Alive, Expected, LevelReport, Outcome, ProofReport};

/// The newest snapshot of a source that a vault has, by the vault's own receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The snapshot, 64 hexadecimal digits.
    pub snapshot: String,
    /// The host's number of it.
    pub sequence: u64,
    /// When the vault received it, by the vault's clock.
    pub received_secs: i64,
}

/// One level of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelFacts {
    /// Its name in the plan.
    pub name: String,
    /// The vault's fingerprint, when it is known.
    pub vault: Option<String>,
    /// The newest snapshot it has of this source; `None` when it has none.
    pub newest: Option<Held>,
    /// When the console last read the receipts of this vault; `None` when it never could: then nothing is known.
    pub asked_secs: Option<i64>,
    /// Whether the vault did not answer the console when it was last asked.
    #[serde(default)]
    pub away: bool,
}

/// Something a person has said to be expected: from that run on it is usual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The rule that spoke.
    pub rule: RuleName,
    /// The report of the run that it is about.
    pub report: String,
    /// When that run began, by the host's clock.
    pub started_secs: i64,
    /// Who said so.
    pub by: String,
    /// When.
    pub at_secs: i64,
    /// Why.
    pub reason: String,
}

/// A proof that was reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The id of its report.
    pub report: String,
    /// When the report came.
    pub received_secs: i64,
    /// What it says.
    pub body: ProofReport,
}

/// When a sign of life was made and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSample {
    /// Made, by the host's clock.
    pub made_secs: i64,
    /// Received, by the console's.
    pub received_secs: i64,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The tenant.
    pub tenant: String,
    /// Its name.
    pub host: String,
    /// When the console first knew of it.
    pub since_secs: i64,
    /// When anything last came from it.
    pub heard_secs: Option<i64>,
    /// The last signs of life, at most ten, oldest first.
    #[serde(default)]
    pub clock: Vec<ClockSample>,
    /// What it runs: `vow 0.1.0`.
    pub software: Option<String>,
    /// Its newest sign of life.
    pub alive: Option<Alive>,
    /// Until when nothing is expected of it, and nothing about it is a problem (maintenance).
    pub quiet_until_secs: Option<i64>,
    /// Whether it was closed: it is gone for good, and nothing is expected any more.
    #[serde(default)]
    pub closed: bool,
}

/// How full a vault was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// When.
    pub at_secs: i64,
    /// Bytes in use on its storage, by whomever.
    pub used_bytes: u64,
    /// Bytes that there are.
    pub total_bytes: u64,
}

/// A vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultFacts {
    /// The tenant; empty when it is shared.
    pub tenant: String,
    /// Its name on this console.
    pub vault: String,
    /// Since when the console knows of it.
    pub since_secs: i64,
    /// When it last answered.
    pub answered_secs: Option<i64>,
    /// Why it does not answer.
    pub error: Option<String>,
    /// How its ledger contradicts what was read of it before.
    #[serde(default)]
    pub set_back: Option<String>,
    /// What it has found itself: the kind for programs, the sentence for people.
    #[serde(default)]
    pub findings: Vec<(String, String)>,
    /// How full it was, oldest first; one a day is enough. Empty for storage without an end (a bucket).
    pub usage: Vec<Usage>,
}

/// What the console knows around a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Around {
    /// Its host.
    pub host: HostFacts,
    /// The source.
    pub source: String,
    /// Since when the console knows of it.
    pub since_secs: i64,
    /// The usual time between two runs, from [`History::usual_gap_secs`](super::History::usual_gap_secs): what is expected of a source
    /// without a schedule.
    pub usual_gap_secs: Option<i64>,
    /// What the plan promises; `None` when no plan was reported (another tool's backup, for example).
    pub expected: Option<Expected>,
    /// The levels whose vaults are watched, with what these say. Empty when none is: then reports are all there is.
    #[serde(default)]
    pub levels: Vec<LevelFacts>,
    /// The newest run.
    pub last_run: Option<LastRun>,
    /// Proofs of this source, oldest first: the newest of each level, and the newest proven of each level.
    #[serde(default)]
    pub proofs: Vec<Proof>,
    /// What people said to be expected.
    #[serde(default)]
    pub marks: Vec<Mark>,
}

/// The newest run of a source, as far as rules about silence need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// The id of its report.
    pub report: String,
    /// When it began, by the host's clock.
    pub started_secs: i64,
    /// When the report came.
    pub received_secs: i64,
    /// How long it took.
    pub duration_secs: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// The levels it named.
    pub levels: Vec<LevelReport>,
}
