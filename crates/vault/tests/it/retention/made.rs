//! Snapshots, rules and histories made up for tests.

use proptest::prelude::*;
use vow_base::manifest::Status;
use vow_base::{HostId, ObjectId};
use vow_vault::retention::{Hold, Marks, Policy, Snapshot, Version};

pub(crate) const MINUTE: i64 = 60_000_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
/// 2025-12-01 00:00 UTC: histories that start here cross the end of a year.
pub(crate) const START: i64 = 20_423 * DAY;

/// A healthy one. Its id names its position, so that ids stay when a history is changed.
pub(crate) fn snapshot(position: u64, received: i64) -> Snapshot {
    Snapshot {
        manifest: ObjectId::of(&position.to_be_bytes()),
        host: HostId([1; 32]),
        tenant: "acme".into(),
        source: "files".into(),
        position,
        sequence: position,
        received,
        status: Status::Ok,
        files: 100,
        bytes: 1000,
        marks: Marks::default(),
        gone: false,
    }
}

/// Histories of up to two hosts with two sources each, from a few minutes to years long, healthy for the most part.
pub(crate) fn any_history() -> impl Strategy<Value = Vec<Snapshot>> {
    prop::collection::vec(any_step(), 0..40).prop_map(|steps| {
        let mut time = START;
        let mut history = Vec::new();
        for (position, step) in (1..).zip(steps) {
            time += step.gap;
            history.push(Snapshot { received: time, ..step.snapshot(position * 1000) });
        }
        history
    })
}

#[derive(Debug, Clone)]
struct Step {
    gap: i64,
    place: (u8, bool),
    partial: bool,
    size: (u64, u64),
    marks: (u8, u8),
    gone: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let gap = prop_oneof![
        2 => Just(0i64),
        4 => (0..90i64).prop_map(|minutes| minutes * MINUTE),
        4 => (0..30i64).prop_map(|hours| hours * HOUR),
        2 => (0..40i64).prop_map(|days| days * DAY),
        1 => (-3..0i64).prop_map(|hours| hours * HOUR),
    ];
    let size = prop_oneof![
        8 => Just((100, 1000)),
        3 => Just((30, 300)),
        1 => Just((90, 320)),
        1 => Just((3, 10)),
        1 => Just((0, 0)),
        1 => Just((900, 9000)),
    ];
    let place = prop_oneof![6 => Just((1, false)), 1 => Just((1, true)), 1 => Just((2, false))];
    let step = (gap, place, prop::bool::weighted(0.1), size, (0..16u8, 0..16u8), prop::bool::weighted(0.1));
    step.prop_map(|(gap, place, partial, size, marks, gone)| Step { gap, place, partial, size, marks, gone })
}

impl Step {
    fn snapshot(&self, position: u64) -> Snapshot {
        let hold = |dice| match dice {
            1 => Hold::On,
            2 => Hold::Released(START + 20 * DAY),
            3 => Hold::Released(START + 400 * DAY),
            _ => Hold::None,
        };
        let (proven, doubted) = match self.marks.1 {
            4 => (Some(5), None),
            5 => (None, Some(5)),
            6 => (Some(5), Some(6)),
            7 => (Some(6), Some(5)),
            _ => (None, None),
        };
        let (pin, held) = if self.marks.1 == 1 {
            (Hold::None, hold(self.marks.0))
        } else {
            (hold(self.marks.0), Hold::None)
        };
        Snapshot {
            host: HostId([self.place.0; 32]),
            tenant: if self.place.0 == 1 { "acme" } else { "other" }.into(),
            source: if self.place.1 { "orders" } else { "files" }.into(),
            status: if self.partial { Status::Partial } else { Status::Ok },
            files: self.size.0,
            bytes: self.size.1,
            marks: Marks { pin, hold: held, proven, doubted, attested: None },
            gone: self.gone,
            ..snapshot(position, 0)
        }
    }
}

/// The numbers of some rules, small enough for things to expire: six counts and four terms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) counts: [u32; 6],
    pub(crate) within_hours: u32,
    pub(crate) lock_hours: u32,
    pub(crate) spacing_minutes: u32,
    pub(crate) tighten_hours: u32,
}

pub(crate) fn any_numbers() -> impl Strategy<Value = Numbers> {
    let counts = (1..5u32, 0..5u32, 0..5u32, 0..4u32, 0..4u32, 0..3u32);
    let terms = (prop_oneof![Just(0), 0..1000u32], 24..600u32, 1..120u32, 24..300u32);
    (counts, terms).prop_map(
        |((last, hourly, daily, weekly, monthly, yearly), (within, lock, spacing, tighten))| Numbers {
            counts: [last, hourly, daily, weekly, monthly, yearly],
            within_hours: within,
            lock_hours: lock,
            spacing_minutes: spacing,
            tighten_hours: tighten,
        },
    )
}

impl Numbers {
    pub(crate) fn text(&self) -> String {
        let [last, hourly, daily, weekly, monthly, yearly] = self.counts;
        format!(
            "keep_last = {last}\nkeep_hourly = {hourly}\nkeep_daily = {daily}\nkeep_weekly = {weekly}\n\
             keep_monthly = {monthly}\nkeep_yearly = {yearly}\nkeep_within = \"{}h\"\nlock = \"{}h\"\n\
             spacing = \"{}m\"\ntighten_after = \"{}h\"\n",
            self.within_hours, self.lock_hours, self.spacing_minutes, self.tighten_hours
        )
    }

    pub(crate) fn version(&self, since: i64) -> Version {
        Version { policy: Policy::parse(&self.text()).expect("rules within their bounds"), since }
    }

    /// The same, or more of each that keeps.
    pub(crate) fn loosened(&self, by: [u32; 9]) -> Self {
        let mut loose = *self;
        for (count, more) in loose.counts.iter_mut().zip(by) {
            *count += more;
        }
        loose.within_hours += by[6] * 50;
        loose.lock_hours += by[7] * 50;
        loose.tighten_hours += by[8] * 50;
        loose
    }
}

/// One to three versions of rules, with the times at which they came into force, in days after the start.
pub(crate) fn any_versions() -> impl Strategy<Value = Vec<(Numbers, i64)>> {
    prop::collection::vec((any_numbers(), 0..700i64), 1..4).prop_map(|mut versions| {
        versions.sort_by_key(|(_, day)| *day);
        versions[0].1 = -10_000;
        versions
    })
}

pub(crate) fn versions(numbers: &[(Numbers, i64)]) -> Vec<Version> {
    numbers.iter().map(|(numbers, day)| numbers.version(START + day * DAY)).collect()
}

pub(crate) fn positions<'s>(snapshots: impl Iterator<Item = &'s Snapshot>) -> Vec<u64> {
    let mut positions: Vec<_> = snapshots.map(|snapshot| snapshot.position).collect();
    positions.sort_unstable();
    positions
}
