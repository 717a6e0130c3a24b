//! Synthetic sources: growth, weeks, months, holidays, noise, deployments. Nothing here knows what rules look at.

use super::random::{between, factor, happens, magnitude, normal};
use std::collections::BTreeMap;
use vow_protocol::report::{LevelReport, Outcome, RunReport, Shape, Tree};
use vow_testkit::Dice;

pub(super) const DAY: i64 = 86_400;
/// 2025-01-06, a Monday.
pub(super) const START: i64 = 1_736_121_600;
pub(super) const LEVELS: [&str; 2] = ["local", "remote"];
/// Days of the year on which offices are closed.
const HOLIDAYS: [i64; 11] = [95, 98, 115, 123, 134, 270, 299, 352, 353, 358, 359];

/// What a source is like.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) source_type: &'static str,
    pub(super) schedule: String,
    /// The minute of the day it first runs, and the time between two runs.
    pub(super) first_secs: i64,
    pub(super) every_secs: i64,
    bytes: f64,
    growth_a_day: f64,
    /// The share of its size that a month of logs makes, gone at its end.
    monthly_share: f64,
    size_noise: f64,
    /// It is so much larger on Sundays: a full export.
    sunday_factor: f64,
    added_share: f64,
    added_noise: f64,
    /// The share of work that is done on Saturdays, Sundays and holidays.
    weekend: f64,
    month_start_factor: f64,
    overhead_secs: f64,
    bytes_a_sec: f64,
    duration_noise: f64,
    pub(super) files: f64,
    trees: Vec<(String, f64)>,
    changed_share: f64,
    mistyped_share: f64,
    random_share: f64,
    pub(super) objects: BTreeMap<String, u64>,
    /// Days of deployments, clean-ups and moves, with what they do.
    events: Vec<Event>,
}

/// Something that people do on purpose.
struct Event {
    day: i64,
    /// What the size is multiplied with from then on.
    factor: f64,
    /// The share of files touched on that day.
    touched: f64,
    tables: u64,
    tree: Option<String>,
}

impl Source {
    pub(super) fn files(dice: &mut Dice, days: i64) -> Self {
        let mut source = Self::any(dice, "system", "files", DAY, days);
        let count = 3 + dice.below(6);
        let mut shares: Vec<f64> = (0..count).map(|_| magnitude(dice, 0.02, 1.0)).collect();
        let all: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= all);
        source.trees = shares
            .into_iter()
            .enumerate()
            .map(|(number, share)| (format!("/srv/tree{number}"), share))
            .collect();
        for event in &mut source.events {
            if event.factor > 1.0 && event.day % 3 == 0 {
                event.tree = Some(format!("/srv/new{}", event.day));
            }
        }
        source
    }

    pub(super) fn database(dice: &mut Dice, days: i64) -> Self {
        let every = match dice.below(20) {
            0 => 3600,
            1..=5 => 6 * 3600,
            _ => DAY,
        };
        let mut source = Self::any(dice, "orders", "postgres", every, days);
        source.objects = BTreeMap::from([
            ("table".to_owned(), 5 + dice.below(200) as u64),
            ("view".to_owned(), dice.below(20) as u64),
            ("routine".to_owned(), dice.below(40) as u64),
        ]);
        // A dump is one file; some are a full export on Sundays only.
        (source.files, source.monthly_share) = (1.0, 0.0);
        if happens(dice, 0.08) && every == DAY {
            source.sunday_factor = between(dice, 3.0, 10.0);
        }
        source
    }

    fn any(dice: &mut Dice, name: &str, source_type: &'static str, every_secs: i64, days: i64) -> Self {
        let constant = happens(dice, 0.08);
        let first_secs = (dice.below(6 * 60) * 60) as i64 % every_secs;
        let (minute, hour) = (first_secs / 60 % 60, first_secs / 3600);
        let schedule = match every_secs {
            3600 => format!("{minute} * * * *"),
            DAY => format!("{minute} {hour} * * *"),
            _ => format!("{minute} {hour}-23/{} * * *", every_secs / 3600),
        };
        let events = if constant { vec![] } else { events(dice, days) };
        Self {
            name: name.to_owned(),
            source_type,
            schedule,
            first_secs,
            every_secs,
            bytes: magnitude(dice, 3e7, 8e11),
            growth_a_day: if constant { 0.0 } else { between(dice, -0.0002, 0.003) },
            monthly_share: if happens(dice, 0.4) && !constant { between(dice, 0.0, 0.25) } else { 0.0 },
            size_noise: if constant { 0.0 } else { magnitude(dice, 0.0005, 0.03) },
            sunday_factor: 1.0,
            added_share: if constant { 0.0 } else { magnitude(dice, 0.0005, 0.05) },
            added_noise: between(dice, 0.15, 0.5),
            weekend: between(dice, 0.1, 1.0),
            month_start_factor: if happens(dice, 0.3) { between(dice, 1.5, 4.0) } else { 1.0 },
            overhead_secs: between(dice, 2.0, 60.0),
            bytes_a_sec: magnitude(dice, 2e7, 3e8),
            duration_noise: between(dice, 0.05, 0.3),
            files: magnitude(dice, 2e3, 2e6),
            trees: vec![],
            changed_share: if constant { 0.0 } else { magnitude(dice, 0.0005, 0.03) },
            mistyped_share: between(dice, 0.0, 0.02),
            random_share: between(dice, 0.01, 0.2),
            objects: BTreeMap::new(),
            events,
        }
    }

    /// How much work is done on a day, 1 on a working day.
    fn work(&self, day: i64) -> f64 {
        let closed = day % 7 >= 5 || HOLIDAYS.contains(&(day % 365));
        let month_start = if day % 30 == 0 { self.month_start_factor } else { 1.0 };
        month_start * if closed { self.weekend } else { 1.0 }
    }

    /// A run at `started_secs` as it is when nothing is wrong.
    pub(super) fn observe(&self, dice: &mut Dice, started_secs: i64, sequence: u64) -> RunReport {
        let day = (started_secs - START) / DAY;
        let done: Vec<&Event> = self.events.iter().filter(|event| event.day <= day).collect();
        // An event shows in the first run of its day.
        let is_first = (started_secs - START) % DAY < self.every_secs;
        let today: Vec<&&Event> = done.iter().filter(|event| event.day == day && is_first).collect();
        let grown = 1.0 + self.growth_a_day * day as f64;
        let month = 1.0 + self.monthly_share * (day % 30) as f64 / 30.0;
        let sunday = if day % 7 == 6 { self.sunday_factor } else { 1.0 };
        let moved: f64 = done.iter().map(|event| event.factor).product();
        let bytes =
            self.bytes * grown * month * sunday * moved * (1.0 + self.size_noise * normal(dice) / 3.0);
        let work = self.work(day) * self.every_secs as f64 / DAY as f64;
        let jump: f64 = today.iter().map(|event| (event.factor - 1.0).max(0.0)).sum();
        let added = bytes * (self.added_share * work * factor(dice, self.added_noise) + jump);
        // Now and then something else runs on the host.
        let busy = if happens(dice, 0.01) { between(dice, 1.2, 2.2) } else { 1.0 };
        let duration = (self.overhead_secs + bytes / self.bytes_a_sec)
            * factor(dice, self.duration_noise)
            * busy
            * (1.0 + jump);
        let first = sequence == 1;
        let mut objects = self.objects.clone();
        for event in &done {
            *objects.entry("table".to_owned()).or_default() += event.tables;
        }
        let touched: f64 = today.iter().map(|event| event.touched).sum();
        let files = (self.files * grown * moved).round().max(1.0);
        let is_files = self.source_type == "files";
        RunReport {
            run: format!("{started_secs:032x}"),
            source: self.name.clone(),
            source_type: self.source_type.to_owned(),
            started_secs,
            duration_secs: duration,
            outcome: Outcome::Ok,
            snapshot: Some(format!("{started_secs:064x}")),
            sequence: Some(sequence),
            files: files as u64,
            dirs: (files / 20.0) as u64,
            bytes: bytes as u64,
            added_bytes: if first { bytes } else { added.min(bytes * 1.2) } as u64,
            errors: 0,
            error: None,
            hint: None,
            problems: vec![],
            notes: vec![],
            levels: LEVELS
                .iter()
                .map(|name| LevelReport {
                    name: (*name).to_owned(),
                    vault: None,
                    received: Some(true),
                    error: None,
                })
                .collect(),
            end_marker: (!is_files).then_some(true),
            shape: is_files.then(|| self.shape(dice, bytes, files, first, work, touched, added, &done)),
            objects: if is_files { BTreeMap::new() } else { objects },
            attempt: 1,
            next_secs: None,
            plan: None,
            recipients: vec![],
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn shape(
        &self,
        dice: &mut Dice,
        bytes: f64,
        files: f64,
        first: bool,
        work: f64,
        touched: f64,
        added: f64,
        done: &[&Event],
    ) -> Shape {
        let mut trees: BTreeMap<String, Tree> = BTreeMap::new();
        let new: Vec<(String, f64)> = done
            .iter()
            .filter_map(|event| Some((event.tree.clone()?, (event.factor - 1.0) / event.factor)))
            .collect();
        let rest = 1.0 - new.iter().map(|(_, share)| share).sum::<f64>().min(0.9);
        let old = self.trees.iter().map(|(path, share)| (path.clone(), share * rest));
        for (path, share) in old.chain(new) {
            trees.insert(path, Tree { files: (files * share) as u64, bytes: (bytes * share) as u64 });
        }
        let changed = files * (self.changed_share * work * factor(dice, self.added_noise) + touched);
        let typed = (files / 10.0).min(5000.0);
        let mistyped = typed * (self.mistyped_share * factor(dice, 0.2)).min(1.0);
        let sampled = added.min(2e8);
        let random = sampled * (self.random_share * factor(dice, 0.4)).min(0.6);
        Shape {
            trees,
            compared: !first,
            new_files: if first { files as u64 } else { (changed * 0.3) as u64 },
            changed_files: if first { 0 } else { (changed * 0.6).min(files) as u64 },
            gone_files: if first { 0 } else { (changed * 0.1) as u64 },
            typed_files: typed as u64,
            mistyped_files: mistyped as u64,
            sampled_bytes: sampled as u64,
            random_bytes: random as u64,
        }
    }

    /// What is usually new in a day, and how long a run takes.
    pub(super) fn usual_added(&self) -> f64 {
        self.bytes * self.added_share * self.weekend * self.every_secs as f64 / DAY as f64
    }

    pub(super) fn usual_duration(&self) -> f64 {
        self.overhead_secs + self.bytes / self.bytes_a_sec
    }
}

/// Three or four deployments a year, a clean-up, and now and then a move that multiplies the size.
fn events(dice: &mut Dice, days: i64) -> Vec<Event> {
    let mut events = Vec::new();
    let mut day = 10 + dice.below(60) as i64;
    while day < days {
        let factor = match dice.below(20) {
            0 => between(dice, 1.6, 3.0),
            1..=4 => between(dice, 0.82, 0.97),
            _ => between(dice, 1.01, 1.3),
        };
        let touched = between(dice, 0.01, 0.15);
        events.push(Event { day, factor, touched, tables: dice.below(5) as u64, tree: None });
        day += 40 + dice.below(120) as i64;
    }
    events
}
