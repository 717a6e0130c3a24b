//! The history of a ticket in words: the same on its page and on the command line.

use crate::records::Action;
use crate::rules::words;
use jiff::tz::TimeZone;

/// What happened to a ticket, as a sentence for its history.
pub fn said(action: &Action) -> String {
    match action {
        Action::Seen { problem } => format!("Seen: {}", problem.sentence),
        Action::Healed => "Its rule judged and found nothing: it is over.".to_owned(),
        Action::Tick => "Time passed.".to_owned(),
        Action::Acknowledge { by } => format!("{by} looks into it."),
        Action::Assign { by, owner } => {
            format!("{by} handed it to {}.", owner.as_deref().unwrap_or("nobody"))
        }
        Action::Comment { by, text } => format!("{by}: {text}"),
        Action::Snooze { by, until_secs } => {
            format!("{by} does not want to hear of it until {}.", words::moment(*until_secs, &TimeZone::UTC))
        }
        Action::Close { by, reason } => format!("{by} closed it: {reason}"),
        Action::Expect { by, reason } => format!("{by} says that this is expected: {reason}"),
    }
}
