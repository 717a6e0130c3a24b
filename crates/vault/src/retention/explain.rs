//! A plan for people and for programs: a table of plain words, and structures that serialize.

use super::plan::{Decision, Plan};
use super::reason::{Expire, Keep};
use super::slots::stamp;
use super::snapshot::Snapshot;
use crate::words::plural;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write;
use vow_base::HostId;
use vow_base::amount::readable;
use vow_base::clock::Nanos;

/// A plan for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When it was made, RFC 3339, by the vault's clock.
    pub now: String,
    /// How many snapshots are kept.
    pub kept: usize,
    /// How many expire.
    pub expired: usize,
    /// All of them, by host, source and ledger order.
    pub snapshots: Vec<Row>,
}

/// What was decided about one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its id.
    pub snapshot: String,
    /// The id of its host.
    pub host: String,
    /// The tenant.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The host's own number of it.
    pub sequence: u64,
    /// Received, RFC 3339, by the vault's clock.
    pub received: String,
    /// Files in it.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Whether it is kept.
    pub kept: bool,
    /// Whether it fills rules.
    pub counted: bool,
    /// Every reason to keep it, or why nothing does.
    pub reasons: Vec<Said>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// A word that stays the same.
    pub reason: &'static str,
    /// A sentence for people.
    pub text: String,
    /// The reason is one of rules that were replaced and protect until then, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_rules_until: Option<String>,
}

impl Report {
    /// The report of a plan.
    pub fn new(plan: &Plan) -> Self {
        let kept = plan.kept().count();
        let snapshots: Vec<_> = plan.decisions.iter().map(Row::new).collect();
        Self { now: rfc3339(plan.now), kept, expired: snapshots.len() - kept, snapshots }
    }
}

impl Row {
    fn new(decision: &Decision) -> Self {
        let snapshot = &decision.snapshot;
        let mut reasons: Vec<_> = decision.keep.iter().map(|keep| Said::new(keep.word(), keep)).collect();
        reasons.extend(decision.older.iter().map(|(keep, until)| Said {
            older_rules_until: Some(rfc3339(*until)),
            ..Said::new(keep.word(), keep)
        }));
        if !decision.is_kept() {
            reasons.extend(decision.expire.iter().map(|expire| Said::new(expire.word(), expire)));
        } else if let Some(why) = &decision.uncounted {
            reasons.push(Said::new(why.word(), &format_args!("does not count: {why}")));
        }
        Self {
            snapshot: snapshot.manifest.to_string(),
            host: snapshot.host.to_string(),
            tenant: snapshot.tenant.clone(),
            source: snapshot.source.clone(),
            sequence: snapshot.sequence,
            received: rfc3339(snapshot.received),
            files: snapshot.files,
            bytes: snapshot.bytes,
            kept: decision.is_kept(),
            counted: decision.uncounted.is_none(),
            reasons,
        }
    }
}

impl Said {
    fn new(reason: &'static str, text: &dyn std::fmt::Display) -> Self {
        Self { reason, text: text.to_string(), older_rules_until: None }
    }
}

/// The plan as a table. `name` says what people call a host.
pub fn table(plan: &Plan, name: impl Fn(&HostId) -> String) -> String {
    rows(plan, name, |_| true)
}

/// The same, of the snapshots that expire alone.
pub fn expiring_table(plan: &Plan, name: impl Fn(&HostId) -> String) -> String {
    rows(plan, name, |decision| !decision.is_kept())
}

fn rows(plan: &Plan, name: impl Fn(&HostId) -> String, shown: impl Fn(&Decision) -> bool) -> String {
    let mut text = String::new();
    let same_source = |a: &Decision, b: &Decision| {
        (a.snapshot.host, &a.snapshot.source) == (b.snapshot.host, &b.snapshot.source)
    };
    for source in plan.decisions.chunk_by(same_source) {
        let Some(Decision { snapshot, .. }) = source.iter().find(|decision| shown(decision)) else {
            continue;
        };
        let kept = source.iter().filter(|decision| decision.is_kept()).count();
        let gap = if text.is_empty() { "" } else { "\n" };
        let (host, expired) = (name(&snapshot.host), source.len() - kept);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{gap}{host}, source {}: {kept} kept, {expired} to expire", snapshot.source);
        let width = |of: fn(&Snapshot) -> String| {
            source.iter().map(|decision| of(&decision.snapshot).len()).max().unwrap_or(0).max(5)
        };
        let files = width(|snapshot| snapshot.files.to_string());
        let bytes = width(|snapshot| readable(snapshot.bytes));
        let _ = writeln!(
            text,
            "          snapshot      received (UTC)    {:>files$}  {:>bytes$}  why",
            "files", "bytes"
        );
        for decision in source.iter().filter(|decision| shown(decision)) {
            let Decision { snapshot, .. } = decision;
            let _ = writeln!(
                text,
                "  {}  {}  {}  {:>files$}  {:>bytes$}  {}",
                if decision.is_kept() { "keep  " } else { "EXPIRE" },
                snapshot.manifest.short(),
                stamp(snapshot.received),
                snapshot.files,
                readable(snapshot.bytes),
                why(decision)
            );
        }
    }
    let _ = writeln!(
        text,
        "{}{} kept, {} to expire",
        if text.is_empty() { "" } else { "\n" },
        plan.kept().count(),
        plan.expired().count()
    );
    text
}

/// In one line. What older rules say is told only when it decides.
fn why(decision: &Decision) -> String {
    let mut parts = keeping(&decision.keep);
    if parts.is_empty() {
        parts = decision.older.chunk_by(|(_, a), (_, b)| a == b).map(protecting).collect();
    }
    if decision.is_kept() {
        parts.extend(decision.uncounted.map(|why| format!("does not count: {why}")));
    } else {
        parts = expiring(&decision.expire);
    }
    parts.join("; ")
}

/// What rules say that were replaced, all until the same time.
fn protecting(held: &[(Keep, Nanos)]) -> String {
    let until = held.first().map(|(_, until)| stamp(*until)).unwrap_or_default();
    let reasons: Vec<_> = held.iter().map(|(keep, _)| *keep).collect();
    format!("until {until} by the rules before these: {}", keeping(&reasons).join(", "))
}

fn keeping(reasons: &[Keep]) -> Vec<String> {
    let (mut parts, mut firsts, mut newest) = (Vec::new(), Vec::new(), Vec::new());
    for reason in reasons {
        match reason {
            Keep::First(_, period, _) => firsts.push(period.word()),
            Keep::NewestIn(_, period) => newest.push(period.word()),
            other => parts.push(other.to_string()),
        }
    }
    for (what, periods) in [("first", firsts), ("newest", newest)] {
        if !periods.is_empty() {
            parts.push(format!("{what} of its {}", listed(&periods)));
        }
    }
    parts
}

fn expiring(reasons: &[Expire]) -> Vec<String> {
    let (mut parts, mut past) = (Vec::new(), Vec::new());
    for reason in reasons {
        match reason {
            Expire::PastSlot(period, count) => past.push(plural(u64::from(*count), period.word())),
            other => parts.push(other.to_string()),
        }
    }
    if !past.is_empty() {
        let past: Vec<_> = past.iter().map(String::as_str).collect();
        parts.push(format!("not in the newest {}", listed(&past)));
    }
    parts
}

/// "a", "a and b", "a, b and c".
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn rfc3339(time: Nanos) -> String {
    Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default().to_string()
}
