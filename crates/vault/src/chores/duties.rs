//! The duties of a vault, as chores: sweep every day, read everything again within a term, pull from other vaults.

use super::progress::Progress;
use super::{Chore, Said};
use crate::replicate::ReplicateOptions;
use crate::scrub::ScrubOptions;
use crate::storage::s3::{Finding, ProbeReport, S3Storage, Weight};
use crate::sweep::SweepOptions;
use crate::vault::Vault;
use crate::words::plural;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_base::amount::readable;
use vow_base::clock::Nanos;
use vow_base::disk::DiskError;
use vow_base::vault::{Kind, Peer, Retrieve, VaultError};

/// The name of the chore that reads everything again.
pub const SCRUB: &str = "scrub";
/// A part of a scrub reads at least so many bytes.
const SCRUB_LEAST_BYTES: u64 = 256 << 20;
/// So many of what is wrong are named.
const NAMED_MAX: usize = 20;
/// A whole scrub takes this many parts.
const SCRUB_PARTS: u32 = 24;

/// Retain and sweep. A sweep that was stopped for a person to look at is a failure until it goes through.
pub fn sweep(vault: Vault, every: Duration) -> Result<Chore, VaultError> {
    let last = vault.state()?.passes.last().map(|(_, time)| *time);
    let work = move |stop: &AtomicBool| -> Said {
        let progress = |_| flow(stop);
        let report = vault.sweep(&SweepOptions::default(), &progress).map_err(|e| e.to_string())?;
        let summary = report.summary().trim_end().to_owned();
        if report.needs_attention() { Err(summary) } else { Ok(summary) }
    };
    Ok(Chore { name: "sweep".into(), every, last, said: None, work: Box::new(work) })
}

/// Reads everything again within `term`, a part at a time, and heals from `levels` what it can. What nobody could heal is a failure until it is healed,
/// over starts and rounds.
///
/// In a bucket each round begins with a look for what somebody with the bucket's credentials has hidden.
pub fn scrub(
    vault: Vault,
    bucket: Option<S3Storage>,
    levels: Vec<Arc<dyn Retrieve>>,
    term: Duration,
) -> Chore {
    let every = scrub_every(term);
    let (last, said) = (Progress::last(&vault), wrong(&Progress::load(&vault)).map(Err));
    let work = move |stop: &AtomicBool| -> Said {
        let mut progress = Progress::load(&vault);
        if progress.cursor.is_none() {
            let hidden = bucket.as_ref().map(S3Storage::hidden).transpose().map_err(|e| e.to_string())?;
            progress.begin_round(hidden.iter().flatten().map(ToString::to_string).collect());
        }
        let all = stored_bytes(&vault).map_err(|e| e.to_string())?;
        let budget_bytes = (all / u64::from(SCRUB_PARTS)).max(SCRUB_LEAST_BYTES);
        let options =
            ScrubOptions { budget_bytes, cursor: progress.cursor, threads: 1, ..ScrubOptions::default() };
        let levels: Vec<&dyn Retrieve> = levels.iter().map(|level| &**level).collect();
        let report = vault.scrub(&levels, &options, &|_| flow(stop)).map_err(|e| e.to_string())?;
        progress.take(&report, |host, kind, id| vault.inner.get(host, kind, id).is_ok());
        progress.store(&vault).map_err(|e| e.to_string())?;
        let read = format!("{}, {} read", plural(report.objects, "object"), readable(report.bytes));
        let read = match report.found.len() as u64 {
            0 => format!("{read}; no damage"),
            // What nobody healed and somebody needs is a failure, and said below.
            found => {
                format!("{read}; {} damaged or missing, healed or needed by nothing", plural(found, "object"))
            }
        };
        wrong(&progress).map_or(Ok(read), Err)
    };
    Chore { name: SCRUB.into(), every, last, said, work: Box::new(work) }
}

/// What a scrub has found that nobody has healed yet.
fn wrong(progress: &Progress) -> Option<String> {
    let open = progress.sentences();
    (!open.is_empty()).then(|| {
        format!(
            "{} objects are hidden, damaged or missing, and no other level has the latter: {}",
            open.len(),
            named(&open)
        )
    })
}

/// How often a part is read, so that everything is read within the term.
pub fn scrub_every(term: Duration) -> Duration {
    term / SCRUB_PARTS
}

/// Pulls from another vault. What could not be copied is a failure until it is.
pub fn replicate(vault: Vault, name: &str, from: Arc<dyn Peer>, every: Duration) -> Chore {
    let work = move |stop: &AtomicBool| -> Said {
        let report = vault.replicate(&*from, &ReplicateOptions::default(), &|_| flow(stop));
        let report = report.map_err(|e| e.to_string())?;
        let copied = format!(
            "{}, {} copied ({})",
            plural(report.hosts, "host"),
            plural(report.copied.snapshots, "snapshot"),
            readable(report.copied.bytes)
        );
        if report.contradicted() {
            let story = report.story.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(format!("the other vault contradicts what it showed before: {story}"));
        }
        if let Some(story) = &report.own_story {
            return Err(format!(
                "{copied}; THIS vault contradicts what the other one has seen of it: {story}"
            ));
        }
        match report.failed.first() {
            None => Ok(copied),
            Some((host, _, error)) => {
                let more = report.failed.len();
                Err(format!(
                    "{copied}; {more} could not be copied, the first of host {}: {error}",
                    host.short()
                ))
            }
        }
    };
    Chore { name: format!("replicate {name}"), every, last: None, said: None, work: Box::new(work) }
}

/// Tries whether a bucket refuses what it must, and whether its settings take nothing away. One that does not is a failure until it does; with
/// `must_lock` also one that locks nothing.
///
/// `first` is what a probe said that was made at `last`, before the vault was served.
pub fn probe(bucket: S3Storage, every: Duration, must_lock: bool, first: Said, last: Nanos) -> Chore {
    let work = move |_: &AtomicBool| -> Said { probed(&bucket.probe(), must_lock) };
    Chore { name: "probe".into(), every, last: Some(last), said: Some(first), work: Box::new(work) }
}

/// What a probe comes to, in one sentence: good news, or what somebody must look at.
pub fn probed(report: &Result<ProbeReport, DiskError>, must_lock: bool) -> Said {
    let report = report.as_ref().map_err(|error| format!("the bucket could not be tried: {error}"))?;
    let says = |least: Weight| {
        let findings = report.findings.iter().filter(|finding| finding.weight() >= least);
        findings.map(Finding::to_string).collect::<Vec<_>>().join("; ")
    };
    match report.weight() {
        Weight::Unusable => Err(says(Weight::Unusable)),
        Weight::Harmful if !must_lock => Err(says(Weight::Harmful)),
        Weight::Weak | Weight::Harmful if must_lock => Err(says(Weight::Weak)),
        _ => Ok(says(Weight::Good)),
    }
}

/// The first of them; the rest is counted.
fn named(open: &[String]) -> String {
    let first = open.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
    match open.len().saturating_sub(NAMED_MAX) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

fn flow(stop: &AtomicBool) -> ControlFlow<()> {
    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn stored_bytes(vault: &Vault) -> Result<u64, VaultError> {
    let mut all = 0;
    for key in vault.hosts()? {
        for kind in [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest] {
            all += vault.stored_in(&key.host_id(), kind)?.1;
        }
    }
    Ok(all)
}
