//! Notifications against real receivers: HTTP servers in this process, a real SMTP server, a real Redmine.

mod channels;
mod courier;
mod receiver;
mod redmine;
mod request_tracker;
mod self_test;
mod smtp;

use std::path::Path;
use vow_console::notify::channel::Channel;
use vow_console::notify::config::ChannelSettings;
use vow_console::records::*;

/// A channel from its settings, as they stand in the file.
pub(crate) fn channel(settings: &str) -> Channel {
    let settings: ChannelSettings = toml::from_str(settings).unwrap();
    Channel::open(&settings).unwrap()
}

/// A file with a secret.
pub(crate) fn secret(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, format!("{text}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A message about a ticket, with names that somebody would like to break out of.
pub(crate) fn outgoing(ticket: &str, number: u64, kind: NoticeKind) -> Outgoing {
    Outgoing {
        id: format!("{ticket}.{number}.test"),
        channel: "test".to_owned(),
        message: Message {
            ticket: ticket.to_owned(),
            number,
            key: Key {
                tenant: "acme".to_owned(),
                rule: RuleName::Size,
                subject: Subject::Source { host: "web-1".to_owned(), source: "orders".to_owned() },
            },
            kind,
            severity: Severity::Critical,
            sentence: "orders was 12.3 MB, usually 118 to 124 MB on Tuesdays (90 % less): <!channel> \"'\r\nBcc: x@example.net"
                .to_owned(),
            next_step: "Look what is gone.".to_owned(),
            evidence: vec![Evidence { label: "median".to_owned(), value: "121 MB – ü".to_owned() }],
            since_secs: 1_767_582_000,
            at_secs: 1_767_582_300,
            url: Some("https://console.example.net/tickets/0123456789".to_owned()),
        },
        put_secs: 1_767_582_300,
        due_secs: 1_767_582_300,
        attempts: 1,
        error: None,
        state: State::Waiting,
    }
}
