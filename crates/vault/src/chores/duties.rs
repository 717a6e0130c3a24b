//! The duties of a vault, as chores: sweep every day, read everything again within a term, pull from other vaults.

use super::{Chore, Said};
use crate::replicate::ReplicateOptions;
use crate::scrub::{Cursor, ScrubOptions};
use crate::storage::Storage;
use crate::storage::s3::{Finding, ProbeReport, S3Storage, Weight};
use crate::sweep::SweepOptions;
use crate::tree;
use crate::vault::Vault;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_base::HostId;
use vow_base::clock::Nanos;
use vow_base::disk::DiskError;
use vow_base::vault::{Kind, Peer, Retrieve, VaultError};

/// The name of the chore that reads everything again.
pub const SCRUB: &str = "scrub";
/// Where scrubs remember how far they came.
const SCRUB_FOLDER: &str = "cache/scrub";
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

/// Reads everything again within `term`, a part at a time, and heals from `levels` what it can. What nobody could heal is a failure until it is healed.
///
/// In a bucket each round begins with a look for what somebody with the bucket's credentials has hidden.
pub fn scrub(
    vault: Vault,
    bucket: Option<S3Storage>,
    levels: Vec<Arc<dyn Retrieve>>,
    term: Duration,
) -> Chore {
    let every = term / SCRUB_PARTS;
    let mut open = Vec::new();
    let work = move |stop: &AtomicBool| -> Said {
        let cursor = remembered(&vault);
        if cursor.is_none() {
            // A new round looks at everything again, so what is still wrong is found again.
            open.clear();
            let hidden = bucket.as_ref().map(S3Storage::hidden).transpose().map_err(|e| e.to_string())?;
            open.extend(hidden.iter().flatten().map(ToString::to_string));
        }
        let all = stored_bytes(&vault).map_err(|e| e.to_string())?;
        let budget_bytes = (all / u64::from(SCRUB_PARTS)).max(SCRUB_LEAST_BYTES);
        let options = ScrubOptions { budget_bytes, cursor, threads: 1, ..ScrubOptions::default() };
        let levels: Vec<&dyn Retrieve> = levels.iter().map(|level| &**level).collect();
        let report = vault.scrub(&levels, &options, &|_| flow(stop)).map_err(|e| e.to_string())?;
        remember(&vault, report.cursor.as_ref()).map_err(|e| e.to_string())?;
        open.extend(report.open().map(|found| {
            let (kind, id) = found.object;
            format!("host {}: {kind} {id}: {}", found.host.short(), found.reason)
        }));
        let read = format!("read {} objects, {} bytes", report.objects, report.bytes);
        match open.len() {
            0 => Ok(format!("{read}; {} found and healed", report.found.len())),
            more => Err(format!(
                "{more} objects are hidden, damaged or missing, and no other level has the latter: {}",
                named(&open)
            )),
        }
    };
    Chore { name: SCRUB.into(), every, last: None, said: None, work: Box::new(work) }
}

/// Pulls from another vault. What could not be copied is a failure until it is.
pub fn replicate(vault: Vault, name: &str, from: Arc<dyn Peer>, every: Duration) -> Chore {
    let work = move |stop: &AtomicBool| -> Said {
        let report = vault.replicate(&*from, &ReplicateOptions::default(), &|_| flow(stop));
        let report = report.map_err(|e| e.to_string())?;
        let copied = format!(
            "{} hosts, {} snapshots, {} bytes copied",
            report.hosts, report.copied.snapshots, report.copied.bytes
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

/// Tries whether a bucket refuses what it must. One that does not is a failure until it does; with `must_lock` also one that locks nothing.
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
        Weight::Weak if must_lock => Err(says(Weight::Weak)),
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
            let objects = vault.objects(&key.host_id(), kind)?;
            all += objects.into_iter().map(|(_, length)| length).sum::<u64>();
        }
    }
    Ok(all)
}

/// Where the last part of a scrub ended; nothing before the first, after a whole round, or when the cache was thrown away.
fn remembered(vault: &Vault) -> Option<Cursor> {
    let storage = &*vault.inner.storage;
    let newest = storage.names(SCRUB_FOLDER).ok()?.pop()?;
    let text = storage.read(&format!("{SCRUB_FOLDER}/{newest}"), 256).ok()?;
    let text = String::from_utf8(text).ok()?;
    let mut words = text.split_whitespace();
    let host: HostId = words.next()?.parse().ok()?;
    let kind = words.next()?;
    let kind =
        [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest].into_iter().find(|of| of.folder() == kind)?;
    Some((host, kind, words.next()?.parse().ok()?))
}

/// Nothing is replaced, not even here: a new name is made, and older ones are taken away.
fn remember(vault: &Vault, cursor: Option<&Cursor>) -> Result<(), VaultError> {
    let storage: &dyn Storage = &*vault.inner.storage;
    storage.make_folder(SCRUB_FOLDER)?;
    let older = storage.list(SCRUB_FOLDER)?;
    let after = older.last().and_then(|item| item.name.parse::<u64>().ok()).unwrap_or(0);
    let text = match cursor {
        Some((host, kind, id)) => format!("{host} {} {id}\n", kind.folder()),
        None => "a whole round is done\n".to_owned(),
    };
    let name = format!("{SCRUB_FOLDER}/{}", tree::entry_name(after + 1));
    storage.create(&name, text.as_bytes(), None).map_err(crate::vault::text_error)?;
    for item in older {
        if let Some(stat) = &item.stat {
            storage.remove(&format!("{SCRUB_FOLDER}/{}", item.name), stat)?;
        }
    }
    Ok(())
}
