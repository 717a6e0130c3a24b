//! What a report must be before anything is made of it. Pure.

use crate::db::DbError;
use crate::db::hosts::KnownHost;
use vow_protocol::report::{Body, FORMAT, NAMED_MAX, Report, RunReport, VERSION, Verdict};

/// Why a report is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It is no report.
    #[error("this is no report: {0}")]
    Malformed(String),
    /// It is one, and will never be taken.
    #[error("{0}")]
    Refused(String),
    /// There are too many.
    #[error("too many reports at once")]
    Crowded,
    /// This program is wrong: it stumbled over it.
    #[error("the console has failed on this report: see its log")]
    Broken,
    /// Nothing was stored.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Times that are further ahead than this are the fault of a clock.
const AHEAD_SECS: i64 = 3600;
/// Times that are further away than this are no times.
const AWAY_SECS: i64 = 10 * 366 * 86_400;
/// More is no number of files or bytes. A day and a month of them must add up to what a database can count.
pub(crate) const AMOUNT_MAX: u64 = 1 << 52;
const SOURCE_BYTES_MAX: usize = 200;
const TEXT_BYTES_MAX: usize = 16 << 10;
const LEVELS_MAX: usize = 32;
const TREES_MAX: usize = 2 * NAMED_MAX;
const PLAN_MAX: usize = 1000;

/// Checks a report of a known host, and cuts what is too long to be kept. Whether its times were ahead, and were set to `now`.
pub fn check(report: &mut Report, known: &KnownHost, now: i64) -> Result<bool, IngestError> {
    let malformed = |what: &str| Err(IngestError::Malformed(what.to_owned()));
    if report.format != FORMAT || report.version != VERSION {
        return malformed("format and version are not those of a report");
    }
    if !is_hex(&report.id, 32) {
        return malformed("its id is not 32 hexadecimal digits");
    }
    if (&report.tenant, &report.host) != (&known.tenant, &known.host) {
        return Err(IngestError::Refused(format!(
            "this key is the host {}/{}, the report is of another one",
            known.tenant, known.host
        )));
    }
    cut(&mut report.software, 200);
    let mut times = vec![&mut report.made_secs];
    match &mut report.body {
        Body::Run(run) => {
            check_run(run)?;
            run.next_secs = run.next_secs.and_then(|next| near(next, now));
            times.push(&mut run.started_secs);
        }
        Body::Proof(proof) => {
            check_source(&proof.source, &mut proof.source_type)?;
            // Where there was no snapshot to drill, none is named, and nothing is proven.
            let none =
                proof.snapshot.is_empty() && matches!(proof.verdict, Verdict::Failed | Verdict::Blocked);
            if !none && !is_hex(&proof.snapshot, 64) {
                return malformed("the snapshot is not 64 hexadecimal digits");
            }
            if !is_duration(proof.restore_secs) || !is_duration(proof.compare_secs) {
                return malformed("a duration is no duration");
            }
            if ![proof.compared, proof.files, proof.files_read, proof.bytes].iter().all(is_amount) {
                return malformed("a number of files or bytes is no such number");
            }
            proof.received_secs = near(proof.received_secs, now).unwrap_or(0);
            cut(&mut proof.level, SOURCE_BYTES_MAX);
            cut(&mut proof.recipient, SOURCE_BYTES_MAX);
            cut_list(&mut proof.problems);
            cut_list(&mut proof.blocked);
            times.push(&mut proof.started_secs);
        }
        Body::Alive(alive) => {
            if alive.sources.len() > PLAN_MAX {
                return malformed("the plan has more than 1000 sources");
            }
            for source in &mut alive.sources {
                check_source(&source.source, &mut source.source_type)?;
                source.levels.truncate(LEVELS_MAX);
                source.next_secs = source.next_secs.and_then(|next| near(next, now));
            }
        }
        Body::KeyProof(proof) => {
            if !is_hex(&proof.recipient, 32) || !is_hex(&proof.challenge, 32) {
                return malformed("recipient and challenge are 32 hexadecimal digits");
            }
            times.push(&mut proof.challenged_secs);
            times.push(&mut proof.proven_secs);
        }
        Body::Inventory(_) | Body::Audit(_) => {}
    }
    let mut ahead = false;
    for time in times {
        if near(*time, now).is_none() {
            return Err(IngestError::Refused(
                "its times are more than ten years away: set the host's clock".into(),
            ));
        }
        if *time > now + AHEAD_SECS {
            *time = now;
            ahead = true;
        }
    }
    Ok(ahead)
}

fn check_run(run: &mut RunReport) -> Result<(), IngestError> {
    let malformed = |what: &str| Err(IngestError::Malformed(what.to_owned()));
    check_source(&run.source, &mut run.source_type)?;
    if !is_hex(&run.run, 32) {
        return malformed("the run is not 32 hexadecimal digits");
    }
    if run.snapshot.as_deref().is_some_and(|snapshot| !is_hex(snapshot, 64)) {
        return malformed("the snapshot is not 64 hexadecimal digits");
    }
    if !is_duration(run.duration_secs) {
        return malformed("the duration is no duration");
    }
    let mut amounts = vec![run.files, run.dirs, run.bytes, run.added_bytes, run.errors];
    amounts.extend(run.objects.values());
    if let Some(shape) = &run.shape {
        amounts.extend([shape.new_files, shape.changed_files, shape.gone_files, shape.typed_files]);
        amounts.extend([shape.mistyped_files, shape.sampled_bytes, shape.random_bytes]);
        amounts.extend(shape.trees.values().flat_map(|tree| [tree.files, tree.bytes]));
    }
    if !amounts.iter().all(is_amount) {
        return malformed("a number of files or bytes is no such number");
    }
    for text in [&mut run.error, &mut run.hint].into_iter().flatten() {
        cut(text, TEXT_BYTES_MAX);
    }
    cut_list(&mut run.problems);
    cut_list(&mut run.notes);
    cut_list(&mut run.recipients);
    run.levels.truncate(LEVELS_MAX);
    for level in &mut run.levels {
        cut(&mut level.name, SOURCE_BYTES_MAX);
        if let Some(error) = &mut level.error {
            cut(error, TEXT_BYTES_MAX);
        }
    }
    if let Some(shape) = &mut run.shape {
        while shape.trees.len() > TREES_MAX {
            shape.trees.pop_last();
        }
    }
    while run.objects.len() > TREES_MAX {
        run.objects.pop_last();
    }
    Ok(())
}

fn check_source(name: &str, source_type: &mut String) -> Result<(), IngestError> {
    let good = !name.is_empty() && name.len() <= SOURCE_BYTES_MAX && !name.chars().any(char::is_control);
    cut(source_type, 100);
    if good { Ok(()) } else { Err(IngestError::Malformed("the name of the source is no name".into())) }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

fn is_amount(amount: &u64) -> bool {
    *amount <= AMOUNT_MAX
}

/// A time that can be meant.
fn near(secs: i64, now: i64) -> Option<i64> {
    (secs.saturating_sub(now).saturating_abs() <= AWAY_SECS).then_some(secs)
}

/// A year is more than any run takes.
fn is_duration(secs: f64) -> bool {
    (0.0..=366.0 * 86_400.0).contains(&secs)
}

fn cut_list(list: &mut Vec<String>) {
    list.truncate(NAMED_MAX);
    list.iter_mut().for_each(|text| cut(text, TEXT_BYTES_MAX / 4));
}

fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}
