//! The alarm path is tested daily: a synthetic fault must become a ticket, and be delivered on every channel. Pure: it says what to
//! do; the console does it through the same ticket engine and outbox as everything else.

use crate::records::{Judged, Key, Outgoing, Problem, RuleName, Severity, State, Subject};
use crate::rules::words;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400;

/// When and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelfTestSettings {
    /// Seconds after midnight UTC.
    pub at_secs: i64,
    /// Within which time every channel must have delivered.
    pub within_secs: i64,
}

impl Default for SelfTestSettings {
    fn default() -> Self {
        Self { at_secs: 8 * 3600, within_secs: 900 }
    }
}

/// The last test; the console stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    /// When the fault was raised.
    pub raised_secs: i64,
    /// The ticket that it became; `None` until one is seen.
    pub ticket: Option<String>,
    /// How it ended; `None` while it runs.
    pub result: Option<Report>,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When.
    pub at_secs: i64,
    /// Each channel.
    pub channels: Vec<Arrival>,
    /// Whether a ticket was opened, and every channel has delivered it in time.
    pub passed: bool,
    /// One sentence.
    pub sentence: String,
}

/// What became of the fault on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The channel.
    pub channel: String,
    /// The seconds it took; `None` when it did not arrive.
    pub took_secs: Option<i64>,
    /// The receiver showed that it has it, not only said yes.
    pub confirmed: bool,
    /// Why it did not arrive.
    pub error: Option<String>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Wait,
    /// Let the ticket engine take this judgement, and remember the test.
    Raise(Judged, SelfTest),
    /// The test is over: let the ticket engine take these judgements, remember the test, ping, and say aloud that it failed.
    Finish(Vec<Judged>, SelfTest),
}

/// What to do at `now_secs`. `messages` are those of the ticket of the fault, `channels` all that are configured.
pub fn next(
    last: Option<&SelfTest>,
    messages: &[Outgoing],
    channels: &[String],
    settings: &SelfTestSettings,
    now_secs: i64,
) -> Next {
    match last {
        Some(test) if test.result.is_none() => finish(test, messages, channels, settings, now_secs),
        _ if is_due(last, settings, now_secs) => {
            let test = SelfTest { raised_secs: now_secs, ticket: None, result: None };
            Next::Raise(fault(Some(now_secs)), test)
        }
        _ => Next::Wait,
    }
}

/// Whether the path is known to work: healthy only when the last test passed, and is not older than a day and its margin.
pub fn is_trusted(last: Option<&SelfTest>, settings: &SelfTestSettings, now_secs: i64) -> bool {
    let Some(test) = last else { return false };
    let fresh = now_secs - test.raised_secs <= DAY + 2 * settings.within_secs;
    // While today's runs, yesterday's counted; only a result that is there and bad is bad.
    fresh && test.result.as_ref().is_none_or(|result| result.passed)
}

fn is_due(last: Option<&SelfTest>, settings: &SelfTestSettings, now_secs: i64) -> bool {
    let Some(last) = last else { return true };
    let today = now_secs.div_euclid(DAY) * DAY + settings.at_secs;
    let newest_due = if now_secs >= today { today } else { today - DAY };
    last.raised_secs < newest_due
}

fn finish(
    test: &SelfTest,
    messages: &[Outgoing],
    channels: &[String],
    settings: &SelfTestSettings,
    now_secs: i64,
) -> Next {
    let arrivals: Vec<Arrival> = channels.iter().map(|channel| arrival(test, messages, channel)).collect();
    let all = arrivals.iter().all(|arrival| arrival.took_secs.is_some()) && test.ticket.is_some();
    let is_over = now_secs - test.raised_secs > settings.within_secs;
    if !is_over && (!all || channels.is_empty()) {
        return Next::Wait;
    }
    let late: Vec<&str> = arrivals
        .iter()
        .filter(|arrival| arrival.took_secs.is_none())
        .map(|arrival| arrival.channel.as_str())
        .collect();
    let within = words::span(settings.within_secs as f64);
    let sentence = if test.ticket.is_none() {
        format!("The daily test of the alarm path failed: the fault did not become a ticket within {within}.")
    } else if channels.is_empty() {
        "The daily test of the alarm path failed: no channel is configured, so nobody would hear of anything."
            .to_owned()
    } else if late.is_empty() {
        let confirmed = arrivals.iter().filter(|arrival| arrival.confirmed).count();
        format!(
            "The alarm path works: {} of {} channels delivered, {confirmed} confirmed it.",
            arrivals.len(),
            arrivals.len()
        )
    } else {
        format!(
            "The daily test of the alarm path failed: nothing arrived on {} within {within}.",
            words::names(late.iter().copied(), 5)
        )
    };
    let passed = test.ticket.is_some() && !channels.is_empty() && late.is_empty();
    // The fault heals whatever came of it. A channel that failed is a problem of its own, told by the others.
    let mut judged = vec![fault(None)];
    judged.extend(arrivals.iter().map(|arrival| failure(arrival, settings)));
    if !passed && late.is_empty() {
        judged[0].problems = vec![problem(Subject::Console, Severity::Critical, sentence.clone())];
    }
    let result = Report { at_secs: now_secs, channels: arrivals, passed, sentence };
    Next::Finish(judged, SelfTest { result: Some(result), ..test.clone() })
}

/// The first message of this test on a channel, and what became of it.
fn arrival(test: &SelfTest, messages: &[Outgoing], channel: &str) -> Arrival {
    let mine = messages.iter().find(|outgoing| {
        outgoing.channel == channel && outgoing.put_secs >= test.raised_secs && !outgoing.message.is_over()
    });
    let (took_secs, confirmed, error) = match mine.map(|outgoing| (&outgoing.state, &outgoing.error)) {
        Some((State::Delivered { at_secs, delivery }, _)) => {
            (Some(at_secs - test.raised_secs), delivery.confirmed, None)
        }
        Some((State::Refused { error, .. }, _)) => (None, false, Some(error.clone())),
        Some((_, error)) => (None, false, error.clone()),
        None => (None, false, Some("it was never put into the outbox".to_owned())),
    };
    Arrival { channel: channel.to_owned(), took_secs, confirmed, error }
}

/// The synthetic fault, or its end.
fn fault(raised_secs: Option<i64>) -> Judged {
    let problems = raised_secs.map(|secs| {
        let when = words::moment(secs, &TimeZone::UTC);
        let sentence = format!("This is the daily test of the alarm path, {when}: nothing is wrong.");
        problem(Subject::Console, Severity::Notice, sentence)
    });
    Judged {
        tenant: String::new(),
        subject: Subject::Console,
        rules: vec![RuleName::SelfTest],
        problems: problems.into_iter().collect(),
    }
}

fn failure(arrival: &Arrival, settings: &SelfTestSettings) -> Judged {
    let subject = Subject::Channel { channel: arrival.channel.clone() };
    let why = arrival.error.as_deref().unwrap_or("no answer yet").trim_end_matches('.');
    let within = words::span(settings.within_secs as f64);
    let sentence =
        format!("The daily test did not arrive on channel {} within {within}: {why}.", arrival.channel);
    let problems = match arrival.took_secs {
        Some(_) => vec![],
        None => vec![problem(subject.clone(), Severity::Critical, sentence)],
    };
    Judged { tenant: String::new(), subject, rules: vec![RuleName::SelfTest], problems }
}

fn problem(subject: Subject, severity: Severity, sentence: String) -> Problem {
    let next_step = match severity {
        Severity::Notice => "Nothing. It closes by itself in a few minutes.",
        _ => "Until this is mended alarms may not arrive: look at the channel's settings and receiver.",
    };
    Problem {
        key: Key { tenant: String::new(), rule: RuleName::SelfTest, subject },
        severity,
        sentence,
        next_step: next_step.to_owned(),
        evidence: vec![],
        reports: vec![],
    }
}
