//! What a sweep saw and did, and why it stopped.

use super::look::Lacking;
use crate::retention::{Braked, Plan};
use crate::state::ClockDoubt;
use crate::words::{label, plural};
use std::fmt::Write;
use vow_base::HostId;
use vow_base::amount::readable;
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
    /// What it is called; empty when the vault was not told.
    pub name: String,
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
    /// Why nothing of this host was touched before a person has looked; the others go on.
    pub held: Option<Held>,
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
    /// Somebody asked it to stop.
    #[error("asked to stop before it was done")]
    Asked,
}

/// Why a host is left alone: too much of it would go at once. The brake is each host's own, so that one that was broken into cannot keep
/// the room that all the others need.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// Too many snapshots would expire at once.
    #[error(transparent)]
    Snapshots(#[from] Braked),
    /// Too many of its bytes would go at once.
    #[error(
        "{} of {} of host {} would be {verb} at once; its rules allow {percent} %", size(.bytes), size(.all), .host.short()
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
            || self
                .hosts
                .iter()
                .any(|host| host.held.is_some() || host.lacking.is_some() || host.unreceipted > 0)
    }

    /// For people: a line for each host that something was done about or is wrong with, then the sum.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let mut sum = (0, Tally::default(), Tally::default());
        for host in &self.hosts {
            sum.0 += host.expired;
            sum.1.add(host.condemned);
            sum.2.add(host.deleted);
            let name = host.label();
            if host.expired + host.condemned.objects + host.deleted.objects > 0 {
                let done = done(host.expired, host.condemned, host.deleted);
                let _ = writeln!(text, "host {name}: {done}");
            }
            if host.locked > 0 {
                let locked = plural(host.locked, "object");
                let _ = writeln!(text, "host {name}: the store does not let {locked} go yet");
            }
            if host.unreceipted > 0 {
                let manifests = plural(host.unreceipted as u64, "manifest");
                let _ = writeln!(text, "host {name}: {manifests} not in the ledger; what they name stays");
            }
            if let Some(Lacking { count, example: (kind, id) }) = &host.lacking {
                let objects = plural(*count, "object");
                let _ = writeln!(
                    text,
                    "host {name}: kept snapshots name {objects} not there, among them {kind} {id}; nothing of this host was touched"
                );
            }
            if let Some(why) = &host.held {
                let _ = writeln!(text, "host {name} is left alone: {why}");
            }
        }
        let hosts = plural(self.hosts.len() as u64, "host");
        let _ = writeln!(text, "{hosts}: {}", done(sum.0, sum.1, sum.2));
        if let Some(why) = &self.stopped {
            let _ = writeln!(text, "stopped: {why}");
        }
        text
    }
}

impl HostSwept {
    /// What people call it, and its id.
    fn label(&self) -> String {
        label(&self.host, &self.tenant, &self.name)
    }
}

fn done(expired: u64, condemned: Tally, deleted: Tally) -> String {
    format!(
        "{} expired, {} ({}) condemned, {} ({}) deleted",
        plural(expired, "snapshot"),
        plural(condemned.objects, "object"),
        readable(condemned.bytes),
        deleted.objects,
        readable(deleted.bytes)
    )
}

fn size(bytes: &u64) -> String {
    readable(*bytes)
}
