//! E-mail to a real SMTP server: aiosmtpd in a process of its own, with a certificate that it makes itself.

use super::{channel, outgoing, secret};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use vow_console::notify::channel::DeliverError;
use vow_console::records::NoticeKind;

const SERVER: &str = include_str!("smtp_server.py");

struct Server {
    child: Child,
    dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// `how` is `plain`, `tls` or `starttls`; the latter two want a login.
    fn start(how: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let python = std::env::var_os("VOW_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let mut child = Command::new(python)
            .args(["-c", SERVER, how])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python with aiosmtpd and cryptography, as tools/requirements.txt has them: set VOW_TEST_PYTHON");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("aiosmtpd as in tools/requirements.txt: set VOW_TEST_PYTHON");
        Self { child, dir, port }
    }

    fn channel(&self, rest: &str) -> vow_console::notify::channel::Channel {
        channel(&format!(
            "name = 'mail'\ntype = 'smtp'\nserver = 'localhost'\nport = {}\nfrom = 'Vow <vow@example.net>'\nto = ['duty@example.net', 'Kim <kim@example.net>']\n{rest}",
            self.port
        ))
    }

    fn login(&self) -> String {
        let password = secret(self.dir.path(), "password", "correct horse");
        format!("user = 'vow'\npassword_file = '{password}'\n")
    }

    fn ca(&self) -> String {
        format!("ca_file = '{}'\n", self.dir.path().join("ca.pem").display())
    }

    fn mails(&self) -> Vec<String> {
        let mut paths: Vec<PathBuf> = files(self.dir.path());
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn mails_arrive_with_a_thread_an_id_and_no_headers_of_strangers() {
    let server = Server::start("plain");
    let mail = server.channel("security = 'none'\n");
    for (number, kind) in [(1, NoticeKind::Opened), (1, NoticeKind::Opened), (2, NoticeKind::Closed)] {
        let delivery = mail.deliver(&outgoing("aaaa", number, kind)).await.unwrap();
        assert!(delivery.receipt.unwrap().contains("<aaaa."));
    }
    let mails = server.mails();
    assert_eq!(mails.len(), 3);
    let header = |mail: &str, name: &str| -> String {
        let head = mail.split("\n\n").next().unwrap().replace("\n ", " ");
        head.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
            .unwrap_or_default()
    };
    assert_eq!(header(&mails[0], "Message-ID"), "<aaaa.1.test@example.net>");
    assert_eq!(
        header(&mails[1], "Message-ID"),
        "<aaaa.1.test@example.net>",
        "a repeat is recognised by its id"
    );
    assert_eq!(header(&mails[2], "References"), header(&mails[0], "References"));
    assert!(header(&mails[0], "Subject").contains("[critical] acme web-1/orders"), "{}", mails[0]);
    assert_eq!(header(&mails[0], "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&mails[0], "Bcc"), "");
    assert!(header(&mails[0], "X-Envelope").contains("duty@example.net kim@example.net"), "{}", mails[0]);
    assert!(mails[2].contains("This is over."), "{}", mails[2]);
}

#[tokio::test]
async fn with_tls_and_starttls_and_only_to_whom_the_certificate_belongs() {
    for how in ["tls", "starttls"] {
        let server = Server::start(how);
        let security = format!("security = '{how}'\n");
        let good = server.channel(&format!("{security}{}{}", server.login(), server.ca()));
        good.deliver(&outgoing("aaaa", 1, NoticeKind::Opened)).await.unwrap();
        assert_eq!(server.mails().len(), 1, "{how}");
        // The machine does not know that certificate.
        let strange = server.channel(&format!("{security}{}", server.login()));
        let error = strange.deliver(&outgoing("aaaa", 2, NoticeKind::Opened)).await.unwrap_err();
        assert!(matches!(error, DeliverError::Later { .. }), "{how}: {error:?}");
        assert!(error.to_string().to_lowercase().contains("certificate"), "{how}: {error}");
        // A wrong password is about all mails, but the server says that it is for good.
        let password = secret(server.dir.path(), "wrong", "battery staple");
        let wrong =
            server.channel(&format!("{security}{}user = 'vow'\npassword_file = '{password}'\n", server.ca()));
        let error = wrong.deliver(&outgoing("aaaa", 3, NoticeKind::Opened)).await.unwrap_err().to_string();
        assert!(error.contains("535") && !error.contains("battery"), "{how}: {error}");
        assert_eq!(server.mails().len(), 1, "{how}");
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing_and_one_that_is_busy_is_asked_again() {
    let server = Server::start("plain");
    let wants_tls = server.channel(&format!("security = 'starttls'\n{}", ""));
    wants_tls.deliver(&outgoing("aaaa", 1, NoticeKind::Opened)).await.unwrap_err();
    assert!(server.mails().is_empty());
    let mail = server.channel("security = 'none'\n");
    let busy = mail.deliver(&outgoing("busy", 1, NoticeKind::Opened)).await.unwrap_err();
    assert!(matches!(&busy, DeliverError::Later { error, .. } if error.contains("451")), "{busy:?}");
    let refused = mail.deliver(&outgoing("refused", 1, NoticeKind::Opened)).await.unwrap_err();
    assert!(matches!(&refused, DeliverError::Refused { error } if error.contains("554")), "{refused:?}");
}
