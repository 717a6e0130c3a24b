//! The daily test of the alarm path, through the real ticket engine, outbox and courier.

use super::courier::{Clock, Fake, fake, yes};
use std::collections::BTreeMap;
use vow_console::notify::channel::DeliverError;
use vow_console::notify::courier::{World, round};
use vow_console::notify::outbox::Outbox;
use vow_console::notify::route::{Route, Routes};
use vow_console::notify::self_test::{Next, SelfTest, SelfTestSettings, is_trusted, next};
use vow_console::records::*;
use vow_console::tickets::memory::MemoryStore;
use vow_console::tickets::{Desk, TicketSettings};

type Answer = fn(&Outgoing) -> Result<Delivery, DeliverError>;

fn well(_: &Outgoing) -> Result<Delivery, DeliverError> {
    yes()
}

/// Mail is down.
fn without_mail(one: &Outgoing) -> Result<Delivery, DeliverError> {
    if one.channel != "mail" {
        return yes();
    }
    Err(DeliverError::Later { error: "connection refused".to_owned(), after_secs: None })
}

fn receivers(answer: Answer) -> [Fake<Answer>; 2] {
    [fake("mail", answer), fake("chat", answer)]
}

/// A console, minute by minute.
struct Console {
    store: MemoryStore,
    clock: Clock,
    routes: Routes,
    test: Option<SelfTest>,
    finished: Vec<SelfTest>,
}

impl Console {
    fn new(channels: &[&str]) -> Self {
        // A channel that wants nothing but critical things of one tenant must be tested too.
        let route = |name: &&str| Route {
            least: Severity::Critical,
            tenants: vec!["acme".to_owned()],
            ..Route::all(name)
        };
        let routes = Routes { routes: channels.iter().map(route).collect(), web_address: None };
        let clock = Clock::default();
        clock.pass(20_000 * 86_400);
        Self { store: MemoryStore::default(), clock, routes, test: None, finished: vec![] }
    }

    async fn live(&mut self, minutes: usize, receivers: &[Fake<Answer>]) {
        let (settings, ticket_settings) = (SelfTestSettings::default(), TicketSettings::default());
        let names: Vec<String> = self.routes.routes.iter().map(|route| route.channel.clone()).collect();
        for _ in 0..minutes {
            let now = self.clock.now_secs();
            let ticket = self.test.as_ref().and_then(|test| test.ticket.clone());
            let messages = self.store.of_ticket(ticket.as_deref().unwrap_or_default()).await.unwrap();
            let desk = Desk { store: &self.store, settings: &ticket_settings, routes: &self.routes };
            match next(self.test.as_ref(), &messages, &names, &settings, now) {
                Next::Wait => {}
                Next::Raise(judged, mut test) => {
                    test.ticket =
                        desk.take(&judged, now).await.unwrap().first().map(|ticket| ticket.id.clone());
                    self.test = Some(test);
                }
                Next::Finish(all, test) => {
                    for judged in all {
                        desk.take(&judged, now).await.unwrap();
                    }
                    self.finished.push(test.clone());
                    self.test = Some(test);
                }
            }
            for receiver in receivers {
                round(&self.store, receiver, &self.clock).await.unwrap();
            }
            self.clock.pass(60);
        }
    }

    fn trusted(&self) -> bool {
        is_trusted(self.test.as_ref(), &SelfTestSettings::default(), self.clock.now_secs())
    }
}

#[tokio::test]
async fn the_fault_arrives_everywhere_every_day_and_closes_itself() {
    let mut console = Console::new(&["mail", "chat"]);
    assert!(!console.trusted(), "what was never tested is not trusted");
    let receivers = receivers(well);
    console.live(3 * 1440, &receivers).await;
    assert!(console.trusted());
    assert!((3..=4).contains(&console.finished.len()), "{}", console.finished.len());
    for test in &console.finished {
        let result = test.result.as_ref().unwrap();
        assert!(result.passed, "{}", result.sentence);
        assert_eq!(result.channels.len(), 2);
    }
    assert!(console.store.tickets().iter().all(|ticket| ticket.status == Status::Closed));
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for one in console.store.outgoing() {
        assert!(!one.message.is_over() || told.get(&one.channel).is_some_and(|opened| *opened > 0));
        *told.entry(one.channel).or_default() += 1;
    }
    assert_eq!(told["mail"], 2 * console.finished.len(), "each day once open, once over");
    // When the console is stopped, the trust ends with it.
    console.clock.pass(2 * 86_400);
    assert!(!console.trusted());
}

#[tokio::test]
async fn a_channel_that_is_down_fails_the_test_and_the_others_say_so() {
    let mut console = Console::new(&["mail", "chat"]);
    let down = receivers(without_mail);
    console.live(30, &down).await;
    assert!(!console.trusted());
    let result = console.finished[0].result.as_ref().unwrap();
    assert_eq!(
        result.sentence,
        "The daily test of the alarm path failed: nothing arrived on mail within 15 min."
    );
    assert_eq!(
        result.channels.iter().find(|one| one.channel == "mail").unwrap().error.as_deref(),
        Some("connection refused")
    );
    let alarm = console
        .store
        .outgoing()
        .into_iter()
        .find(|one| one.channel == "chat" && one.message.severity == Severity::Critical);
    assert!(
        alarm
            .unwrap()
            .message
            .sentence
            .contains("did not arrive on channel mail within 15 min: connection refused")
    );
    // Mended: the next day's test closes the ticket.
    let receivers = receivers(well);
    console.live(1440 + 60, &receivers).await;
    assert!(console.trusted());
    assert!(console.store.tickets().iter().all(|ticket| ticket.status == Status::Closed));
}

#[tokio::test]
async fn without_channels_or_without_a_ticket_it_fails_loudly() {
    let mut console = Console::new(&[]);
    console.live(30, &receivers(well)).await;
    assert!(console.finished[0].result.as_ref().unwrap().sentence.contains("no channel is configured"));
    let lost = SelfTest { raised_secs: 0, ticket: None, result: None };
    let Next::Finish(judged, test) =
        next(Some(&lost), &[], &["mail".to_owned()], &SelfTestSettings::default(), 1000)
    else {
        panic!("it must end");
    };
    let result = test.result.unwrap();
    assert!(!result.passed && result.sentence.contains("did not become a ticket"), "{}", result.sentence);
    assert!(judged[1].problems[0].severity == Severity::Critical);
}
