//! What a drill says: to people as it goes, to programs at the end.

use super::ledger::Entered;
use super::targets::{Target, Why};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::{self, plain};
use serde_json::{Value, json};
use vow_agent::drill::source::{Drilled, now_secs};
use vow_agent::plan::Config;
use vow_base::id::hex;
use vow_protocol::report::{ProofReport, Verdict};
use vow_sources::adapter::Tried;
use vow_store::archive::SnapshotInfo;

const SHOWN: usize = 20;

/// One result.
pub(crate) struct Proven {
    /// The source.
    pub(crate) source: String,
    /// The level.
    pub(crate) level: String,
    /// The host and its key; none when there was no snapshot.
    pub(super) host: Option<(String, String)>,
    /// What was found.
    pub(crate) drilled: Drilled,
    /// The identity does not open it.
    pub(super) wrong_identity: bool,
    /// What became of the entry in the ledger.
    pub(super) ledger: Entered,
    /// Damage that the drill was shown.
    pub(super) tried: Vec<Tried>,
}

impl Proven {
    /// Of a snapshot.
    pub(super) fn of(target: &Target<'_>, info: &SnapshotInfo, drilled: Drilled) -> Self {
        Self {
            source: target.source.clone(),
            level: target.level.to_owned(),
            host: Some((info.manifest.host.clone(), hex(&info.manifest.host_key))),
            drilled,
            wrong_identity: false,
            ledger: Entered::Elsewhere,
            tried: Vec::new(),
        }
    }

    /// Whether there was anything to drill.
    pub(super) fn had_snapshot(&self) -> bool {
        self.host.is_some()
    }

    /// There was nothing to drill.
    pub(super) fn without(target: &Target<'_>, why: &Why, config: Option<&Config>) -> Self {
        let of_plan =
            |config: &Config| config.sources.iter().find(|source| source.name == target.source).cloned();
        let plan = config.and_then(of_plan);
        let (problems, blocked) = match why {
            Why::Absent(text) | Why::Damaged(text) => (vec![text.clone()], Vec::new()),
            Why::Unread(text) => (Vec::new(), vec![text.clone()]),
        };
        let report = ProofReport {
            source: target.source.clone(),
            source_type: plan.as_ref().map_or(String::new(), |plan| plan.kind.clone()),
            snapshot: String::new(),
            received_secs: 0,
            level: target.level.to_owned(),
            vault: None,
            recipient: String::new(),
            started_secs: now_secs(),
            restore_secs: 0.0,
            compare_secs: 0.0,
            verdict: Verdict::Blocked,
            compared: 0,
            files: 0,
            files_read: 0,
            bytes: 0,
            problems,
            blocked,
            restore_target_secs: plan.as_ref().and_then(|plan| plan.drill.restore_target_secs),
            drill_within_secs: plan.and_then(|plan| plan.drill.within_secs),
        };
        Self {
            source: target.source.clone(),
            level: target.level.to_owned(),
            host: None,
            drilled: Drilled::empty(report).judged(),
            wrong_identity: false,
            ledger: Entered::Elsewhere,
            tried: Vec::new(),
        }
    }
}

/// When nothing was opened at all, that is what there is to say.
pub(super) fn refuse_wrong_identity(proofs: &[Proven]) -> Outcome<()> {
    // A level that cannot be read, perhaps with this very identity, says nothing else.
    let mut tried = proofs.iter().filter(|proof| proof.had_snapshot()).peekable();
    let first = tried.peek().copied();
    if let Some(first) = first.filter(|_| tried.all(|proof| proof.wrong_identity)) {
        let failure = Failure::wrong_identity();
        return Err(match first.drilled.problems.first() {
            Some(problem) => failure.during(format!("{} on {}: {problem}", first.source, first.level)),
            None => failure,
        });
    }
    Ok(())
}

/// What is wrong weighs most, then what could not be tried.
pub(super) fn exit_of(proofs: &[Proven]) -> Exit {
    let any = |verdict: Verdict| proofs.iter().any(|proof| proof.drilled.report.verdict == verdict);
    if any(Verdict::Failed) || any(Verdict::Broken) {
        Exit::Problems
    } else if any(Verdict::Blocked) || proofs.is_empty() {
        Exit::Partial
    } else {
        Exit::Done
    }
}

pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "proven",
        Verdict::Failed => "failed",
        Verdict::Blocked => "blocked",
        Verdict::Broken => "broken",
    }
}

/// For people.
pub(super) fn print(cx: &Context, proof: &Proven) {
    cx.ui.json(&{
        let mut value = value(proof);
        value["message_type"] = "proof".into();
        value
    });
    let (drilled, report) = (&proof.drilled, &proof.drilled.report);
    let what = format!("{} on {}", proof.source, proof.level);
    let verdict = match report.verdict {
        Verdict::Proven => "PROVEN",
        Verdict::Failed => "FAILED",
        Verdict::Blocked => "NOT PROVEN",
        Verdict::Broken => "BROKEN DRILL",
    };
    list(cx, &format!("{what}: {verdict}"), &drilled.problems, drilled.problems.len() as u64);
    list(cx, &format!("{what} could not be tried here"), &report.blocked, report.blocked.len() as u64);
    let spoiled = format!("{what}: damaged before they were captured, and backed up as they were");
    list(cx, &spoiled, &drilled.spoiled, drilled.spoiled_count);
    drilled.notes.iter().for_each(|note| cx.ui.note(&format!("{what}: {}", plain(note))));
    if let Entered::Failed(why) = &proof.ledger {
        cx.ui.warn(&format!(
            "{what}: the proof is kept here, and could not be entered into the vault's ledger: {why}"
        ));
    }
    let snapshot = match report.snapshot.get(..12) {
        Some(short) => format!("{what}: snapshot {short}"),
        None => what.clone(),
    };
    let read = match drilled.share {
        share if share < 1.0 && report.files_read > 0 => format!(
            "{} of {} read ({}); every byte within {} such drills",
            ui::count(report.files_read),
            ui::plural(report.files, "file"),
            ui::bytes(drilled.bytes_read),
            ui::count(drilled.term_drills),
        ),
        _ => format!(
            "{} compared and right, {} read",
            ui::count(report.compared),
            ui::bytes(drilled.bytes_read)
        ),
    };
    let time = format!(
        "restored in {}, compared in {}",
        ui::duration(report.restore_secs),
        ui::duration(report.compare_secs)
    );
    cx.ui.line(&match report.compared {
        0 => format!("{verdict}: {snapshot}: nothing was compared"),
        _ => format!("{verdict}: {snapshot}: {read}; {time}"),
    });
    let noticed = proof.tried.iter().filter(|one| one.noticed);
    for one in noticed {
        let said = one.said.as_deref().unwrap_or_default();
        cx.ui.say(&format!("  noticed: {} ({}): {}", one.name, plain(&one.object), plain(said)));
    }
    if report.verdict == Verdict::Failed {
        ui::diagnose(&format!("  next step: {}", next_step(proof)));
    }
}

fn next_step(proof: &Proven) -> &'static str {
    if proof.wrong_identity {
        "`vow key list` shows which recipients it is sealed to; when they are not the plan's, find out since when, and back up again"
    } else if proof.drilled.is_only_unexpected() {
        "it is as it was captured: look at the host, and for a good copy in earlier snapshots; or correct what the plan expects"
    } else {
        "`vow check --read-data` says whether the vault is damaged; drill another level; then back up again"
    }
}

fn list(cx: &Context, head: &str, texts: &[String], count: u64) {
    if texts.is_empty() {
        return;
    }
    cx.ui.warn(&format!("{head}:"));
    texts.iter().take(SHOWN).for_each(|text| ui::diagnose(&format!("  {}", plain(text))));
    let more = count.saturating_sub(SHOWN as u64);
    if more > 0 {
        ui::diagnose(&format!("  … and {} more", ui::count(more)));
    }
}

/// For programs.
pub(super) fn value(proof: &Proven) -> Value {
    let (drilled, report) = (&proof.drilled, &proof.drilled.report);
    let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({
        "source": proof.source,
        "level": proof.level,
        "status": word(report.verdict),
        "compared": report.compared,
        "problems": drilled.problems,
        "blocked": report.blocked,
        "warnings": drilled.spoiled,
        "warning_count": drilled.spoiled_count,
        "notes": drilled.notes,
        "source_type": text(&report.source_type),
        "snapshot": text(&report.snapshot),
        "host": proof.host.as_ref().map(|(name, _)| name),
        "host_key": proof.host.as_ref().map(|(_, key)| key),
        "received_secs": report.received_secs,
        "vault": report.vault,
        "recipient": text(&report.recipient),
        "started_secs": report.started_secs,
        "restore_secs": report.restore_secs,
        "compare_secs": report.compare_secs,
        "whole_restore_secs": drilled.whole_restore_secs,
        "restore_target_secs": report.restore_target_secs,
        "files": report.files,
        "files_read": report.files_read,
        "bytes": report.bytes,
        "bytes_read": drilled.bytes_read,
        "share": drilled.share,
        "term_drills": drilled.term_drills,
        "screenshots": drilled.screenshots,
        "sabotages": proof.tried.iter().map(|one| json!({
            "name": one.name,
            "object": one.object,
            "noticed": one.noticed,
            "said": one.said,
        })).collect::<Vec<_>>(),
        "ledger_position": match proof.ledger { Entered::At(position) => Some(position), _ => None },
    })
}

/// The end.
pub(super) fn summary(proofs: &[Proven], exit: Exit) -> Value {
    let sum = |number: fn(&Proven) -> u64| proofs.iter().map(number).sum::<u64>();
    json!({
        "message_type": "summary",
        "status": match exit {
            Exit::Done => "ok",
            Exit::Partial => "partial",
            Exit::Problems => "problems",
            _ => "failed",
        },
        "proofs": proofs.iter().map(value).collect::<Vec<_>>(),
        "files": sum(|proof| proof.drilled.report.files_read),
        "bytes": sum(|proof| proof.drilled.bytes_read),
        "errors": sum(|proof| proof.drilled.problems.len() as u64),
        "duration_secs": proofs.iter().map(|p| p.drilled.report.restore_secs + p.drilled.report.compare_secs).sum::<f64>(),
    })
}
