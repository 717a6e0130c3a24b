//! The engine against a naive model, and its stories one by one.

use super::memory::MemoryStore;
use super::*;
use crate::notify::route::{Route, Routes};
use crate::records::*;
use proptest::prelude::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn problem(severity: Severity) -> Problem {
    let subject = Subject::Source { host: "web-1".into(), source: "orders".into() };
    Problem {
        key: Key { tenant: "acme".into(), rule: RuleName::Size, subject },
        severity,
        sentence: "orders was 12.3 MB, usually 118 to 124 MB.".into(),
        next_step: "Look what is gone.".into(),
        evidence: vec![],
        reports: vec!["r1".into()],
    }
}

fn seen(severity: Severity) -> Action {
    Action::Seen { problem: problem(severity) }
}

/// A ticket, and everything that was told.
#[derive(Default)]
struct Story {
    ticket: Option<Ticket>,
    told: Vec<(i64, NoticeKind)>,
}

impl Story {
    fn at(&mut self, now: i64, action: Action) -> Vec<NoticeKind> {
        let made = step(self.ticket.as_ref(), &action, now, &TicketSettings::default());
        let Ok(Some(made)) = made else { return vec![] };
        self.ticket = Some(made.ticket);
        let kinds: Vec<_> = made.notices.iter().map(|notice| notice.kind).collect();
        self.told.extend(kinds.iter().map(|kind| (now, *kind)));
        kinds
    }

    fn ticket(&self) -> &Ticket {
        self.ticket.as_ref().expect("a ticket")
    }
}

#[test]
fn one_problem_is_one_ticket_told_when_it_opens_and_when_it_is_over() {
    let mut story = Story::default();
    assert_eq!(story.at(0, seen(Severity::Warning)), [NoticeKind::Opened]);
    let id = story.ticket().id.clone();
    for hour in 1..20 {
        assert!(story.at(hour * HOUR, seen(Severity::Warning)).is_empty());
    }
    assert_eq!((story.ticket().seen, story.ticket().notices), (20, 1));
    assert_eq!(story.at(20 * HOUR, Action::Healed), [NoticeKind::Closed]);
    assert_eq!(story.at(3 * DAY, seen(Severity::Warning)), [NoticeKind::Reopened]);
    assert_eq!(story.ticket().id, id);
    story.at(4 * DAY, Action::Healed);
    assert_eq!(story.at(30 * DAY, seen(Severity::Warning)), [NoticeKind::Opened]);
    assert_ne!(story.ticket().id, id, "after long it is another one");
}

#[test]
fn what_nobody_takes_escalates_and_what_is_taken_does_not() {
    let mut story = Story::default();
    story.at(0, seen(Severity::Warning));
    assert!(story.at(DAY - 1, Action::Tick).is_empty());
    assert_eq!(story.at(DAY, Action::Tick), [NoticeKind::Escalated]);
    assert_eq!(story.ticket().severity, Severity::Critical);
    assert!(story.at(DAY + 1, seen(Severity::Warning)).is_empty(), "seen again it stays raised");
    assert_eq!(story.ticket().severity, Severity::Critical);
    story.at(DAY + 2, Action::Acknowledge { by: "kim".into() });
    assert!(story.at(30 * DAY, Action::Tick).is_empty());
    assert_eq!(story.at(31 * DAY, Action::Healed), [NoticeKind::Closed]);
    let mut notice = Story::default();
    notice.at(0, seen(Severity::Notice));
    notice.at(100 * DAY, Action::Tick);
    assert_eq!(notice.ticket().severity, Severity::Warning, "a mere notice never wakes anybody");
}

#[test]
fn a_snooze_is_quiet_until_it_ends_or_things_become_worse() {
    let mut story = Story::default();
    story.at(0, seen(Severity::Warning));
    story.at(1, Action::Snooze { by: "kim".into(), until_secs: 5 * DAY });
    assert!(story.at(3 * DAY, Action::Tick).is_empty());
    assert_eq!(story.at(5 * DAY, Action::Tick), [NoticeKind::Reminder]);
    story.at(5 * DAY + 1, Action::Snooze { by: "kim".into(), until_secs: 9 * DAY });
    let mut fresh = Story::default();
    fresh.at(0, seen(Severity::Warning));
    fresh.at(1, Action::Snooze { by: "kim".into(), until_secs: 9 * DAY });
    assert_eq!(fresh.at(2, seen(Severity::Critical)), [NoticeKind::Worse]);
    assert_eq!(fresh.ticket().snoozed_until_secs, None);
    let past = step(
        fresh.ticket.as_ref(),
        &Action::Snooze { by: "kim".into(), until_secs: 1 },
        10,
        &TicketSettings::default(),
    );
    assert_eq!(past, Err(StepError::SnoozeEnded));
}

#[test]
fn flapping_is_told_once_and_the_end_is_told_when_it_is_quiet() {
    let mut story = Story::default();
    let mut now = 0;
    for _ in 0..10 {
        story.at(now, seen(Severity::Warning));
        story.at(now + 600, Action::Healed);
        now += HOUR;
    }
    let kinds: Vec<_> = story.told.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == NoticeKind::Flapping).count(), 1);
    assert_eq!(kinds.last(), Some(&NoticeKind::Flapping));
    assert!(kinds.len() <= 5, "{kinds:?}");
    assert_eq!(story.at(now + 7 * HOUR, Action::Tick), [NoticeKind::Closed]);
    assert!(!story.ticket().flapping);
}

#[test]
fn people_close_comment_and_hand_over_and_nobody_acts_on_what_is_closed() {
    let settings = TicketSettings::default();
    let mut story = Story::default();
    story.at(0, seen(Severity::Warning));
    story.at(1, Action::Assign { by: "kim".into(), owner: Some("sam".into()) });
    story.at(2, Action::Comment { by: "sam".into(), text: "the disk was full".into() });
    assert_eq!(story.ticket().owner.as_deref(), Some("sam"));
    assert_eq!(
        story.at(3, Action::Close { by: "sam".into(), reason: "bought a disk".into() }),
        [NoticeKind::Closed]
    );
    let again = step(story.ticket.as_ref(), &Action::Acknowledge { by: "kim".into() }, 4, &settings);
    assert!(matches!(again, Err(StepError::Closed(_))));
    let empty =
        step(story.ticket.as_ref(), &Action::Comment { by: "kim".into(), text: " ".into() }, 4, &settings);
    assert_eq!(empty, Err(StepError::Text));
    assert_eq!(story.at(5, seen(Severity::Warning)), [NoticeKind::Reopened], "it was not mended");
    assert_eq!(story.ticket().owner.as_deref(), Some("sam"));
}

#[test]
fn reports_are_the_first_and_the_newest() {
    let mut story = Story::default();
    for number in 0..50 {
        let mut problem = problem(Severity::Warning);
        problem.reports = vec![format!("r{number}")];
        story.at(number * 60, Action::Seen { problem });
    }
    let reports = &story.ticket().reports;
    assert_eq!((reports.len(), reports[0].as_str(), reports[19].as_str()), (20, "r0", "r49"));
}

/// What a naive reader of the whole log would say.
#[derive(Default)]
struct Naive {
    open: bool,
    since: i64,
    closed: i64,
    owner: Option<String>,
    taken: bool,
}

impl Naive {
    fn read(log: &[(i64, Action)]) -> Self {
        let mut naive = Self::default();
        let mut is_new = true;
        for (now, action) in log {
            match action {
                Action::Seen { .. } if !naive.open => {
                    if is_new || now - naive.closed > TicketSettings::default().reopen_secs {
                        naive.owner = None;
                    }
                    (naive.open, naive.since, naive.taken, is_new) = (true, *now, false, false);
                }
                Action::Healed | Action::Close { .. } | Action::Expect { .. } if naive.open => {
                    (naive.open, naive.closed) = (false, *now);
                }
                Action::Acknowledge { .. } if naive.open => naive.taken = true,
                Action::Assign { owner, .. } if !is_new => naive.owner.clone_from(owner),
                _ => {}
            }
        }
        naive
    }
}

fn actions() -> impl Strategy<Value = Vec<(i64, Action)>> {
    let by = || "kim".to_owned();
    let action = prop_oneof![
        4 => (0..3usize).prop_map(|n| seen([Severity::Notice, Severity::Warning, Severity::Critical][n])),
        4 => Just(Action::Healed),
        4 => Just(Action::Tick),
        1 => Just(Action::Acknowledge { by: by() }),
        1 => Just(Action::Assign { by: by(), owner: Some("sam".into()) }),
        1 => Just(Action::Comment { by: by(), text: "x".into() }),
        1 => (1..40i64).prop_map(move |hours| Action::Snooze { by: "kim".into(), until_secs: hours * HOUR }),
        1 => Just(Action::Close { by: by(), reason: "x".into() }),
        1 => Just(Action::Expect { by: by(), reason: "x".into() }),
    ];
    let pause = prop_oneof![8 => 1..2 * HOUR, 2 => 2 * HOUR..40 * HOUR, 1 => 5 * DAY..20 * DAY];
    proptest::collection::vec((pause, action), 1..80).prop_map(|steps| {
        let mut now = 0;
        let at = |(pause, action): (i64, Action)| {
            now += pause;
            let action = match action {
                Action::Snooze { by, until_secs } => Action::Snooze { by, until_secs: now + until_secs },
                other => other,
            };
            (now, action)
        };
        steps.into_iter().map(at).collect()
    })
}

proptest! {
    #[test]
    fn the_engine_agrees_with_a_naive_reader_of_the_log(log in actions()) {
        let mut story = Story::default();
        let mut ids = vec![];
        for (place, (now, action)) in log.iter().enumerate() {
            let before = story.ticket.clone();
            let kinds = story.at(*now, action.clone());
            prop_assert!(kinds.len() <= 1, "one step says one thing");
            let naive = Naive::read(&log[..=place]);
            let Some(ticket) = &story.ticket else {
                prop_assert!(!naive.open);
                continue;
            };
            prop_assert_eq!(ticket.status == Status::Open, naive.open);
            if naive.open {
                prop_assert_eq!(ticket.since_secs, naive.since);
                prop_assert_eq!(ticket.acknowledged_by.is_some(), naive.taken);
            }
            prop_assert_eq!(&ticket.owner, &naive.owner);
            // Nothing happens to severity by itself.
            prop_assert!(ticket.severity >= ticket.judged);
            match before {
                Some(before) if before.id == ticket.id => {
                    prop_assert!(ticket.revision == before.revision || ticket.revision == before.revision + 1);
                    prop_assert!(kinds.is_empty() || ticket.revision > before.revision);
                    prop_assert_eq!(ticket.notices, before.notices + kinds.len() as u64);
                    let quiet = before.snoozed_until_secs.is_some_and(|until| until > *now) && before.status == Status::Open;
                    let loud = kinds.iter().any(|kind| matches!(kind, NoticeKind::Escalated | NoticeKind::Reminder | NoticeKind::Reopened));
                    prop_assert!(!(quiet && loud), "told {:?} within a snooze", kinds);
                    let taken = before.acknowledged_by.is_some() && before.status == Status::Open;
                    prop_assert!(!(taken && kinds.contains(&NoticeKind::Escalated)));
                }
                _ => {
                    prop_assert_eq!(&kinds, &[NoticeKind::Opened]);
                    prop_assert!(!ids.contains(&ticket.id));
                    ids.push(ticket.id.clone());
                }
            }
            // Over is only told of what was told to be open.
            let mut open = false;
            for (_, kind) in &story.told {
                prop_assert!(*kind != NoticeKind::Closed || open);
                open = *kind != NoticeKind::Closed;
            }
        }
        // When everything has been quiet for long, what was told is what is.
        let Some(last) = story.ticket.clone() else { return Ok(()) };
        let mut now = log.last().map_or(0, |(now, _)| *now).max(last.snoozed_until_secs.unwrap_or(0));
        for _ in 0..3 {
            now += DAY;
            story.at(now, Action::Tick);
        }
        prop_assert_eq!(story.ticket().told_open, story.ticket().status == Status::Open);
    }
}

fn judged(problems: Vec<Problem>) -> Judged {
    let subject = Subject::Source { host: "web-1".into(), source: "orders".into() };
    Judged { tenant: "acme".into(), subject, rules: vec![RuleName::Size, RuleName::Failed], problems }
}

fn routes() -> Routes {
    let duty = Route { least: Severity::Critical, ..Route::all("duty") };
    let other = Route { tenants: vec!["umbrella".into()], ..Route::all("other") };
    let deaf = Route { except: vec![RuleName::Size, RuleName::Failed], ..Route::all("deaf") };
    Routes {
        routes: vec![Route::all("mail"), duty, other, deaf],
        web_address: Some("https://console.example.net/".into()),
    }
}

#[tokio::test]
async fn the_desk_tells_each_channel_what_it_wants_and_the_end_to_those_who_heard_of_it() {
    let (store, settings, routes) = (MemoryStore::default(), TicketSettings::default(), routes());
    let desk = Desk { store: &store, settings: &settings, routes: &routes };
    let sent = || store.outgoing().into_iter().map(|one| (one.channel, one.message.kind)).collect::<Vec<_>>();
    desk.take(&judged(vec![problem(Severity::Warning)]), 0).await.expect("taken");
    assert_eq!(sent(), [("mail".to_owned(), NoticeKind::Opened)]);
    assert!(
        desk.take(&judged(vec![problem(Severity::Warning)]), 0).await.expect("taken").is_empty(),
        "twice is once"
    );
    desk.take(&judged(vec![problem(Severity::Critical)]), 10).await.expect("taken");
    desk.take(&judged(vec![]), 20).await.expect("taken");
    let rest: Vec<_> = sent().split_off(1);
    let said = |channel: &str, kind| rest.iter().filter(|one| **one == (channel.to_owned(), kind)).count();
    assert_eq!(rest.len(), 4, "{rest:?}");
    for channel in ["duty", "mail"] {
        assert_eq!((said(channel, NoticeKind::Worse), said(channel, NoticeKind::Closed)), (1, 1), "{rest:?}");
    }
    let url = store.outgoing()[0].message.url.clone().unwrap_or_default();
    assert_eq!(url, format!("https://console.example.net/tickets/{}", store.tickets()[0].id));
}

#[tokio::test]
async fn a_rule_that_could_not_judge_closes_nothing() {
    let (store, settings, routes) = (MemoryStore::default(), TicketSettings::default(), Routes::default());
    let desk = Desk { store: &store, settings: &settings, routes: &routes };
    desk.take(&judged(vec![problem(Severity::Warning)]), 0).await.expect("taken");
    let silent = Judged { rules: vec![RuleName::Failed], ..judged(vec![]) };
    assert!(desk.take(&silent, 10).await.expect("taken").is_empty());
    let other = Judged { tenant: "umbrella".into(), ..judged(vec![]) };
    assert!(desk.take(&other, 10).await.expect("taken").is_empty());
    assert_eq!(store.tickets()[0].status, Status::Open);
}

#[tokio::test]
async fn many_at_once_make_one_ticket_and_lose_no_comment() {
    let (store, settings, routes) = (MemoryStore::default(), TicketSettings::default(), routes());
    let desk = Desk { store: &store, settings: &settings, routes: &routes };
    let taken = judged(vec![problem(Severity::Warning)]);
    tokio::try_join!(desk.take(&taken, 0), desk.take(&taken, 0), desk.take(&taken, 1)).expect("taken");
    assert_eq!((store.tickets().len(), store.outgoing().len()), (1, 1));
    let id = store.tickets()[0].id.clone();
    let comment = |text: &str| Action::Comment { by: "kim".into(), text: text.into() };
    let (a, b) = (comment("a"), comment("b"));
    tokio::try_join!(desk.act(&id, &a, 2), desk.act(&id, &b, 2)).expect("both");
    let comments =
        store.events().iter().filter(|event| matches!(event.action, Action::Comment { .. })).count();
    assert_eq!(comments, 2);
    assert_eq!(desk.act("nosuch", &a, 2).await, Err(DeskError::Absent("nosuch".into())));
}
