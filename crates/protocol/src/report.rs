//! What a host tells the console: one document per thing that happened. `docs/reports.md` describes it for other programs.
//!
//! A report is kept on the host until the console has answered that it stored it, and may arrive twice: `id` says that it is the
//! same. The console believes the receipts of vaults over reports, and both over silence. Times are seconds since 1970 by the
//! host's clock; fields are added, never given another meaning.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The word in `format`.
pub const FORMAT: &str = "vow-report";
/// The version in `version`.
pub const VERSION: u32 = 1;
/// The largest report that a console takes.
pub const REPORT_LIMIT_BYTES: usize = 4 << 20;
/// Problems, notes and trees that one report names at most; the rest is counted.
pub const NAMED_MAX: usize = 50;

/// One report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// 32 hexadecimal digits, random: the same report has the same.
    pub id: String,
    /// The host's tenant.
    pub tenant: String,
    /// The host's name.
    pub host: String,
    /// When it was made, by the host's clock.
    pub made_secs: i64,
    /// `vow 0.1.0`.
    pub software: String,
    /// What happened.
    pub body: Body,
}

/// What is reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A source was captured, or was not.
    Run(Box<RunReport>),
    /// The host is there; sent by the agent every few minutes.
    Alive(Alive),
    /// A snapshot was restored for a test.
    Proof(Box<ProofReport>),
    /// What is on the host, and what covers it: a document of `vow discover`.
    Inventory(Box<serde_json::Value>),
    /// Findings of an audit made on the host: a document of `vow audit`.
    Audit(Box<serde_json::Value>),
    /// A recovery identity opened a challenge of this host.
    KeyProof(KeyProofReport),
}

/// A recovery identity is still there: it opened what was sealed to its recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyProofReport {
    /// The recipient's fingerprint, 32 hexadecimal digits.
    pub recipient: String,
    /// The id of the challenge, 32 hexadecimal digits.
    pub challenge: String,
    /// When the challenge was made.
    pub challenged_secs: i64,
    /// When its answer was accepted.
    pub proven_secs: i64,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Whole.
    Ok,
    /// There is a snapshot, and something is missing in it or on a level.
    Partial,
    /// There is no snapshot.
    Failed,
}

/// One source in one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// 32 hexadecimal digits, the same for every source of a run.
    pub run: String,
    /// The source.
    pub source: String,
    /// Its type.
    pub source_type: String,
    /// When it began.
    pub started_secs: i64,
    /// How long it took.
    pub duration_secs: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// The snapshot, 64 hexadecimal digits.
    pub snapshot: Option<String>,
    /// Its sequence number on this host.
    pub sequence: Option<u64>,
    /// Files captured.
    pub files: u64,
    /// Folders captured.
    pub dirs: u64,
    /// Bytes that the source had.
    pub bytes: u64,
    /// Bytes that were new to the vaults, as stored.
    pub added_bytes: u64,
    /// What could not be captured.
    pub errors: u64,
    /// Why there is no snapshot, and what to do.
    pub error: Option<String>,
    /// The next step.
    pub hint: Option<String>,
    /// The first of what could not be captured.
    #[serde(default)]
    pub problems: Vec<String>,
    /// What a person may want to know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Every level of the plan.
    #[serde(default)]
    pub levels: Vec<LevelReport>,
    /// Whether the dump ended as it must; `None` where there is no such thing.
    pub end_marker: Option<bool>,
    /// What the files look like, to be compared with other runs.
    pub shape: Option<Shape>,
    /// Objects by kind, from the truth of a database (`table`, `view`, `routine`, …), without any content.
    #[serde(default)]
    pub objects: BTreeMap<String, u64>,
    /// How many attempts it took; 1 is the first.
    #[serde(default = "first")]
    pub attempt: u32,
    /// When the plan would run it again; `None` when it has no schedule.
    pub next_secs: Option<i64>,
    /// SHA-256 of the plan as it was, 64 hexadecimal digits.
    pub plan: Option<String>,
    /// Fingerprints of the recipients that the snapshot is sealed to.
    #[serde(default)]
    pub recipients: Vec<String>,
}

/// What became of a snapshot on one level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelReport {
    /// The level's name in the plan.
    pub name: String,
    /// The fingerprint of the vault, when it is known.
    pub vault: Option<String>,
    /// Whether it has the snapshot; `None` when there is none.
    pub received: Option<bool>,
    /// Why not.
    pub error: Option<String>,
}

/// What the files of a snapshot look like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// The largest top trees, two levels below the roots: path → files and bytes.
    pub trees: BTreeMap<String, Tree>,
    /// Whether the last snapshot was at hand to compare with: without, nothing is new, changed or gone.
    #[serde(default)]
    pub compared: bool,
    /// Files that are new, changed, and gone since the last snapshot.
    pub new_files: u64,
    /// Changed.
    pub changed_files: u64,
    /// Gone.
    pub gone_files: u64,
    /// Files whose type was looked at.
    pub typed_files: u64,
    /// Among them: files whose content is not what their name says.
    pub mistyped_files: u64,
    /// Bytes of new data that were looked at for randomness.
    pub sampled_bytes: u64,
    /// Among them: bytes that look random although their names do not promise it (compressed or encrypted).
    pub random_bytes: u64,
}

/// One tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A sign of life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Alive {
    /// Since when the agent runs.
    pub since_secs: i64,
    /// Reports that wait here.
    pub waiting: u64,
    /// Snapshots that wait in the spool.
    pub spooled_snapshots: u64,
    /// SHA-256 of the plan, 64 hexadecimal digits.
    pub plan: Option<String>,
    /// The sources of the plan, and what is expected of each.
    #[serde(default)]
    pub sources: Vec<Expected>,
    /// What is wrong with the agent: a plan that it cannot use, reports that it could not keep.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// What a plan promises about one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The source.
    pub source: String,
    /// Its type.
    pub source_type: String,
    /// Its schedule, a cron expression; `None` when it is only run by hand.
    pub schedule: Option<String>,
    /// The time zone of the schedule.
    pub time_zone: Option<String>,
    /// When it is due next.
    pub next_secs: Option<i64>,
    /// The levels it goes to.
    pub levels: Vec<String>,
    /// Seconds within which it should be restored.
    pub restore_target_secs: Option<u64>,
    /// Seconds within which it is to be proven again; `None` when the plan does not say.
    pub drill_within_secs: Option<u64>,
}

/// The result of a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProofReport {
    /// The source.
    pub source: String,
    /// Its type.
    pub source_type: String,
    /// The snapshot, 64 hexadecimal digits.
    pub snapshot: String,
    /// When the vault had received it.
    pub received_secs: i64,
    /// The level it was restored from.
    pub level: String,
    /// The fingerprint of the vault it came from.
    pub vault: Option<String>,
    /// The fingerprint of the recipient whose identity opened it.
    pub recipient: String,
    /// When the drill began.
    pub started_secs: i64,
    /// How long restoring took: the time to restore.
    pub restore_secs: f64,
    /// How long comparing took.
    pub compare_secs: f64,
    /// What became of it.
    pub verdict: Verdict,
    /// Objects, rows, checksums and files that were compared and are the same.
    pub compared: u64,
    /// Files of the snapshot, and how many were opened this time.
    pub files: u64,
    /// Opened.
    pub files_read: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong.
    #[serde(default)]
    pub problems: Vec<String>,
    /// Why it could not be tried here.
    #[serde(default)]
    pub blocked: Vec<String>,
    /// The target of the plan.
    pub restore_target_secs: Option<u64>,
    /// Seconds within which it is to be proven again, by the plan.
    pub drill_within_secs: Option<u64>,
}

/// What a drill says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Restored, compared, the same.
    Proven,
    /// Something is wrong with it.
    Failed,
    /// It could not be tried here: never a pass.
    Blocked,
    /// The drill itself is broken: it passes what it must not.
    Broken,
}

fn first() -> u32 {
    1
}
