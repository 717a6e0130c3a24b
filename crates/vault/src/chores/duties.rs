//! The duties of a vault, as chores: sweep every day, read everything again within a term, pull from other vaults.

use super::{Chore, Said};
use crate::replicate::ReplicateOptions;
use crate::scrub::{Cursor, ScrubOptions};
use crate::storage::Storage;
use crate::sweep::SweepOptions;
use crate::tree;
use crate::vault::Vault;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_base::HostId;
use vow_base::vault::{Kind, Peer, Retrieve, VaultError};

/// Where scrubs remember how far they came.
const SCRUB_FOLDER: &str = "cache/scrub";
/// A part of a scrub reads at least so many bytes.
const SCRUB_LEAST_BYTES: u64 = 256 << 20;
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
    Ok(Chore { name: "sweep".into(), every, last, work: Box::new(work) })
}

/// Reads everything again within `term`, a part at a time, and heals from `levels` what it can. What nobody could heal is a failure until it is healed.
pub fn scrub(vault: Vault, levels: Vec<Arc<dyn Retrieve>>, term: Duration) -> Chore {
    let every = term / SCRUB_PARTS;
    let mut open = Vec::new();
    let work = move |stop: &AtomicBool| -> Said {
        let cursor = remembered(&vault);
        if cursor.is_none() {
            // A new round looks at everything again, so what is still wrong is found again.
            open.clear();
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
                "{more} objects are damaged or missing and no other level has them: {}",
                open.join("; ")
            )),
        }
    };
    Chore { name: "scrub".into(), every, last: None, work: Box::new(work) }
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
            return Err(format!("the other vault contradicts what it showed before: {:?}", report.story));
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
    Chore { name: format!("replicate {name}"), every, last: None, work: Box::new(work) }
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
