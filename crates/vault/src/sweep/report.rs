//! What a sweep saw and did, and why it stopped.

use super::look::Lacking;
use crate::retention::{Braked, Plan};
use crate::state::ClockDoubt;
use std::fmt::Write;
use vow_base::HostId;
use vow_base::clock::Nanos;

/// What a sweep saw and did; of a dry run, what it would have done.
#[derive(Debug, Clone)]
pub struct SweepReport {
    /// When it began, by the vault's clock.
    pub now: Nanos,
    /// What retention decided about every snapshot.
    pub plan: Plan,
    /// By host id.
    pub hosts: Vec<HostSwept>,
    /// Objects of deletions that an earlier sweep had announced and not finished.
    pub resumed: u64,
    /// Unfinished writes of more than a day ago that were removed.
    pub leftovers: u64,
    /// Why it stopped before it was done. A person has to look, or, if it was asked to stop, nobody.
    pub stopped: Option<Stopped>,
}

/// What was seen and done of one host.
#[derive(Debug, Clone)]
pub struct HostSwept {
    /// Which host.
    pub host: HostId,
    /// Its tenant; empty when the vault was not told.
    pub tenant: String,
    /// Snapshots that expired.
    pub expired: u64,
    /// Objects that were there.
    pub objects: Tally,
    /// Objects that nothing names any more and that were condemned.
    pub condemned: Tally,
    /// Objects whose grace was over and that were deleted.
    pub deleted: Tally,
    /// Objects whose grace was over and that the store does not let go yet; they are condemned anew.
    pub locked: u64,
    /// Manifests that the ledger does not know: commits that were cut short, or a ledger that lost its end. What they name stays.
    pub unreceipted: usize,
    /// Objects that kept snapshots name and that are not there. Nothing of this host was touched.
    pub lacking: Option<Lacking>,
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a sweep stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The clock jumped. Nothing expires and nothing is deleted until a person says that it is right.
    #[error(
        "the vault's clock jumped from {before} to {after}: nothing expires and nothing is deleted until somebody has looked at the clock \
         and accepted it",
        before = crate::retention::stamp(.0.before), after = crate::retention::stamp(.0.after)
    )]
    Clock(ClockDoubt),
    /// Too many snapshots would expire at once.
    #[error(transparent)]
    Snapshots(#[from] Braked),
    /// Too many bytes of a host would go at once.
    #[error(
        "{bytes} of {all} bytes of host {} would be {verb} at once; its rules allow {percent} %", .host.short()
    )]
    Bytes {
        /// The host.
        host: HostId,
        /// "condemned" or "deleted".
        verb: &'static str,
        /// How many.
        bytes: u64,
        /// Of how many.
        all: u64,
        /// What its rules allow.
        percent: u32,
    },
    /// Somebody asked it to stop.
    #[error("asked to stop before it was done")]
    Asked,
}

impl Tally {
    /// The tally of these lengths.
    pub(super) fn of(lengths: impl Iterator<Item = u64>) -> Self {
        lengths.fold(Self::default(), |tally, length| Self {
            objects: tally.objects + 1,
            bytes: tally.bytes.saturating_add(length),
        })
    }

    pub(super) fn less(self, fewer: Self) -> Self {
        Self {
            objects: self.objects.saturating_sub(fewer.objects),
            bytes: self.bytes.saturating_sub(fewer.bytes),
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.objects += more.objects;
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

impl SweepReport {
    /// Whether a person has to look: it was stopped, or objects are lacking.
    pub fn needs_attention(&self) -> bool {
        self.stopped.as_ref().is_some_and(|why| *why != Stopped::Asked)
            || self.hosts.iter().any(|host| host.lacking.is_some() || host.unreceipted > 0)
    }

    /// For people: a line for each host that something was done about or is wrong with, then the sum.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let (mut condemned, mut deleted, mut expired) = (Tally::default(), Tally::default(), 0);
        for host in &self.hosts {
            condemned.add(host.condemned);
            deleted.add(host.deleted);
            expired += host.expired;
            let name = host.host.short();
            if host.expired + host.condemned.objects + host.deleted.objects > 0 {
                let _ = writeln!(
                    text,
                    "host {name}: {} snapshots expired, {} objects ({} bytes) condemned, {} ({} bytes) deleted",
                    host.expired,
                    host.condemned.objects,
                    host.condemned.bytes,
                    host.deleted.objects,
                    host.deleted.bytes
                );
            }
            if host.locked > 0 {
                let _ = writeln!(text, "host {name}: the store does not let {} objects go yet", host.locked);
            }
            if host.unreceipted > 0 {
                let _ = writeln!(
                    text,
                    "host {name}: {} manifests are not in the ledger; what they name stays",
                    host.unreceipted
                );
            }
            if let Some(Lacking { count, example: (kind, id) }) = &host.lacking {
                let _ = writeln!(
                    text,
                    "host {name}: kept snapshots name {count} objects that are not there, among them {kind} {id}; nothing of this host was touched"
                );
            }
        }
        let _ = writeln!(
            text,
            "{} hosts: {expired} snapshots expired, {} objects ({} bytes) condemned, {} ({} bytes) deleted",
            self.hosts.len(),
            condemned.objects,
            condemned.bytes,
            deleted.objects,
            deleted.bytes
        );
        if let Some(why) = &self.stopped {
            let _ = writeln!(text, "stopped: {why}");
        }
        text
    }
}
