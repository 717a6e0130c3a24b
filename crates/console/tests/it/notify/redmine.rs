//! A real Redmine, as Debian packages it, in a private folder with a database of its own.
//!
//! It starts in ten to sixty seconds, so it runs where `VOW_SOAK` is set; `./test --soak` does.

use super::{channel, outgoing, secret};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use vow_console::records::NoticeKind;

const PACKAGE: &str = "/usr/share/redmine";
/// The package makes it when it is installed; a copy saves migrating an empty one.
const MIGRATED: &str = "/var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default";
const SEED: &str = "require_relative 'config/environment'
Redmine::DefaultData::Loader.load('en') if Redmine::DefaultData::Loader.no_data?
Setting.rest_api_enabled = 1
project = Project.new(:name => 'Backups', :identifier => 'backups')
project.trackers = Tracker.all
project.save!
File.write('key', User.find_by_login('admin').api_key)
run Rails.application
";

struct Redmine {
    child: Child,
    dir: tempfile::TempDir,
    url: String,
}

impl Redmine {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let copied = Command::new("cp").args(["-r", &format!("{PACKAGE}/.")]).arg(root).status().unwrap();
        assert!(
            copied.success() && Path::new(MIGRATED).exists(),
            "packages redmine and redmine-sqlite, and puma"
        );
        for link in ["Gemfile.lock", "config/database.yml", "instances"] {
            std::fs::remove_file(root.join(link)).unwrap();
        }
        std::fs::copy("/var/lib/redmine/Gemfile.lock", root.join("Gemfile.lock")).unwrap();
        std::fs::copy(MIGRATED, root.join("db.sqlite")).unwrap();
        for folder in ["config", "log", "tmp", "files"] {
            std::fs::create_dir_all(root.join("instances/default").join(folder)).unwrap();
        }
        let database = root.join("db.sqlite").display().to_string();
        let config = format!("production:\n  adapter: sqlite3\n  database: {database}\n  encoding: utf8\n");
        for place in ["config", "instances/default/config"] {
            std::fs::write(root.join(place).join("database.yml"), &config).unwrap();
        }
        std::fs::write(root.join("instances/default/config/secret_key.txt"), "0123456789abcdef".repeat(8))
            .unwrap();
        std::fs::write(root.join("seed.ru"), SEED).unwrap();
        let mut child = Command::new("puma")
            .args(["-e", "production", "-t", "1:2", "-b", "tcp://127.0.0.1:0", "seed.ru"])
            .current_dir(root)
            .env("RAILS_ENV", "production")
            .env_remove("BUNDLE_GEMFILE")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("puma, from the package of that name");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url =
            lines.map_while(Result::ok).find_map(|line| Some(line.split_once("Listening on ")?.1.to_owned()));
        Self { child, url: url.expect("redmine did not come up"), dir }
    }

    fn get(&self, path: &str) -> Value {
        let key = std::fs::read_to_string(self.dir.path().join("key")).unwrap();
        let header = format!("X-Redmine-API-Key: {key}");
        let output = Command::new("curl")
            .args(["-sf", "-H", &header, &format!("{}{path}", self.url)])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Redmine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr)]
async fn a_ticket_is_one_issue_and_a_message_one_note_in_a_real_redmine() {
    if std::env::var_os("VOW_SOAK").is_none() {
        eprintln!("SKIPPED, needs VOW_SOAK: a real Redmine");
        return;
    }
    let redmine = Redmine::start();
    let key = std::fs::read_to_string(redmine.dir.path().join("key")).unwrap();
    let key = secret(redmine.dir.path(), "api-key", &key);
    let settings = format!(
        "name = 'desk'\ntype = 'redmine'\nurl = '{}'\nkey_file = '{key}'\nproject = 'backups'\n",
        redmine.url
    );
    let desk = channel(&settings);
    for (number, kind) in
        [(1, NoticeKind::Opened), (1, NoticeKind::Opened), (2, NoticeKind::Worse), (2, NoticeKind::Worse)]
    {
        let delivery = desk.deliver(&outgoing("aaaabbbbcc", number, kind)).await.unwrap();
        assert!(delivery.confirmed, "read back: {delivery:?}");
    }
    desk.deliver(&outgoing("other", 1, NoticeKind::Opened)).await.unwrap();
    let all = redmine.get("/issues.json?status_id=*");
    assert_eq!(all["total_count"], 2, "{all}");
    let issue = redmine.get("/issues/1.json?include=journals")["issue"].clone();
    assert!(
        issue["subject"].as_str().unwrap().starts_with("[vow aaaabbbbcc] [critical] acme web-1/orders"),
        "{issue}"
    );
    let notes =
        |issue: &Value| issue["journals"].as_array().unwrap().iter().filter(|one| one["notes"] != "").count();
    assert_eq!(notes(&issue), 1, "{issue}");
    for _ in 0..2 {
        assert!(desk.deliver(&outgoing("aaaabbbbcc", 3, NoticeKind::Closed)).await.unwrap().confirmed);
    }
    let issue = redmine.get("/issues/1.json?include=journals")["issue"].clone();
    assert_eq!((&issue["status"]["name"], notes(&issue)), (&"Closed".into(), 2), "{issue}");
    desk.deliver(&outgoing("aaaabbbbcc", 4, NoticeKind::Reopened)).await.unwrap();
    assert_eq!(redmine.get("/issues/1.json")["issue"]["status"]["name"], "New");
    let stranger = secret(redmine.dir.path(), "wrong-key", "0123");
    let error = channel(&settings.replace(&key, &stranger))
        .deliver(&outgoing("x", 1, NoticeKind::Opened))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
}
