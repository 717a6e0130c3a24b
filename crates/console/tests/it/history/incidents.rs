//! What goes wrong, and which rules must say so.

use super::fleet::{DAY, Source};
use super::random::{between, magnitude};
use vow_console::records::RuleName;
use vow_protocol::report::{Outcome, RunReport};
use vow_testkit::Dice;

/// The kinds of incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Failed,
    Partial,
    Missing,
    ZeroLength,
    EndMarker,
    Slow,
    Quick,
    Shrunk,
    Grown,
    Burst,
    NothingNew,
    TreeGone,
    TreeNew,
    Ransomware,
    CreepingRansomware,
    Mislabelled,
    ObjectsGone,
    OutOfStep,
    HostSilent,
    ClockSkew,
    VersionOld,
    DrillFailed,
    DrillOverdue,
    DrillBroken,
    RestoreSlow,
    VaultFilling,
    VaultSilent,
}

use Kind::*;

/// All of them, with the two that happen to vaults.
pub(super) const KINDS: usize = OF_HOSTS.len() + 2;

/// Those that happen to a host or a source of it.
pub(super) const OF_HOSTS: [Kind; 25] = [
    Failed,
    Partial,
    Missing,
    ZeroLength,
    EndMarker,
    Slow,
    Quick,
    Shrunk,
    Grown,
    Burst,
    NothingNew,
    TreeGone,
    TreeNew,
    Ransomware,
    CreepingRansomware,
    Mislabelled,
    ObjectsGone,
    OutOfStep,
    HostSilent,
    ClockSkew,
    VersionOld,
    DrillFailed,
    DrillOverdue,
    DrillBroken,
    RestoreSlow,
];

impl Kind {
    /// The rules of which one must speak.
    pub(super) fn expected(self) -> &'static [RuleName] {
        match self {
            Failed => &[RuleName::Failed],
            Partial => &[RuleName::Partial],
            Missing => &[RuleName::Missing],
            ZeroLength => &[RuleName::ZeroLength],
            EndMarker => &[RuleName::EndMarker],
            Slow | Quick => &[RuleName::Duration],
            Shrunk | Grown => &[RuleName::Size],
            Burst | NothingNew => &[RuleName::NewBytes],
            TreeGone | TreeNew => &[RuleName::Trees],
            Ransomware => &[RuleName::Changed],
            CreepingRansomware => &[RuleName::Entropy],
            Mislabelled => &[RuleName::Types],
            ObjectsGone => &[RuleName::Objects],
            OutOfStep => &[RuleName::OutOfStep],
            HostSilent => &[RuleName::HostSilent],
            ClockSkew => &[RuleName::ClockSkew],
            VersionOld => &[RuleName::VersionOld],
            DrillFailed => &[RuleName::DrillFailed],
            DrillOverdue => &[RuleName::DrillOverdue],
            DrillBroken => &[RuleName::DrillBroken],
            RestoreSlow => &[RuleName::RestoreSlow],
            VaultFilling => &[RuleName::VaultFilling],
            VaultSilent => &[RuleName::VaultSilent],
        }
    }

    /// Whether it can happen to this source at all: an archive that never changes cannot stop changing.
    pub(super) fn suits(self, source: &Source) -> bool {
        let is_files = source.source_type == "files";
        match self {
            EndMarker | ObjectsGone => !is_files,
            TreeGone | TreeNew | Ransomware | CreepingRansomware | Mislabelled => {
                is_files && source.files > 1000.0
            }
            NothingNew => source.usual_added() > 8e6,
            Quick => source.usual_duration() > 300.0,
            _ => true,
        }
    }
}

/// One incident.
#[derive(Debug, Clone)]
pub(super) struct Incident {
    pub(super) kind: Kind,
    /// The source by its place; of incidents of a whole host any.
    pub(super) source: usize,
    pub(super) from_secs: i64,
    pub(super) until_secs: i64,
    /// How strong it is; each kind has its own measure.
    pub(super) strength: f64,
}

impl Incident {
    pub(super) fn new(dice: &mut Dice, kind: Kind, source: usize, every_secs: i64, from_secs: i64) -> Self {
        let (low, high) = match kind {
            Failed | Partial | ZeroLength | EndMarker | Shrunk | Grown | TreeGone | Missing => (1.0, 4.0),
            NothingNew => (7.0, 9.0),
            OutOfStep => (2.0, 6.0),
            CreepingRansomware | ClockSkew => (2.0, 5.0),
            TreeNew | Mislabelled => (2.0, 3.0),
            VersionOld => (5.0, 30.0),
            DrillFailed | DrillBroken | RestoreSlow => (20.0, 40.0),
            DrillOverdue => (60.0, 70.0),
            HostSilent => (0.15, 3.0),
            _ => (1.0, 1.0),
        };
        // What happens to runs lasts for a number of runs, but at least for one.
        let days = between(dice, low, high).max(if kind == HostSilent { 0.0 } else { 1.0 });
        let is_of_runs = matches!(
            kind,
            Failed
                | Partial
                | ZeroLength
                | EndMarker
                | Slow
                | Quick
                | Shrunk
                | Grown
                | Burst
                | TreeGone
                | ObjectsGone
        );
        let length = if is_of_runs { days * every_secs as f64 } else { days * DAY as f64 };
        let strength = match kind {
            Slow => magnitude(dice, 4.0, 12.0),
            Quick => magnitude(dice, 0.01, 0.1),
            Shrunk => between(dice, 0.05, 0.65),
            Grown => magnitude(dice, 1.8, 8.0),
            Burst => between(dice, 0.4, 1.0),
            NothingNew => between(dice, 0.0, 0.01),
            TreeGone => between(dice, 0.0, 0.08),
            TreeNew => between(dice, 0.6, 2.0),
            Ransomware => between(dice, 0.4, 1.0),
            CreepingRansomware => between(dice, 0.02, 0.08),
            Mislabelled => between(dice, 0.1, 0.6),
            ObjectsGone => between(dice, 0.0, 0.4),
            ClockSkew => magnitude(dice, 300.0, 2e5) * if dice.below(2) == 0 { 1.0 } else { -1.0 },
            RestoreSlow => between(dice, 1.2, 4.0),
            _ => 1.0,
        };
        Self { kind, source, from_secs, until_secs: from_secs + length as i64, strength }
    }

    pub(super) fn is_at(&self, secs: i64) -> bool {
        (self.from_secs..self.until_secs).contains(&secs)
    }

    /// What it does to a report. What happens to hosts, vaults and drills is done elsewhere.
    pub(super) fn spoil(&self, run: &mut RunReport) {
        let scale = |number: u64, by: f64| (number as f64 * by) as u64;
        match self.kind {
            Failed => {
                run.outcome = Outcome::Failed;
                run.error = Some("connection refused".to_owned());
                (run.snapshot, run.sequence, run.shape, run.end_marker) = (None, None, None, None);
                (run.bytes, run.files, run.added_bytes) = (0, 0, 0);
                run.objects.clear();
                run.levels.clear();
            }
            Partial => {
                run.outcome = Outcome::Partial;
                run.errors = 3;
                run.problems = vec!["/srv/tree0/secret: permission denied".to_owned()];
            }
            ZeroLength => {
                (run.bytes, run.files, run.added_bytes, run.duration_secs) = (0, 0, 0, 1.0);
                run.shape = None;
                run.objects.clear();
            }
            EndMarker => run.end_marker = Some(false),
            Slow => run.duration_secs = run.duration_secs * self.strength + 1200.0,
            Quick => run.duration_secs *= self.strength,
            Shrunk | Grown => {
                (run.bytes, run.files) =
                    (scale(run.bytes, self.strength), scale(run.files, self.strength).max(1));
                for tree in run.shape.iter_mut().flat_map(|shape| shape.trees.values_mut()) {
                    (tree.bytes, tree.files) =
                        (scale(tree.bytes, self.strength), scale(tree.files, self.strength));
                }
            }
            Burst => run.added_bytes = scale(run.bytes, self.strength),
            NothingNew => run.added_bytes = scale(run.added_bytes, self.strength),
            TreeGone => {
                let Some(shape) = &mut run.shape else { return };
                let Some((_, tree)) = shape.trees.iter_mut().next() else { return };
                let (bytes, files) = (tree.bytes, tree.files);
                (tree.bytes, tree.files) = (scale(bytes, self.strength), scale(files, self.strength));
                run.bytes = run.bytes.saturating_sub(bytes - tree.bytes);
                run.files = run.files.saturating_sub(files - tree.files).max(1);
            }
            TreeNew => {
                let Some(shape) = &mut run.shape else { return };
                let (bytes, files) = (scale(run.bytes, self.strength), scale(run.files, self.strength));
                shape.trees.insert(
                    "/srv/dump-that-nobody-wanted".to_owned(),
                    vow_protocol::report::Tree { bytes, files },
                );
                (run.bytes, run.files) = (run.bytes + bytes, run.files + files);
            }
            Ransomware | CreepingRansomware => {
                let Some(shape) = &mut run.shape else { return };
                shape.changed_files = shape.changed_files.max(scale(run.files, self.strength));
                run.added_bytes = run.added_bytes.max(scale(run.bytes, self.strength));
                shape.sampled_bytes = run.added_bytes.min(200_000_000);
                shape.random_bytes = scale(shape.sampled_bytes, 0.93);
                if self.kind == Ransomware {
                    shape.mistyped_files = scale(shape.typed_files, self.strength * 0.9);
                }
            }
            Mislabelled => {
                let Some(shape) = &mut run.shape else { return };
                shape.mistyped_files = scale(shape.typed_files, self.strength);
            }
            ObjectsGone => {
                let tables = run.objects.entry("table".to_owned()).or_default();
                *tables -= (scale(*tables, self.strength)).max(1);
            }
            OutOfStep => {
                run.levels[1].received = Some(false);
                run.outcome = Outcome::Partial;
            }
            _ => {}
        }
    }
}
