//! Messages as words, for people.

use crate::records::{Message, NoticeKind};
use crate::rules::words;
use jiff::tz::TimeZone;

/// Subjects longer than this are cut by many receivers.
const SUBJECT_MAX: usize = 140;
/// A sentence, an error.
const PART_MAX: usize = 4000;

/// `[critical] web-1/orders: orders was 12.3 MB, usually …`
pub(super) fn subject(message: &Message) -> String {
    let tenant =
        if message.key.tenant.is_empty() { String::new() } else { format!("{} ", message.key.tenant) };
    let text = format!("[{}] {tenant}{}: {}", label(message), message.key.subject, message.sentence);
    one_line(&text, SUBJECT_MAX)
}

/// What the message is about, in one or two words.
pub(super) fn label(message: &Message) -> String {
    let severity = message.severity.word();
    match message.kind {
        NoticeKind::Opened => severity.to_owned(),
        NoticeKind::Reopened => format!("{severity}, again"),
        NoticeKind::Worse => format!("{severity}, worse"),
        NoticeKind::Escalated => format!("{severity}, nobody has taken it"),
        NoticeKind::Flapping => format!("{severity}, flapping"),
        NoticeKind::Reminder => format!("{severity}, still there"),
        NoticeKind::Closed => "over".to_owned(),
    }
}

/// The whole message as plain text. Its lines are ours: what hosts and other tools said stands in one of them each.
pub(super) fn plain(message: &Message) -> String {
    let mut text = format!("{}\n\n", one_line(&message.sentence, PART_MAX));
    match message.kind {
        NoticeKind::Closed => text += "This is over. Nothing has to be done.\n",
        NoticeKind::Flapping => {
            text += "It comes and goes; it is told again when it becomes worse, stays, or has been quiet.\n";
        }
        _ => text += &format!("What to do: {}\n", one_line(&message.next_step, PART_MAX)),
    }
    if !message.evidence.is_empty() {
        text.push('\n');
        for evidence in &message.evidence {
            let (label, value) = (one_line(&evidence.label, PART_MAX), one_line(&evidence.value, PART_MAX));
            text += &format!("  {label}: {value}\n");
        }
    }
    let whose = match message.key.tenant.as_str() {
        "" => String::new(),
        tenant => format!("Tenant {tenant}, "),
    };
    text += &format!(
        "\nTicket {} ({}), since {}\n{whose}{}, rule {}\n",
        message.ticket,
        label(message),
        words::moment(message.since_secs, &TimeZone::UTC),
        message.key.subject,
        message.key.rule
    );
    if let Some(url) = &message.url {
        text += &format!("{url}\n");
    }
    text
}

/// Without line breaks, control characters and what turns the direction of a text; cut to a length.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let line = text
        .split(|letter: char| letter.is_control())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let line = crate::web::plain(&line);
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// RFC 3339 in UTC.
pub(super) fn rfc3339(secs: i64) -> String {
    jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
