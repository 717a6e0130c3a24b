//! A host and its real console: what is found becomes known there, recovery keys are proven and replaced, a report is made and verified.

use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vow_testkit::Host;
use vow_testkit::host::{scratch, vow};
use vow_testkit::shell::{Done, Running, run, start};

const DEADLINE: Duration = Duration::from_secs(120);

struct Console {
    dir: PathBuf,
    server: Option<Running>,
}

impl Console {
    fn start(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
        let mut init = vow();
        init.args(["console", "init", "--address", &format!("https://{port}"), "--listen-hosts"]);
        let _ =
            run(init.arg(port.to_string()).args(["--listen-web", "127.0.0.1:0", "--dir"]).arg(dir)).expect(0);
        let mut server = start(vow().args(["console", "serve", "--dir"]).arg(dir));
        let began = Instant::now();
        while TcpStream::connect(port).is_err() {
            assert!(!server.has_ended() && began.elapsed() < DEADLINE, "the console does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { dir: dir.to_owned(), server: Some(server) }
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Done {
        let mut command = vow();
        run(command.args(arguments).arg("--dir").arg(&self.dir))
    }

    /// What an audit answers to this question now.
    fn answer(&self, check: &str, about: &str) -> Value {
        let done = self.run(["console", "audit", "--json", "--tenant", "acme"]).expect_one_of(&[0, 4]);
        let checked = done.summary()["result"]["checked"].clone();
        let one =
            checked.as_array().unwrap().iter().find(|one| one["check"] == check && one["about"] == about);
        one.cloned().unwrap_or_default()
    }

    /// Waits until it answers so; what the host has to tell is sent meanwhile.
    fn wait_for(&self, host: &Host, check: &str, about: &str, answer: &str) -> Value {
        let began = Instant::now();
        loop {
            let one = self.answer(check, about);
            if one["answer"] == answer {
                return one;
            }
            assert!(began.elapsed() < DEADLINE, "{check} of {about} is not {answer}: {one:#}");
            let _ = host.run(["audit", "--offline"]).expect_one_of(&[0, 4]);
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal("TERM");
            let _ = server.wait();
        }
    }
}

fn fingerprints(host: &Host) -> Vec<String> {
    let done = host.run(["key", "list", "--json"]).expect_one_of(&[0, 4]);
    let list = done.summary()["recipients"].as_array().unwrap().clone();
    list.iter().map(|one| one["fingerprint"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn keys_are_proven_and_replaced_and_the_month_is_reported() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    let source = path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let host = Host::at(&path("host"), &[&source]);
    let console = Console::start(&path("console"));
    let token = console.run(["--quiet", "console", "join-token"]).expect(0).text();
    let _ = host.run(["console", "join", token.trim()]).expect(0);
    host.backup();
    let key = fingerprints(&host).remove(0);
    let records = json!({"owner": "Ann", "contact": "ann@example.net", "recipients": [{"fingerprint": key, "holder": "safe"}]});
    fs::write(
        path("policy.json"),
        r#"{"copies": 2, "media": 1, "offsite": 0, "immutable": 0, "identities": 1}"#,
    )
    .unwrap();
    fs::write(path("records.json"), records.to_string()).unwrap();
    // The tenant is known with the host's first report.
    let began = Instant::now();
    loop {
        let mut agree = vow();
        agree.args(["console", "policy", "--tenant", "acme", "--set"]).arg(path("policy.json"));
        let done = run(agree.arg("--records").arg(path("records.json")).arg("--dir").arg(&console.dir))
            .expect_one_of(&[0, 10]);
        if done.code == Some(0) {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "{}", done.story());
    }
    console.wait_for(&host, "recipients", "web-1/files", "pass");
    console.wait_for(
        &host,
        "audited",
        "web-1",
        console.answer("audited", "web-1")["answer"].as_str().unwrap(),
    );
    assert_eq!(console.answer("identity", &key)["answer"], "finding");

    // A challenge goes to where the identity is, and its answer comes back: by file, without a network.
    let _ = host
        .run(["key", "challenge", "--qr", "--output", &path("challenge").display().to_string()])
        .expect(0);
    let mut prove = vow();
    prove.args(["key", "prove", "--challenge"]).arg(path("challenge")).arg("--identity").arg(host.identity());
    let _ = run(prove.arg("--answer").arg(path("answer"))).expect(0);
    let answer = fs::read_to_string(path("answer")).unwrap();
    let wrong: String = answer
        .trim()
        .chars()
        .rev()
        .map(|c| if c == '0' { '1' } else { c })
        .collect::<String>()
        .chars()
        .rev()
        .collect();
    if wrong != answer.trim() {
        let _ = host.run(["key", "accept", &wrong]).expect(12);
    }
    let _ = host.run(["key", "accept", answer.trim()]).expect(0);
    let _ = host.run(["key", "accept", answer.trim()]).expect(12);
    console.wait_for(&host, "identity", &key, "pass");

    // The recovery key is replaced: guided, and found where nobody approved the new one.
    let new = path("new.agekey");
    let recipient = run(vow().args(["--quiet", "key", "new", "--output"]).arg(&new)).expect(0).text();
    let plan = fs::read_to_string(host.config()).unwrap();
    let old = plan.lines().find(|line| line.trim_start().starts_with("recipients")).unwrap();
    let old = old.split('"').nth(1).unwrap().to_owned();
    let _ = host.run(["key", "rewrap", "--add", recipient.trim(), "--remove", &old]).expect(0);
    assert_eq!(fs::read_to_string(host.config()).unwrap(), plan, "nobody said yes");
    let _ = host.run(["key", "rewrap", "--add", recipient.trim(), "--remove", &old, "--yes"]).expect(0);
    host.backup();
    let found = console.wait_for(&host, "recipients", "web-1/files", "finding");
    assert_eq!(found["severity"], "critical");
    assert!(found["sentence"].as_str().unwrap().contains("which nobody approved"), "{found:#}");
    let mut restore = host.command(["restore", "files@latest", "--identity"]);
    let _ = run(restore.arg(&new).arg("--target").arg(path("restored"))).expect(0);
    let tickets = console.run(["console", "tickets", "--json"]).expect(4);
    assert!(tickets.text().contains("which nobody approved"), "{}", tickets.text());

    // The month, signed; verified with the fingerprint alone; a changed byte is noticed.
    let print = console.run(["--quiet", "report", "key"]).expect(0).text();
    let print = print.lines().next().unwrap().to_owned();
    let month = now_month();
    for (kind, more) in [("html", None), ("pdf", Some("--pdf"))] {
        let file = path(&format!("report.{kind}"));
        let mut make = vow();
        make.args(["report", "make", "--tenant", "acme", "--month", &month, "--output"]).arg(&file);
        let _ = run(make.args(more).arg("--dir").arg(&console.dir)).expect(0);
        let verify = |key: &str| run(vow().args(["report", "verify", "--key", key]).arg(&file));
        let _ = verify(&print).expect(0);
        let _ = verify(&format!("SHA256:{}", "0".repeat(64))).expect(4);
        let bytes = fs::read(&file).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            fs::write(&file, bad).unwrap();
            let _ = verify(&print).expect(4);
        }
        fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
        let _ = verify(&print).expect(4);
        assert!(kind != "html" || String::from_utf8(bytes).unwrap().contains("which nobody approved"));
    }
}

/// The month that it is, UTC.
fn now_month() -> String {
    let done = run(std::process::Command::new("date").args(["-u", "+%Y-%m"])).expect(0);
    done.text().trim().to_owned()
}
