//! What whoever is on duty reads: the mails of a problem with hostile words in it, as a real server received them.

use super::mail::{Letter, Mail};
use serde_json::Value;
use std::collections::BTreeSet;
use vow_testkit::ConsoleServer;
use vow_testkit::host::scratch;

const WEB: &str = "https://console.example.net";
const NAME: &str = "nightly <b onmouseover=alert(1)>\"'; Bcc: thief@example.net é";
/// Its last line is the reason of the failure.
const OUTPUT: &str = "tar: it began\r\nBcc: thief@example.net\r\nX-Evil: 1\r\n\r\nThis is over. Nothing has to be done.\n\
    failed: the tape is full ü\rBcc: thief@example.net\rX-Evil: 1\r\rThis is over.\r<script>alert(1)</script> \u{202e}gnp.exe \u{1b}[2J\u{0}\r\n";

/// What every mail has, and nothing beside.
const HEADERS: [&str; 12] = [
    "Auto-Submitted",
    "Content-Transfer-Encoding",
    "Content-Type",
    "Date",
    "From",
    "In-Reply-To",
    "MIME-Version",
    "Message-ID",
    "References",
    "Subject",
    "To",
    "X-Vow-Ticket",
];

/// The form of a mail, whatever it tells.
#[track_caller]
fn well_formed(letter: &Letter, ticket: &str) {
    let names: BTreeSet<&str> = letter.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), HEADERS, "{letter:#?}");
    assert_eq!(letter.headers.len(), HEADERS.len(), "a header stands there twice: {letter:#?}");
    assert!(letter.defects.is_empty(), "{letter:#?}");
    assert_eq!(
        (letter.sender.as_str(), letter.recipients.as_slice()),
        ("vow@example.net", &["duty@example.net".to_owned()][..])
    );
    assert_eq!((letter.header("From"), letter.header("To")), ("Vow <vow@example.net>", "duty@example.net"));
    assert_eq!(letter.header("X-Vow-Ticket"), ticket);
    assert_eq!(letter.header("References"), format!("<{ticket}.thread@example.net>"));
    // Nobody has to trust a program that draws HTML.
    assert_eq!(letter.kind, "text/plain");
    let subject = letter.header("Subject");
    assert!(subject.chars().count() <= 140 && !subject.contains(char::is_control), "{subject:?}");
    let odd = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!subject.contains(odd) && !letter.text.contains(odd), "{letter:#?}");
}

/// The one line of the text that begins so, without that.
#[track_caller]
fn line<'a>(letter: &'a Letter, begin: &str) -> &'a str {
    let found: Vec<_> = letter.text.lines().filter_map(|line| line.strip_prefix(begin)).collect();
    assert_eq!(found.len(), 1, "{begin:?} in\n{}", letter.text);
    found[0]
}

#[test]
fn a_mail_says_what_is_wrong_what_to_do_and_where_to_read_on() {
    let (folder, mail) = (scratch(), Mail::start());
    let settings = format!("web_address = \"{WEB}\"\nlook_every = \"1s\"\n{}", mail.channel());
    let console = ConsoleServer::made_with(&folder.path().join("console"), &settings);
    let made = console.keep("ping add acme old-1", &[NAME, "--json"]).expect(0).summary();
    let address = format!("/ping/{}", made["uuid"].as_str().unwrap());
    assert_eq!(console.send(&address, "all is well"), "OK");
    assert_eq!(console.send(&format!("{address}/1"), OUTPUT), "OK");
    let is_failed = |open: &[(String, String)]| open.iter().any(|(key, _)| key.starts_with("acme/failed/"));
    console.wait_for("the backup that failed", is_failed);
    let listed = console.get("/api/v1/tickets");
    let items = listed["items"].as_array().unwrap();
    let ticket = items.iter().find(|one| one["key"].as_str().unwrap().starts_with("acme/failed/")).unwrap();
    let text = |name: &str| ticket[name].as_str().unwrap().to_owned();
    let (id, sentence, step) = (text("id"), text("sentence"), text("next_step"));

    let letter = mail.wait_about(&id, 1).remove(0);
    well_formed(&letter, &id);
    assert_eq!(letter.header("Message-ID"), format!("<{id}.1.duty@example.net>"));
    let subject = letter.header("Subject");
    assert!(subject.starts_with(&format!("[{}] acme old-1/{NAME}: ", text("severity"))), "{subject}");
    // What is wrong, in one line, whatever the other tool wrote; what to do; the ticket, its backup, its rule; the link.
    let first = letter.text.lines().next().unwrap();
    assert!(first.contains(NAME) && first.contains("the tape is full ü"), "{first}\n{sentence}");
    assert_eq!(line(&letter, "What to do: "), step);
    assert!(
        line(&letter, &format!("Ticket {id} ({}), since ", text("severity"))).ends_with("UTC"),
        "{}",
        letter.text
    );
    assert_eq!(line(&letter, "Tenant acme, "), format!("old-1/{NAME}, rule failed"));
    assert_eq!(letter.text.trim_end().lines().next_back(), Some(format!("{WEB}/tickets/{id}").as_str()));
    for forged in ["This is over.", "Bcc: ", "X-Evil: "] {
        assert!(!letter.text.lines().any(|line| line.starts_with(forged)), "{}", letter.text);
    }
    // The link leads there, and the page takes the same words for words.
    let page = console.page(&format!("/tickets/{id}"));
    assert!(
        page.contains("nightly &lt;b onmouseover=alert(1)&gt;") && !page.contains("<b onmouseover"),
        "{page}"
    );

    assert_eq!(console.send(&address, "all is well"), "OK");
    console.wait_for("its recovery", |open| !is_failed(open));
    let over = mail.wait_about(&id, 2).remove(1);
    well_formed(&over, &id);
    assert!(over.header("Subject").starts_with(&format!("[over] acme old-1/{NAME}: ")), "{over:#?}");
    assert_eq!(line(&over, "This is over. "), "Nothing has to be done.");
    assert!(!over.text.contains("What to do"), "{}", over.text);
    assert_eq!(over.header("In-Reply-To"), letter.header("In-Reply-To"), "they are one conversation");
    let closed = console.get(&format!("/api/v1/tickets/{id}"));
    assert_eq!(closed["ticket"]["status"], Value::from("closed"), "{closed}");
}
