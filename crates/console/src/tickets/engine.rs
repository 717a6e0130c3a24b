//! The engine: (ticket, what happens) → (ticket, what has to be told). Pure.

use super::settings::{TicketSettings, raised};
use crate::records::{Action, Notice, NoticeKind, Problem, Status, Ticket, TicketEvent};
use sha2::{Digest, Sha256};

/// Reports that a ticket names: the first, and the newest.
const REPORTS_MAX: usize = 20;
/// Text of people is at most so long.
const TEXT_MAX: usize = 10_000;

/// What a step made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The ticket; another one than before when the problem came back after long.
    pub ticket: Ticket,
    /// What to write into its history.
    pub event: Option<TicketEvent>,
    /// What has to be told.
    pub notices: Vec<Notice>,
}

/// Why something cannot be done to a ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It is closed already.
    #[error("ticket {0} is closed; it opens by itself when the problem is seen again")]
    Closed(String),
    /// A snooze into the past.
    #[error("a snooze must end in the future")]
    SnoozeEnded,
    /// Too much text, or none.
    #[error("a text must have from 1 to {TEXT_MAX} characters")]
    Text,
}

/// Takes one step. `None` when nothing changes.
///
/// Without a ticket only a problem that is seen does anything: it opens one.
pub fn step(
    ticket: Option<&Ticket>,
    action: &Action,
    now_secs: i64,
    settings: &TicketSettings,
) -> Result<Option<Step>, StepError> {
    let Some(old) = ticket else {
        return Ok(match action {
            Action::Seen { problem } => Some(open_new(problem, action, now_secs)),
            _ => None,
        });
    };
    let mut change =
        Making { ticket: old.clone(), notices: vec![], telling: true, tell_event: true, now_secs };
    let changed = match action {
        Action::Seen { problem } => {
            let gone_secs = old.closed_secs.map(|closed| now_secs - closed);
            if old.status == Status::Closed && gone_secs.is_some_and(|gone| gone > settings.reopen_secs) {
                return Ok(Some(open_new(problem, action, now_secs)));
            }
            seen(&mut change, problem, settings)
        }
        Action::Healed => old.status == Status::Open && healed(&mut change, settings),
        Action::Tick => tick(&mut change, settings),
        action => {
            by_person(&mut change, action)?;
            true
        }
    };
    if !changed {
        return Ok(None);
    }
    Ok(Some(change.finish(action)))
}

/// A ticket while it changes.
struct Making {
    ticket: Ticket,
    notices: Vec<Notice>,
    /// Whether notices are wanted now.
    telling: bool,
    /// Whether the history names this step.
    tell_event: bool,
    now_secs: i64,
}

impl Making {
    fn tell(&mut self, kind: NoticeKind) {
        if !self.telling {
            return;
        }
        self.ticket.notices += 1;
        self.ticket.told_open = kind != NoticeKind::Closed;
        self.notices.push(Notice { ticket: self.ticket.id.clone(), number: self.ticket.notices, kind });
    }

    fn is_snoozed(&self) -> bool {
        self.ticket.snoozed_until_secs.is_some_and(|until| until > self.now_secs)
    }

    fn finish(mut self, action: &Action) -> Step {
        self.ticket.revision += 1;
        let event = self.tell_event.then(|| TicketEvent {
            ticket: self.ticket.id.clone(),
            revision: self.ticket.revision,
            at_secs: self.now_secs,
            action: action.clone(),
        });
        Step { ticket: self.ticket, event, notices: self.notices }
    }
}

fn open_new(problem: &Problem, action: &Action, now_secs: i64) -> Step {
    let ticket = Ticket {
        id: id(problem, now_secs),
        revision: 0,
        key: problem.key.clone(),
        status: Status::Open,
        severity: problem.severity,
        judged: problem.severity,
        sentence: problem.sentence.clone(),
        next_step: problem.next_step.clone(),
        evidence: problem.evidence.clone(),
        reports: vec![],
        opened_secs: now_secs,
        since_secs: now_secs,
        seen_secs: now_secs,
        seen: 1,
        closed_secs: None,
        owner: None,
        acknowledged_by: None,
        snoozed_until_secs: None,
        escalation: 0,
        turns_secs: vec![now_secs],
        flapping: false,
        notices: 0,
        told_open: false,
        told: Default::default(),
    };
    let mut change = Making { ticket, notices: vec![], telling: true, tell_event: true, now_secs };
    add_reports(&mut change.ticket, problem);
    change.tell(NoticeKind::Opened);
    change.finish(action)
}

/// Ten hexadecimal digits: two consoles that open the same ticket at the same time make the same.
fn id(problem: &Problem, now_secs: i64) -> String {
    let digest = Sha256::digest(format!("{}\n{now_secs}", problem.key));
    digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

fn seen(change: &mut Making, problem: &Problem, settings: &TicketSettings) -> bool {
    let was = change.ticket.clone();
    let now_secs = change.now_secs;
    let ticket = &mut change.ticket;
    ticket.judged = problem.severity;
    ticket.sentence.clone_from(&problem.sentence);
    ticket.next_step.clone_from(&problem.next_step);
    ticket.evidence.clone_from(&problem.evidence);
    ticket.seen_secs = now_secs;
    ticket.seen += 1;
    add_reports(ticket, problem);
    if was.status == Status::Closed {
        ticket.status = Status::Open;
        ticket.severity = problem.severity;
        ticket.since_secs = now_secs;
        ticket.closed_secs = None;
        ticket.acknowledged_by = None;
        ticket.escalation = 0;
        turned(change, settings, NoticeKind::Reopened);
        return true;
    }
    ticket.severity = raised(problem.severity, ticket.escalation);
    if ticket.severity > was.severity {
        // What becomes worse is news, whoever wanted to sleep.
        ticket.snoozed_until_secs = None;
        change.tell(NoticeKind::Worse);
        return true;
    }
    let news = change.ticket.judged != was.judged || change.ticket.reports != was.reports;
    change.tell_event = change.ticket.severity != was.severity;
    news || now_secs - was.seen_secs >= settings.again_secs
}

fn healed(change: &mut Making, settings: &TicketSettings) -> bool {
    close(change);
    turned(change, settings, NoticeKind::Closed);
    true
}

fn close(change: &mut Making) {
    change.ticket.status = Status::Closed;
    change.ticket.closed_secs = Some(change.now_secs);
}

/// A ticket has opened again or closed by itself: tells so, unless it does that all the time.
fn turned(change: &mut Making, settings: &TicketSettings, kind: NoticeKind) {
    let now_secs = change.now_secs;
    let ticket = &mut change.ticket;
    ticket.turns_secs.retain(|turn| now_secs - turn < settings.flap_secs);
    ticket.turns_secs.push(now_secs);
    if ticket.flapping {
        return;
    }
    if ticket.turns_secs.len() >= settings.flap_turns {
        ticket.flapping = true;
        change.tell(NoticeKind::Flapping);
        return;
    }
    let is_news = match kind {
        NoticeKind::Closed => change.ticket.told_open,
        // Who has snoozed it is told when the snooze ends.
        _ => !change.is_snoozed(),
    };
    if is_news {
        change.tell(kind);
    }
}

fn tick(change: &mut Making, settings: &TicketSettings) -> bool {
    let now_secs = change.now_secs;
    let is_open = change.ticket.status == Status::Open;
    let mut changed = false;
    let last_turn = change.ticket.turns_secs.last().copied().unwrap_or(i64::MIN);
    if change.ticket.flapping && now_secs.saturating_sub(last_turn) >= settings.flap_quiet_secs {
        change.ticket.flapping = false;
        change.ticket.turns_secs.clear();
        changed = true;
        match (is_open, change.ticket.told_open) {
            (false, true) => change.tell(NoticeKind::Closed),
            (true, _) if !change.is_snoozed() => change.tell(NoticeKind::Reopened),
            _ => {}
        }
    }
    if change.ticket.snoozed_until_secs.is_some_and(|until| until <= now_secs) {
        change.ticket.snoozed_until_secs = None;
        changed = true;
        if is_open && change.notices.is_empty() {
            change.tell(NoticeKind::Reminder);
        }
    }
    let waits =
        is_open && change.ticket.acknowledged_by.is_none() && !change.is_snoozed() && !change.ticket.flapping;
    let steps = settings.steps_due(change.ticket.judged, now_secs - change.ticket.since_secs);
    if waits && steps > change.ticket.escalation {
        change.ticket.escalation = steps;
        change.ticket.severity = raised(change.ticket.judged, steps);
        changed = true;
        if change.notices.is_empty() {
            change.tell(NoticeKind::Escalated);
        }
    }
    changed
}

fn by_person(change: &mut Making, action: &Action) -> Result<(), StepError> {
    let now_secs = change.now_secs;
    let is_open = change.ticket.status == Status::Open;
    let closed = || StepError::Closed(change.ticket.id.clone());
    match action {
        Action::Acknowledge { .. } | Action::Snooze { .. } | Action::Close { .. } | Action::Expect { .. }
            if !is_open =>
        {
            return Err(closed());
        }
        Action::Acknowledge { by } => change.ticket.acknowledged_by = Some(by.clone()),
        Action::Assign { owner, .. } => change.ticket.owner.clone_from(owner),
        Action::Comment { text, .. } => check(text)?,
        Action::Snooze { until_secs, .. } => {
            if *until_secs <= now_secs {
                return Err(StepError::SnoozeEnded);
            }
            change.ticket.snoozed_until_secs = Some(*until_secs);
        }
        Action::Close { reason, .. } | Action::Expect { reason, .. } => {
            check(reason)?;
            close(change);
            // A person has decided: nothing of the flapping before says anything about what comes.
            change.ticket.flapping = false;
            change.ticket.turns_secs.clear();
            if change.ticket.told_open {
                change.tell(NoticeKind::Closed);
            }
        }
        Action::Seen { .. } | Action::Healed | Action::Tick => {}
    }
    Ok(())
}

fn check(text: &str) -> Result<(), StepError> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > TEXT_MAX { Err(StepError::Text) } else { Ok(()) }
}

fn add_reports(ticket: &mut Ticket, problem: &Problem) {
    for report in &problem.reports {
        if !ticket.reports.contains(report) {
            ticket.reports.push(report.clone());
        }
    }
    while ticket.reports.len() > REPORTS_MAX {
        ticket.reports.remove(1);
    }
}
