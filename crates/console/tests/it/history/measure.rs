//! Lives through the time of a fleet, hour by hour, and counts what the rules and tickets made of it.

use super::fleet::{DAY, LEVELS, START, Source};
use super::incidents::{Incident, Kind, OF_HOSTS};
use super::random::{between, happens};
use std::collections::BTreeMap;
use vow_console::notify::route::Routes;
use vow_console::records::*;
use vow_console::rules::{RunCase, Settings, judge_run, watch_host, watch_source, watch_vault};
use vow_console::tickets::{TicketSettings, plan, plan_action};
use vow_protocol::report::{Alive, Expected, Outcome, ProofReport, Verdict as Drill};
use vow_testkit::Dice;

/// How much is simulated.
#[derive(Clone)]
pub(super) struct Extent {
    pub(super) hosts: usize,
    pub(super) days: i64,
    pub(super) tick_secs: i64,
    pub(super) incidents_per_host: usize,
}

/// How one kind of incident was found.
#[derive(Debug, Default, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) planted: usize,
    pub(super) found: usize,
    delays_secs: Vec<i64>,
    missed: Vec<f64>,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Figures {
    hosts: usize,
    days: i64,
    runs: usize,
    rows: BTreeMap<Kind, Row>,
    tickets: usize,
    false_tickets: usize,
    false_by_rule: BTreeMap<RuleName, usize>,
    false_sentences: Vec<String>,
    pub(super) left_open: usize,
    pub(super) left: Vec<String>,
}

/// Incidents begin after so many days; the first weeks are learning.
const FIRST_INCIDENT_DAY: i64 = 30;
/// After the end of an incident what follows from it may still show.
const AFTERMATH_SECS: i64 = 2 * DAY;
const OLD: &str = "vow 1.2.0";

pub(super) fn measure(seed: u64, extent: &Extent) -> Figures {
    // Every host has dice of its own, so that threads change nothing.
    let halves: Vec<Figures> = std::thread::scope(|scope| {
        let works: Vec<_> = (0..2)
            .map(|half| {
                scope.spawn(move || {
                    let mut figures = Figures::default();
                    for number in (half..extent.hosts).step_by(2) {
                        host(seed, number, extent, &mut figures);
                    }
                    figures
                })
            })
            .collect();
        works.into_iter().map(|work| work.join().unwrap()).collect()
    });
    let mut all = Figures::default();
    for figures in halves {
        all.add(figures);
    }
    (all.hosts, all.days) = (extent.hosts, extent.days);
    for number in 0..extent.hosts.div_ceil(5) {
        vault(seed, number, extent, &mut all);
    }
    all
}

/// The tickets of one host or vault, and when they opened.
#[derive(Default)]
struct Board {
    tickets: BTreeMap<Key, Ticket>,
    opened: Vec<(i64, Key, String)>,
}

impl Board {
    fn take(&mut self, judged: &Judged, now: i64) {
        let held: Vec<Ticket> = self
            .tickets
            .values()
            .filter(|ticket| judged.subject.covers(&ticket.key.subject))
            .cloned()
            .collect();
        for change in plan(judged, &held, now, &TicketSettings::default(), &Routes::default()) {
            let before = self.tickets.insert(change.ticket.key.clone(), change.ticket.clone());
            let was_open = before.is_some_and(|before| before.status == Status::Open);
            if change.ticket.status == Status::Open && !was_open {
                self.opened.push((now, change.ticket.key, change.ticket.sentence));
            }
        }
    }
}

struct State {
    source: Source,
    history: History,
    around: Around,
    sequence: u64,
    next_run: i64,
    next_drill: i64,
    last: Option<Run>,
    marks: BTreeMap<RuleName, i64>,
}

fn host(seed: u64, number: usize, extent: &Extent, figures: &mut Figures) {
    let mut dice = Dice::new(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let name = format!("host-{number}");
    let settings = Settings { version_min: Some("1.4.0".to_owned()), ..Settings::default() };
    let mut sources = vec![Source::files(&mut dice, extent.days)];
    if happens(&mut dice, 0.6) {
        sources.push(Source::database(&mut dice, extent.days));
    }
    let incidents = incidents(&mut dice, &sources, number, extent);
    let mut facts = HostFacts {
        tenant: "acme".to_owned(),
        host: name.clone(),
        since_secs: START,
        heard_secs: None,
        clock: vec![],
        software: Some("vow 1.4.2".to_owned()),
        alive: None,
        quiet_until_secs: None,
        closed: false,
    };
    let mut states: Vec<State> = sources
        .into_iter()
        .map(|source| {
            let around = around(&facts, &source);
            let next_drill = START + 5 * DAY + dice.below(10) as i64 * DAY;
            State {
                next_run: START + source.first_secs,
                source,
                history: History::default(),
                around,
                sequence: 0,
                next_drill,
                last: None,
                marks: BTreeMap::new(),
            }
        })
        .collect();
    let mut board = Board::default();
    let mut now = START;
    let end = START + extent.days * DAY;
    while now < end {
        now += extent.tick_secs;
        let on = |kind: Kind, source: Option<usize>, secs: i64| {
            incidents.iter().find(|it| {
                it.kind == kind && it.is_at(secs) && source.is_none_or(|source| source == it.source)
            })
        };
        if on(Kind::HostSilent, None, now).is_none() {
            let skew = on(Kind::ClockSkew, None, now).map_or(0, |it| it.strength as i64);
            for ago in [240, 120, 0] {
                facts.clock.push(ClockSample {
                    made_secs: now - ago + skew - dice.below(3) as i64,
                    received_secs: now - ago,
                });
            }
            let excess = facts.clock.len().saturating_sub(10);
            facts.clock.drain(..excess);
            (facts.heard_secs, facts.alive) = (Some(now), Some(Alive::default()));
            facts.software =
                Some(if on(Kind::VersionOld, None, now).is_some() { OLD } else { "vow 1.4.2" }.to_owned());
        }
        for (place, state) in states.iter_mut().enumerate() {
            while state.next_run < now {
                let started = state.next_run + dice.below(600) as i64;
                state.next_run += state.source.every_secs;
                let is_down = [Kind::HostSilent, Kind::Missing]
                    .iter()
                    .any(|kind| on(*kind, (*kind == Kind::Missing).then_some(place), started).is_some());
                if is_down {
                    continue;
                }
                let mine: Vec<&Incident> =
                    incidents.iter().filter(|it| it.source == place && it.is_at(started)).collect();
                run(&mut dice, state, &mine, &name, started, &settings, &mut board);
                figures.runs += 1;
            }
            drill(&mut dice, state, place, &incidents, now);
            state.around.host = facts.clone();
            for level in &mut state.around.levels {
                level.asked_secs = Some(now);
            }
            // A run of many hours is still going on; receipts come at its end.
            let mut seen = state.around.clone();
            for level in &mut seen.levels {
                level.newest = level.newest.clone().filter(|held| held.received_secs <= now);
            }
            let is_running = state.last.as_ref().is_some_and(|run| run.received_secs > now);
            if !is_running {
                board.take(&watch_source(&seen, &settings, now), now);
            }
        }
        board.take(&watch_host(&facts, &settings, now), now);
        people(&mut board, &mut states, &incidents, now);
    }
    figures.count(&board, &incidents, &name, end);
}

fn around(host: &HostFacts, source: &Source) -> Around {
    let levels = LEVELS.iter().map(|name| LevelFacts {
        name: (*name).to_owned(),
        vault: None,
        newest: None,
        asked_secs: None,
        away: false,
    });
    Around {
        host: host.clone(),
        source: source.name.clone(),
        since_secs: START,
        usual_gap_secs: None,
        expected: Some(Expected {
            source: source.name.clone(),
            source_type: source.source_type.to_owned(),
            schedule: Some(source.schedule.clone()),
            time_zone: None,
            next_secs: None,
            levels: LEVELS.iter().map(|name| (*name).to_owned()).collect(),
            restore_target_secs: Some(3600),
            drill_within_secs: None,
        }),
        levels: levels.collect(),
        last_run: None,
        proofs: vec![],
        marks: vec![],
    }
}

/// One run: reported, judged, ticketed, remembered.
fn run(
    dice: &mut Dice,
    state: &mut State,
    incidents: &[&Incident],
    host: &str,
    started: i64,
    settings: &Settings,
    board: &mut Board,
) {
    let mut body = state.source.observe(dice, started, state.sequence + 1);
    for incident in incidents {
        incident.spoil(&mut body);
    }
    let received = started + body.duration_secs as i64;
    let report = format!("{host}/{}/{started}", body.source);
    let run = Run { report, tenant: "acme".to_owned(), host: host.to_owned(), received_secs: received, body };
    if run.body.outcome != Outcome::Failed {
        state.sequence += 1;
        for level in &mut state.around.levels {
            let reported = run.body.levels.iter().find(|reported| reported.name == level.name);
            if reported.is_some_and(|reported| reported.received == Some(true)) {
                level.newest = Some(Held {
                    snapshot: run.report.clone(),
                    sequence: state.sequence,
                    received_secs: received,
                });
            }
        }
    }
    let verdict = judge_run(&RunCase::new(&run, &state.history, &state.around, settings, received));
    board.take(&verdict.judged, received);
    state.history.push(&run, verdict.spoke());
    state.around.usual_gap_secs = state.history.usual_gap_secs();
    state.around.last_run = Some(LastRun {
        report: run.report.clone(),
        started_secs: started,
        received_secs: received,
        duration_secs: run.body.duration_secs,
        outcome: run.body.outcome,
        levels: run.body.levels.clone(),
    });
    state.last = Some(run);
}

/// Drills about every two weeks.
fn drill(dice: &mut Dice, state: &mut State, place: usize, incidents: &[Incident], now: i64) {
    let on = |kind| incidents.iter().find(|it| it.kind == kind && it.source == place && it.is_at(now));
    if now < state.next_drill || state.last.is_none() || on(Kind::DrillOverdue).is_some() {
        return;
    }
    state.next_drill = now + 10 * DAY + dice.below(8) as i64 * DAY;
    let verdict = match () {
        () if on(Kind::DrillFailed).is_some() => Drill::Failed,
        () if on(Kind::DrillBroken).is_some() => Drill::Broken,
        () => Drill::Proven,
    };
    let slow = on(Kind::RestoreSlow).map_or(between(dice, 0.05, 0.8), |it| it.strength);
    let body = ProofReport {
        source: state.source.name.clone(),
        source_type: state.source.source_type.to_owned(),
        snapshot: "0".repeat(64),
        received_secs: now,
        level: "remote".to_owned(),
        vault: None,
        recipient: String::new(),
        started_secs: now,
        restore_secs: 3600.0 * slow,
        compare_secs: 10.0,
        verdict,
        compared: 100,
        files: 10,
        files_read: 10,
        bytes: 1000,
        problems: if verdict == Drill::Proven {
            vec![]
        } else {
            vec!["table orders: 3 rows fewer".to_owned()]
        },
        blocked: vec![],
        restore_target_secs: Some(3600),
        drill_within_secs: None,
    };
    state.around.proofs.push(Proof { report: format!("drill/{now}"), received_secs: now, body });
    let excess = state.around.proofs.len().saturating_sub(4);
    state.around.proofs.drain(..excess);
}

/// People look once a day: what has no incident behind it was done on purpose, and is marked as expected.
fn people(board: &mut Board, states: &mut [State], incidents: &[Incident], now: i64) {
    if now % DAY >= 7200 {
        return;
    }
    let open: Vec<Ticket> =
        board.tickets.values().filter(|ticket| ticket.status == Status::Open).cloned().collect();
    for ticket in open {
        let Some(name) = ticket.key.subject.source() else { continue };
        let Some(place) = states.iter().position(|state| state.source.name == name) else { continue };
        let state = &mut states[place];
        let is_incident = incidents
            .iter()
            .any(|it| it.source == place && it.from_secs <= now && now <= it.until_secs + AFTERMATH_SECS);
        let judged = [
            RuleName::Size,
            RuleName::Trees,
            RuleName::Objects,
            RuleName::NewBytes,
            RuleName::Duration,
            RuleName::Changed,
            RuleName::Types,
            RuleName::Entropy,
        ];
        let Some(run) = state.last.clone().filter(|_| !is_incident && judged.contains(&ticket.key.rule))
        else {
            continue;
        };
        state.marks.insert(ticket.key.rule, now);
        state.history.accept(&run, ticket.key.rule);
        state.around.marks.push(Mark {
            rule: ticket.key.rule,
            report: run.report.clone(),
            started_secs: run.body.started_secs,
            by: "kim".to_owned(),
            at_secs: now,
            reason: "deployed on purpose".to_owned(),
        });
        let action = Action::Expect { by: "kim".to_owned(), reason: "deployed on purpose".to_owned() };
        if let Ok(Some(change)) =
            plan_action(&ticket, &action, now, &TicketSettings::default(), &Routes::default())
        {
            board.tickets.insert(change.ticket.key.clone(), change.ticket);
        }
    }
}

/// Incidents of a host, far enough apart to be told from each other. The kinds take turns over the hosts.
fn incidents(dice: &mut Dice, sources: &[Source], number: usize, extent: &Extent) -> Vec<Incident> {
    let mut made: Vec<Incident> = Vec::new();
    let room = (extent.days - FIRST_INCIDENT_DAY - 15) / extent.incidents_per_host as i64;
    let mut turn = number * extent.incidents_per_host;
    for slot in 0..extent.incidents_per_host {
        let day = FIRST_INCIDENT_DAY + slot as i64 * room + dice.below((room / 4).max(1) as usize) as i64;
        let begin = START + day * DAY;
        if made.last().is_some_and(|last| last.until_secs + 20 * DAY > begin) {
            continue;
        }
        let found = (0..OF_HOSTS.len()).find_map(|skip| {
            let kind = OF_HOSTS[(turn + skip) % OF_HOSTS.len()];
            let fits: Vec<usize> = (0..sources.len()).filter(|place| kind.suits(&sources[*place])).collect();
            (!fits.is_empty()).then(|| (skip, kind, fits[dice.below(fits.len())]))
        });
        let Some((skip, kind, place)) = found else { continue };
        turn += skip + 1;
        // It begins just before a run would.
        let from = begin + sources[place].first_secs - 60;
        let incident = Incident::new(dice, kind, place, sources[place].every_secs, from);
        if incident.until_secs + 5 * DAY < START + extent.days * DAY {
            made.push(incident);
        }
    }
    made
}

/// A vault: it grows, sweeps weekly, and once fills up, once is silent.
fn vault(seed: u64, number: usize, extent: &Extent, figures: &mut Figures) {
    let mut dice = Dice::new(seed ^ (number as u64 + 7).wrapping_mul(0xBF58_476D_1CE4_E5B9));
    let total = 40e12;
    let (share, slow) = (between(&mut dice, 0.2, 0.5), between(&mut dice, 0.0, 0.0006));
    let from = START + (35 + dice.below((extent.days - 95) as usize) as i64) * DAY;
    let days = between(&mut dice, 15.0, 45.0);
    let silent_from = START + 5 * DAY + dice.below(20) as i64 * DAY + 3600;
    let incidents = [
        Incident {
            kind: Kind::VaultFilling,
            source: 0,
            from_secs: from,
            until_secs: from + (days * DAY as f64) as i64,
            strength: days,
        },
        Incident {
            kind: Kind::VaultSilent,
            source: 0,
            from_secs: silent_from,
            until_secs: silent_from + 3 * 3600 + dice.below(80_000) as i64,
            strength: 1.0,
        },
    ];
    let mut facts = VaultFacts {
        tenant: String::new(),
        vault: format!("vault-{number}"),
        since_secs: START,
        answered_secs: None,
        error: None,
        set_back: None,
        findings: vec![],
        usage: vec![],
    };
    let (settings, mut board) = (Settings::default(), Board::default());
    let (mut used, mut room) = (share * total, total);
    let end = START + extent.days * DAY;
    let mut now = START;
    while now < end {
        now += 7200;
        if !incidents[1].is_at(now) {
            facts.answered_secs = Some(now);
        }
        if (now - START) % DAY == 0 {
            let day = (now - START) / DAY;
            let filling = incidents[0].is_at(now);
            let left = (1.0 - share) * total;
            used += if filling { left / days } else { slow * total * between(&mut dice, 0.0, 2.0) };
            if day % 7 == 3 {
                used -= slow * total * 2.0;
            }
            // Someone has brought more disks and cleaned up.
            if now >= incidents[0].until_secs && room == total {
                room = total * 2.0;
                used = share * total;
                facts.usage.clear();
            }
            facts.usage.push(Usage {
                at_secs: now,
                used_bytes: used.min(room) as u64,
                total_bytes: room as u64,
            });
        }
        board.take(&watch_vault(&facts, &settings, now), now);
    }
    figures.count(&board, &incidents, &facts.vault, end);
}

impl Figures {
    fn count(&mut self, board: &Board, incidents: &[Incident], name: &str, end: i64) {
        let window =
            |it: &Incident, secs: i64| it.from_secs <= secs && secs <= it.until_secs + AFTERMATH_SECS;
        for incident in incidents {
            let row = self.rows.entry(incident.kind).or_default();
            row.name = words(incident.kind);
            row.planted += 1;
            let found = board.opened.iter().find(|(secs, key, _)| {
                incident.kind.expected().contains(&key.rule) && window(incident, *secs)
            });
            match found {
                Some((secs, ..)) => {
                    row.found += 1;
                    row.delays_secs.push(secs - incident.from_secs);
                }
                None => row.missed.push(incident.strength),
            }
        }
        for (secs, key, sentence) in &board.opened {
            self.tickets += 1;
            if !incidents.iter().any(|it| window(it, *secs)) {
                self.false_tickets += 1;
                *self.false_by_rule.entry(key.rule).or_default() += 1;
                self.false_sentences.push(format!("{name} day {}: {sentence}", (secs - START) / DAY));
            }
        }
        for ticket in board.tickets.values().filter(|ticket| ticket.status == Status::Open) {
            if incidents.iter().all(|it| it.until_secs + 20 * DAY < end) && ticket.since_secs + 3 * DAY < end
            {
                self.left_open += 1;
                self.left.push(format!(
                    "{name}: {} since day {}",
                    ticket.sentence,
                    (ticket.since_secs - START) / DAY
                ));
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.hosts += other.hosts;
        self.days = self.days.max(other.days);
        self.runs += other.runs;
        self.tickets += other.tickets;
        self.false_tickets += other.false_tickets;
        self.left_open += other.left_open;
        self.left.extend(other.left);
        self.false_sentences.extend(other.false_sentences);
        for (rule, count) in other.false_by_rule {
            *self.false_by_rule.entry(rule).or_default() += count;
        }
        for (kind, row) in other.rows {
            let into = self.rows.entry(kind).or_default();
            into.name = row.name;
            into.planted += row.planted;
            into.found += row.found;
            into.delays_secs.extend(row.delays_secs);
            into.missed.extend(row.missed);
        }
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub(super) fn found_share(&self) -> f64 {
        let (planted, found) = self.totals();
        found as f64 / planted.max(1) as f64
    }

    fn totals(&self) -> (usize, usize) {
        (self.rows.values().map(|row| row.planted).sum(), self.rows.values().map(|row| row.found).sum())
    }

    pub(super) fn runs_per_false_ticket(&self) -> f64 {
        self.runs as f64 / self.false_tickets.max(1) as f64
    }

    pub(super) fn summary(&self) -> String {
        let (planted, found) = self.totals();
        format!(
            "{} hosts, {} days, {} runs; {found} of {planted} incidents found ({:.1} %); {} tickets, {} false, one in {:.0} runs",
            self.hosts,
            self.days,
            self.runs,
            self.found_share() * 100.0,
            self.tickets,
            self.false_tickets,
            self.runs_per_false_ticket()
        )
    }

    /// The table of docs/rules.md, and what was wrong.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{}\n\n| incident | planted | found | median time to the ticket |\n|---|---|---|---|\n",
            self.summary()
        );
        for row in self.rows.values() {
            let mut delays = row.delays_secs.clone();
            delays.sort_unstable();
            let delay = delays
                .get(delays.len() / 2)
                .map_or("-".to_owned(), |secs| vow_console::rules::words::span(*secs as f64));
            text += &format!("| {} | {} | {} | {delay} |\n", row.name, row.planted, row.found);
        }
        text += "\n| rule | false tickets |\n|---|---|\n";
        for (rule, count) in &self.false_by_rule {
            text += &format!("| {rule} | {count} |\n");
        }
        for row in self.rows.values().filter(|row| !row.missed.is_empty()) {
            text += &format!("\nmissed {}: strengths {:.2?}", row.name, row.missed);
        }
        for sentence in self.false_sentences.iter().take(40) {
            text += &format!("\nfalse: {sentence}");
        }
        text
    }
}

/// `CreepingRansomware` → `creeping ransomware`.
fn words(kind: Kind) -> String {
    let mut text = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
