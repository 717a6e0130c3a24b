//! Channels that deliver nothing are a problem like any other; the other channels tell it.

use super::outbox::Backlog;
use crate::records::{Evidence, Judged, Key, Problem, RuleName, Severity, Subject};
use crate::rules::words;

/// A message that waits for so long means that the receiver is down.
const WAITING_SECS: i64 = 900;
/// From then on it is critical.
const CRITICAL_SECS: i64 = 4 * 3600;

/// Judges each channel that ever had a message. What waits for one that was taken out of the settings waits for nobody.
pub fn watch_channels(backlogs: &[Backlog], channels: &[String], now_secs: i64) -> Vec<Judged> {
    backlogs.iter().map(|backlog| watch(backlog, channels.contains(&backlog.channel), now_secs)).collect()
}

fn watch(backlog: &Backlog, is_used: bool, now_secs: i64) -> Judged {
    let subject = Subject::Channel { channel: backlog.channel.clone() };
    let waited = backlog.oldest_put_secs.map_or(0, |put| now_secs - put);
    let error = backlog.error.as_deref().unwrap_or("no answer yet").trim_end_matches('.');
    let sentence = if waited > WAITING_SECS {
        let messages = words::count(backlog.waiting, "message");
        Some(format!(
            "Channel {} has delivered nothing for {}: {messages} waiting; {error}.",
            backlog.channel,
            words::span(waited as f64)
        ))
    } else {
        backlog.refused.as_ref().map(|(count, why)| {
            let messages = words::count(*count, "message");
            format!("Channel {} refused {messages} for good: {}.", backlog.channel, why.trim_end_matches('.'))
        })
    };
    let problems = sentence.filter(|_| is_used).map(|sentence| Problem {
        key: Key { tenant: String::new(), rule: RuleName::ChannelDown, subject: subject.clone() },
        severity: if waited > CRITICAL_SECS { Severity::Critical } else { Severity::Warning },
        sentence,
        next_step: "Look at the receiver and at the channel's settings; what waits is delivered as soon as it answers.".to_owned(),
        evidence: vec![Evidence { label: "waiting".to_owned(), value: backlog.waiting.to_string() }],
        reports: vec![],
    });
    Judged {
        tenant: String::new(),
        subject,
        rules: if is_used {
            vec![RuleName::ChannelDown]
        } else {
            vec![RuleName::ChannelDown, RuleName::SelfTest]
        },
        problems: problems.into_iter().collect(),
    }
}
