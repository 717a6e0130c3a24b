//! The outbox and the courier: nothing is lost, nothing is told twice unless a console died in between, and then under the same id.

use super::outgoing;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use vow_console::notify::channel::DeliverError;
use vow_console::notify::courier::{Deliver, World, round};
use vow_console::notify::health::watch_channels;
use vow_console::notify::outbox::Outbox;
use vow_console::notify::route::{Route, Routes};
use vow_console::records::*;
use vow_console::tickets::memory::MemoryStore;
use vow_console::tickets::{Desk, TicketSettings};

/// A clock that tests move.
#[derive(Default)]
pub(super) struct Clock {
    now: AtomicI64,
    random: AtomicU64,
}

impl Clock {
    pub(super) fn pass(&self, secs: i64) {
        self.now.fetch_add(secs, Ordering::SeqCst);
    }
}

impl World for Clock {
    fn now_secs(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    fn random(&self) -> u64 {
        self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst)
    }
}

/// A receiver that does what a test says, and remembers what it took.
pub(super) struct Fake<F> {
    pub(super) name: &'static str,
    pub(super) taken: Mutex<Vec<String>>,
    pub(super) answer: F,
}

impl<F: Fn(&Outgoing) -> Result<Delivery, DeliverError> + Send + Sync> Deliver for Fake<F> {
    fn name(&self) -> &str {
        self.name
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let result = (self.answer)(outgoing);
        if result.is_ok() {
            self.taken.lock().unwrap().push(outgoing.id.clone());
        }
        result
    }
}

pub(super) fn fake<F: Fn(&Outgoing) -> Result<Delivery, DeliverError> + Send + Sync>(
    name: &'static str,
    answer: F,
) -> Fake<F> {
    Fake { name, taken: Mutex::default(), answer }
}

pub(super) fn yes() -> Result<Delivery, DeliverError> {
    Ok(Delivery { receipt: None, confirmed: true })
}

fn down() -> Result<Delivery, DeliverError> {
    Err(DeliverError::Later { error: "the receiver answered 500".to_owned(), after_secs: None })
}

fn problem(host: &str) -> Problem {
    Problem {
        key: Key {
            tenant: "acme".to_owned(),
            rule: RuleName::Failed,
            subject: Subject::Source { host: host.to_owned(), source: "orders".to_owned() },
        },
        severity: Severity::Warning,
        sentence: "orders failed.".to_owned(),
        next_step: "Look.".to_owned(),
        evidence: vec![],
        reports: vec![],
    }
}

fn judged(host: &str, is_bad: bool) -> Judged {
    let problem = problem(host);
    Judged {
        tenant: "acme".to_owned(),
        subject: problem.key.subject.clone(),
        rules: vec![RuleName::Failed],
        problems: if is_bad { vec![problem] } else { vec![] },
    }
}

fn routes(channels: &[&str]) -> Routes {
    Routes { routes: channels.iter().map(|channel| Route::all(channel)).collect(), web_address: None }
}

#[tokio::test]
async fn a_receiver_that_is_down_for_a_day_gets_everything_in_order_and_the_others_hear_of_it() {
    let (store, settings, routes, clock) =
        (MemoryStore::default(), TicketSettings::default(), routes(&["mail", "hook"]), Clock::default());
    let desk = Desk { store: &store, settings: &settings, routes: &routes };
    let up_at = 86_400;
    let mail = fake("mail", |_: &Outgoing| if clock.now_secs() < up_at { down() } else { yes() });
    let hook = fake("hook", |_: &Outgoing| yes());
    let names = ["mail", "hook"].map(str::to_owned);
    let mut attempts = 0;
    while clock.now_secs() < up_at + 3600 {
        // A source fails and recovers every four hours.
        let hour = clock.now_secs() / 3600;
        if clock.now_secs() % 3600 == 0 && clock.now_secs() < up_at && hour % 2 == 0 {
            desk.take(&judged(&format!("host-{}", hour / 8), hour % 4 == 0), clock.now_secs()).await.unwrap();
        }
        attempts += round(&store, &mail, &clock).await.unwrap().later;
        while round(&store, &hook, &clock).await.unwrap().delivered > 0 {}
        for judged in watch_channels(&store.backlog().await.unwrap(), &names, clock.now_secs()) {
            desk.take(&judged, clock.now_secs()).await.unwrap();
        }
        clock.pass(60);
    }
    let of = |channel: &str| -> Vec<String> {
        store.outgoing().into_iter().filter(|one| one.channel == channel).map(|one| one.id).collect()
    };
    let (mut taken, mut put) = (mail.taken.lock().unwrap().clone(), of("mail"));
    assert!(put.len() >= 10, "{put:?}");
    for ticket in store.tickets() {
        let order: Vec<_> = taken.iter().filter(|id| id.starts_with(&ticket.id)).cloned().collect();
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(order, sorted, "over is never told before open");
    }
    taken.sort();
    put.sort();
    assert_eq!(taken, put, "all of it, each once");
    assert!(attempts < 1200, "pauses grow: {attempts} attempts");
    let alarm: Vec<_> =
        store.outgoing().into_iter().filter(|one| one.message.key.rule == RuleName::ChannelDown).collect();
    assert!(alarm.iter().all(|one| one.channel == "hook"), "a channel does not tell of its own failure");
    assert!(alarm.first().unwrap().message.sentence.contains("Channel mail has delivered nothing for"));
    assert!(alarm.last().unwrap().message.is_over());
}

#[tokio::test]
async fn two_consoles_deliver_each_message_once_and_a_dead_one_is_replaced() {
    let (store, settings, routes, clock) =
        (MemoryStore::default(), TicketSettings::default(), routes(&["mail"]), Clock::default());
    let desk = Desk { store: &store, settings: &settings, routes: &routes };
    for host in 0..40 {
        desk.take(&judged(&format!("host-{host}"), true), 0).await.unwrap();
    }
    let mail = fake("mail", |_: &Outgoing| yes());
    // One that claims and dies.
    assert_eq!(store.claim("mail", "dead", 0, 600, 3).await.unwrap().len(), 3);
    for _ in 0..10 {
        let (one, other) = tokio::join!(round(&store, &mail, &clock), round(&store, &mail, &clock));
        one.and(other).unwrap();
    }
    assert_eq!(mail.taken.lock().unwrap().len(), 37);
    clock.pass(601);
    round(&store, &mail, &clock).await.unwrap();
    let mut taken = mail.taken.lock().unwrap().clone();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 40);
    // The dead one was only slow, and now says that it failed: too late.
    let late = vow_console::notify::outbox::Settled { state: State::Waiting, due_secs: 0, error: None };
    assert!(!store.settle(&taken[0], "dead", &late).await.unwrap());
    assert!(store.outgoing().iter().all(|one| matches!(one.state, State::Delivered { .. })));
}

#[tokio::test]
async fn what_a_receiver_refuses_is_put_aside_after_a_day_and_holds_up_only_its_ticket() {
    let (store, settings, routes, clock) =
        (MemoryStore::default(), TicketSettings::default(), routes(&["mail"]), Clock::default());
    let desk = Desk { store: &store, settings: &settings, routes: &routes };
    for host in ["bad", "good"] {
        desk.take(&judged(host, true), 0).await.unwrap();
    }
    let mail = fake("mail", |one: &Outgoing| match one.message.key.subject.host() {
        Some("bad") => Err(DeliverError::Refused { error: "the receiver answered 400: too long".to_owned() }),
        _ => yes(),
    });
    let mut refused = 0;
    for _ in 0..26 * 60 {
        refused += round(&store, &mail, &clock).await.unwrap().refused;
        clock.pass(60);
    }
    assert_eq!((refused, mail.taken.lock().unwrap().len()), (1, 1));
    let backlog = store.backlog().await.unwrap();
    assert_eq!(backlog[0].refused, Some((1, "the receiver answered 400: too long".to_owned())));
    assert!(
        watch_channels(&backlog, &["mail".to_owned()], clock.now_secs())[0].problems[0]
            .sentence
            .contains("refused 1 message for good")
    );
    // Taken out of the settings: nobody is to be told of it any more.
    let judged = watch_channels(&backlog, &[], clock.now_secs());
    assert!(judged[0].problems.is_empty() && !judged[0].rules.is_empty());
}

/// What happens to a message in one attempt.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Delivered,
    Down,
    /// The receiver has it, the console dies before it notes that.
    DeliveredThenDied,
    /// The console dies before it sends.
    Died,
}

proptest! {
    #[test]
    fn whatever_fails_nothing_is_lost_and_repeats_have_the_same_id(
        fates in proptest::collection::vec(prop_oneof![
            Just(Fate::Delivered), Just(Fate::Down), Just(Fate::DeliveredThenDied), Just(Fate::Died)], 0..60),
        hosts in 1..6usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (store, settings, routes, clock) = (MemoryStore::default(), TicketSettings::default(), routes(&["mail"]), Clock::default());
            let desk = Desk { store: &store, settings: &settings, routes: &routes };
            for host in 0..hosts {
                desk.take(&judged(&host.to_string(), true), 0).await.unwrap();
                desk.take(&judged(&host.to_string(), false), 1).await.unwrap();
            }
            let mut received: BTreeMap<String, usize> = BTreeMap::new();
            let mut deaths = 0;
            for fate in fates {
                clock.pass(30);
                match fate {
                    Fate::Delivered | Fate::Down => {
                        let mail = fake("mail", |_: &Outgoing| if matches!(fate, Fate::Down) { down() } else { yes() });
                        round(&store, &mail, &clock).await.unwrap();
                        for id in mail.taken.lock().unwrap().iter() {
                            *received.entry(id.clone()).or_default() += 1;
                        }
                    }
                    Fate::DeliveredThenDied | Fate::Died => {
                        let now = clock.now_secs();
                        for claimed in store.claim("mail", &format!("dead-{now}"), now, now + 600, 2).await.unwrap() {
                            if matches!(fate, Fate::DeliveredThenDied) {
                                *received.entry(claimed.id).or_default() += 1;
                                deaths += 1;
                            }
                        }
                    }
                }
            }
            let mail = fake("mail", |_: &Outgoing| yes());
            for _ in 0..40 {
                clock.pass(600);
                round(&store, &mail, &clock).await.unwrap();
            }
            for id in mail.taken.lock().unwrap().iter() {
                *received.entry(id.clone()).or_default() += 1;
            }
            assert_eq!(received.len(), 2 * hosts, "nothing is lost");
            let twice: usize = received.values().map(|times| times - 1).sum();
            assert!(twice <= deaths, "{twice} repeats after {deaths} deaths");
        });
    }
}

#[test]
fn messages_stand_by_themselves() {
    let message = outgoing("aaaa", 1, NoticeKind::Opened);
    let stored = serde_json::to_string(&message).unwrap();
    assert_eq!(serde_json::from_str::<Outgoing>(&stored).unwrap(), message);
}
