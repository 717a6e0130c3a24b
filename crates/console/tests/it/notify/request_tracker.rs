//! A real Request Tracker, as Debian packages it, in a private folder with a database of its own.
//!
//! It takes a minute to make its tables, so it runs where `VOW_SOAK` is set; `./test --soak` does.

use super::{channel, outgoing, secret};
use serde_json::Value;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vow_console::records::NoticeKind;

const SERVER: &str = "/usr/share/request-tracker5/libexec/rt-server";
const SETUP: &str = "/usr/sbin/rt-setup-database-5";
/// A queue, and a token of the administrator.
const TOKEN: &str = "use lib '/usr/share/request-tracker5/lib';
use RT;
RT::LoadConfig();
RT::Init();
my $root = RT::User->new(RT->SystemUser);
$root->Load('root');
my $queue = RT::Queue->new(RT->SystemUser);
my ($made, $why) = $queue->Create(Name => 'Backups');
die $why unless $made;
my $token = RT::AuthToken->new(RT->SystemUser);
my ($id, $said, $text) = $token->Create(Owner => $root->id, Description => 'vow');
die $said unless $id;
print $text;
";

struct Tracker {
    child: Child,
    dir: tempfile::TempDir,
    url: String,
}

impl Tracker {
    fn start() -> Self {
        assert!(Path::new(SERVER).exists(), "packages request-tracker5, rt5-db-sqlite and rt5-standalone");
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display();
        // It cannot be told to choose a port by itself.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "Set($rtname, 'vow.test');\nSet($Organization, 'vow.test');\nSet($WebDomain, '127.0.0.1');\nSet($WebPort, {port});\n\
             Set($DatabaseType, 'SQLite');\nSet($DatabaseName, '{root}/rt.sqlite');\nSet($MailCommand, 'testfile');\n\
             Set($LogToSyslog, undef);\nSet($LogToSTDERR, 'error');\nSet($Timezone, 'UTC');\nSet($DevelMode, 0);\n\
             $RT::VarPath = '{root}';\n$RT::MasonDataDir = '{root}/mason';\n$RT::MasonSessionDir = '{root}/sessions';\n1;\n"
        );
        std::fs::write(dir.path().join("settings.pm"), settings).unwrap();
        for folder in ["mason", "sessions", "none"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let setup = Self::command(dir.path(), SETUP)
            .args(["--action", "init", "--dba-password", ""])
            .output()
            .unwrap();
        assert!(
            setup.status.success(),
            "{}",
            String::from_utf8_lossy(&[setup.stdout, setup.stderr].concat())
        );
        let made = Self::command(dir.path(), "/usr/bin/perl").args(["-e", TOKEN]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(dir.path().join("token"), made.stdout).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Self::command(dir.path(), SERVER)
            .args(["--server", "Standalone", "--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let tracker = Self { child, dir, url: format!("http://127.0.0.1:{port}") };
        let until = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                Instant::now() < until,
                "{}",
                std::fs::read_to_string(tracker.dir.path().join("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        tracker
    }

    fn command(dir: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("RT_SITE_CONFIG", dir.join("settings.pm"))
            .env("RT_SITE_CONFIG_DIR", dir.join("none"))
            .env("PERL5LIB", "")
            .stdin(Stdio::null());
        command
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("token")).unwrap().trim().to_owned()
    }

    fn get(&self, path: &str) -> Value {
        let header = format!("Authorization: token {}", self.token());
        let url = format!("{}/REST/2.0{path}", self.url);
        let output = Command::new("curl").args(["-sfg", "-H", &header, &url]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Subjects of what was said about a ticket, oldest first.
    fn said(&self, ticket: &str) -> Vec<String> {
        let history = self.get(&format!("/ticket/{ticket}/history?fields=Type,Data&per_page=100"));
        let items = history["items"].as_array().unwrap().iter().filter(|one| one["Type"] == "Comment");
        items.map(|one| one["Data"].as_str().unwrap().trim_end().to_owned()).collect()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr)]
async fn a_ticket_is_one_ticket_and_a_message_one_comment_in_a_real_request_tracker() {
    if std::env::var_os("VOW_SOAK").is_none() {
        eprintln!("SKIPPED, needs VOW_SOAK: a real Request Tracker");
        return;
    }
    let tracker = Tracker::start();
    let token = secret(tracker.dir.path(), "own-token", &tracker.token());
    let settings = format!(
        "name = 'desk'\ntype = 'request-tracker'\nurl = '{}'\ntoken_file = '{token}'\nqueue = 'Backups'\n",
        tracker.url
    );
    let desk = channel(&settings);
    for (number, kind) in
        [(1, NoticeKind::Opened), (1, NoticeKind::Opened), (2, NoticeKind::Worse), (2, NoticeKind::Worse)]
    {
        let delivery = desk.deliver(&outgoing("aaaabbbbcc", number, kind)).await.unwrap();
        assert!(delivery.confirmed, "read back: {delivery:?}");
    }
    desk.deliver(&outgoing("other", 1, NoticeKind::Opened)).await.unwrap();
    assert_eq!(tracker.get("/tickets?query=Queue%3D'Backups'")["total"], 2);
    let ticket = tracker.get("/ticket/1");
    assert!(
        ticket["Subject"].as_str().unwrap().starts_with("[vow aaaabbbbcc] [critical] acme web-1/orders"),
        "{ticket}"
    );
    assert_eq!(ticket["Status"], "open", "{ticket}");
    assert_eq!(tracker.said("1"), ["vow aaaabbbbcc.1", "vow aaaabbbbcc.2"]);
    for _ in 0..2 {
        assert!(desk.deliver(&outgoing("aaaabbbbcc", 3, NoticeKind::Closed)).await.unwrap().confirmed);
    }
    assert_eq!((&tracker.get("/ticket/1")["Status"], tracker.said("1").len()), (&"resolved".into(), 3));
    desk.deliver(&outgoing("aaaabbbbcc", 4, NoticeKind::Reopened)).await.unwrap();
    assert_eq!(tracker.get("/ticket/1")["Status"], "open");
    let stranger = secret(tracker.dir.path(), "wrong-token", "1-12-0123456789abcdef0123456789abcdef");
    let error = channel(&settings.replace(&token, &stranger))
        .deliver(&outgoing("x", 1, NoticeKind::Opened))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("401") && !error.to_string().contains("0123456789"), "{error}");
}
