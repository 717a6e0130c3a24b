//! A host that grows: one thing after another is added to a machine, and nobody tells the plan. Each is found by the next audit, and the
//! lines that it offers, put into the plan as they are, close it: what was found is captured from then on. Then what must not change does:
//! the recovery key is another one, and the vault begins to forget what write-only means. The month's report says all of it.

mod loosened;

use loosened::Loosened;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vow_testkit::host::{scratch, vow};
use vow_testkit::shell::{Done, is_root, run};
use vow_testkit::{Lab, LabConsole, Machine, VaultServer};

const HOST: u8 = 1;
const VAULT: u8 = 2;
const CONSOLE: u8 = 3;
const DEADLINE: Duration = Duration::from_secs(120);

/// What is added, and what the next audit calls it.
const ADDED: [(&str, &str, &[&str]); 8] = [
    (
        "a mount",
        "truncate -s 32M /run/disk; mkfs.ext4 -q -F /run/disk; mkdir -p /data/customers
         mount -o loop /run/disk /data/customers; echo 'who owes what' >/data/customers/ledger.csv",
        &["mount:/data/customers"],
    ),
    (
        "a PostgreSQL database",
        "bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
         as() { setpriv --reuid=postgres --regid=postgres --init-groups --reset-env sh -c \"$1\"; }
         mkdir -p /run/postgresql; chown postgres /run/postgresql
         as \"$bin/initdb -A peer -D /var/lib/postgresql/main\" >/dev/null
         as \"$bin/pg_ctl -D /var/lib/postgresql/main -w -t 240 -s -l /run/postgresql/log \
             -o \\\"-k /run/postgresql -c listen_addresses=''\\\" start\"
         as \"$bin/psql -q -h /run/postgresql -c 'CREATE DATABASE shop'\"
         as \"$bin/psql -q -h /run/postgresql shop -c 'CREATE TABLE orders AS SELECT n FROM generate_series(1, 100) n'\"",
        &[
            "database:postgres /var/lib/postgresql/main/postgres",
            "database:postgres /var/lib/postgresql/main/shop",
            "database:postgres /var/lib/postgresql/main/template1",
            "folder:/var/lib/postgresql",
            "place:/var/lib/postgresql",
        ],
    ),
    (
        "a Redis",
        "mkdir -p /var/lib/redis; redis-server --port 6379 --bind 127.0.0.1 --dir /var/lib/redis --daemonize yes >/dev/null
         until redis-cli ping 2>/dev/null | grep -q PONG; do sleep 0.1; done; redis-cli set a 1 >/dev/null; redis-cli save >/dev/null",
        &[
            "database:redis redis://127.0.0.1:6379/0",
            "folder:/var/lib/redis",
            "place:/var/lib/redis",
            "service:redis-server",
        ],
    ),
    (
        "an SQLite file",
        "sqlite3 /srv/app.db 'CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)'",
        &["database:sqlite /srv/app.db"],
    ),
    (
        "a web root",
        "mkdir -p /data/shop /etc/nginx/sites-enabled; echo '<h1>shop</h1>' >/data/shop/index.html
         echo 'server { root /data/shop; }' >/etc/nginx/sites-enabled/shop",
        &["folder:/data/shop", "web-root:/data/shop"],
    ),
    (
        "a volume of a container",
        "mkdir -p /var/lib/docker/volumes/shop/_data; echo x >/var/lib/docker/volumes/shop/_data/file",
        &["folder:/var/lib/docker/volumes", "volume:/var/lib/docker/volumes/shop/_data"],
    ),
    (
        "a cron job",
        "mkdir -p /var/spool/cron/crontabs; echo '0 1 * * * /usr/local/bin/export' >/var/spool/cron/crontabs/root",
        &["crontab:/var/spool/cron/crontabs/root", "folder:/var/spool"],
    ),
    ("a file beside folders", "echo 'SELECT 1' >/data/dump.sql", &["files:/data"]),
];

struct World {
    lab: Arc<Lab>,
    machine: Machine,
    vault: VaultServer,
    console: LabConsole,
    folder: tempfile::TempDir,
}

impl World {
    /// A host with a plan that covers everything on it, a vault, and a console that watches both.
    #[track_caller]
    fn new() -> Self {
        let (folder, lab) = (scratch(), Arc::new(Lab::new(3)));
        let vault = VaultServer::at(&folder.path().join("vault")).on(&lab, VAULT).made(&[]);
        let mut console = LabConsole::new(&folder.path().join("console"), &lab, CONSOLE, Vec::new(), None);
        console.start();
        let watch = vault.token(&["--role", "console"]);
        let _ = console.run(&format!("vault add near {watch}"), &[]).expect(0);
        let machine = Machine::on(&lab, HOST);
        let who = ["--tenant", "acme", "--name", "web-1"];
        let (join, report) = (vault.token(&who), console.run("join-token --quiet", &who).expect(0).text());
        machine.sh("echo x >/var/lib/app/data");
        machine.sh(&format!(
            "vow init --dir /etc/vow --tenant acme --name web-1 --no-local --join '{join}' \
             --path /etc --path /home --path /root --path /srv --path /var/lib/app
             mv /etc/vow/recovery.agekey /run/kit
             vow --config /etc/vow/vow.toml console join '{}'
             vow --config /etc/vow/vow.toml backup",
            report.trim()
        ));
        Self { lab, machine, vault, console, folder }
    }

    fn vow(&self, words: &[&str]) -> Done {
        self.machine.run(&[&["vow", "--config", "/etc/vow/vow.toml"], words].concat())
    }

    /// What an audit finds, by name.
    #[track_caller]
    fn audit(&self, more: &[&str]) -> Vec<Value> {
        let done = self.vow(&[&["audit", "--json"], more].concat()).expect_one_of(&[0, 4]);
        let found = done.summary()["findings"].as_array().unwrap().clone();
        assert_eq!(done.code == Some(0), found.is_empty(), "{}", done.story());
        found
    }

    /// Puts every line that is offered into the plan.
    fn close(&self, found: &[Value]) {
        let lines: String =
            found.iter().filter_map(|one| Some(format!("\n{}", one["offer"].as_str()?))).collect();
        fs::write(self.machine.shared("offered"), lines).unwrap();
        self.machine.sh("cat /out/offered >>/etc/vow/vow.toml");
    }

    /// Waits until the console's own audit answers so; what the host has to tell is sent meanwhile.
    #[track_caller]
    fn wait_for(&self, check: &str, about: &str, answer: &str) -> Value {
        let began = Instant::now();
        loop {
            let done = self.console.run("audit --json --tenant acme", &[]).expect_one_of(&[0, 4, 10]);
            let checked =
                if done.code == Some(10) { Value::Null } else { done.summary()["result"]["checked"].clone() };
            let all = checked.as_array().into_iter().flatten();
            let one = all.rev().find(|one| one["check"] == check && one["about"] == about);
            if let Some(one) = one.filter(|one| one["answer"] == answer) {
                return one.clone();
            }
            assert!(
                began.elapsed() < DEADLINE,
                "{check} of {about} is not {answer}: {one:?}\n{}",
                self.console.log()
            );
            let _ = self.vow(&["audit", "--offline"]).expect_one_of(&[0, 4]);
        }
    }

    /// Writes down that this recovery key is approved, and no other; the tenant is known with the host's first report.
    #[track_caller]
    fn approve(&self, fingerprint: &str) {
        let policy = json!({"copies": 2, "media": 1, "offsite": 0, "immutable": 0, "identities": 1});
        let approved = json!([{"fingerprint": fingerprint, "holder": "safe"}]);
        let records = json!({"owner": "Ann", "contact": "ann@example.net", "recipients": approved});
        let file = |name: &str, content: Value| {
            let path = self.folder.path().join(name);
            fs::write(&path, content.to_string()).unwrap();
            path.display().to_string()
        };
        let (policy, records) = (file("policy.json", policy), file("records.json", records));
        let began = Instant::now();
        loop {
            let set = ["--set", &policy, "--records", &records];
            let done = self.console.run("policy --tenant acme", &set).expect_one_of(&[0, 10]);
            if done.code == Some(0) {
                return;
            }
            assert!(began.elapsed() < DEADLINE, "{}", done.story());
            let _ = self.vow(&["audit", "--offline"]).expect_one_of(&[0, 4]);
        }
    }
}

fn names(found: &[Value]) -> BTreeSet<&str> {
    found.iter().map(|one| one["finding"].as_str().unwrap()).collect()
}

#[test]
fn what_is_added_is_found_closed_by_what_is_offered_and_what_must_not_change_is_found_too() {
    if !is_root("what_is_added_is_found_closed_by_what_is_offered_and_what_must_not_change_is_found_too") {
        return;
    }
    let mut world = World::new();
    let found = world.audit(&[]);
    assert!(found.is_empty(), "{found:#?}");
    for (what, how, expected) in ADDED {
        world.machine.sh(how);
        let found = world.audit(&["--offline"]);
        assert_eq!(names(&found), expected.iter().copied().collect(), "{what}: {found:#?}");
        world.close(&found);
        // Only that the new sources have nothing yet is left, and they have when they have run.
        let left = world.audit(&["--offline"]);
        let added: Vec<_> =
            names(&left).iter().map(|name| name.strip_prefix("keys:").unwrap_or("?").to_owned()).collect();
        assert!(!added.is_empty() && !added.contains(&"?".to_owned()), "{what}: {left:#?}");
        let words: Vec<_> = ["backup"].into_iter().chain(added.iter().map(String::as_str)).collect();
        let _ = world.vow(&words).expect(0);
        let left = world.audit(&["--offline"]);
        assert!(left.is_empty(), "{what}: {left:#?}");
    }
    let found = world.audit(&[]);
    assert!(found.is_empty(), "{found:#?}");
    another_recovery_key(&world);
    a_loosened_vault(&mut world);
    the_report(&world);
}

/// Somebody puts a key into the plan that nobody approved.
#[track_caller]
fn another_recovery_key(world: &World) {
    let keys = world.vow(&["key", "list", "--json"]).expect_one_of(&[0, 4]).summary();
    world.approve(keys["recipients"][0]["fingerprint"].as_str().unwrap());
    world.wait_for("recipients", "web-1/files", "pass");
    let wrong = world.machine.sh("vow --quiet key new --output /run/wrong.agekey");
    let replace =
        format!("sed -i 's/^recipients = .*/recipients = [\"{}\"]/' /etc/vow/vow.toml", wrong.trim());
    world.machine.sh(&replace);
    let found = world.audit(&["--offline"]);
    let is_critical = |one: &Value| one["check"] == "keys" && one["severity"] == "critical";
    assert!(!found.is_empty() && found.iter().all(is_critical), "{found:#?}");
    // Once everything is sealed to it the host sees nothing any more: the console does.
    let _ = world.vow(&["backup"]).expect(0);
    assert_eq!(names(&world.audit(&["--offline"])), BTreeSet::new());
    let found = world.wait_for("recipients", "web-1/files", "finding");
    assert_eq!(found["severity"], "critical");
    assert!(found["sentence"].as_str().unwrap().contains("which nobody approved"), "{found:#}");
}

/// What is in the vault can be written over and deleted from now on, with the host's own key. The audit finds that out, and costs no snapshot.
#[track_caller]
fn a_loosened_vault(world: &mut World) {
    world.machine.sh("cp /etc/vow/keys/host.key /out/host.key");
    let host_key = world.machine.shared("host.key");
    let before = objects(&world.vault);
    let everything = "packs|lists|manifests|index";
    let mut loosened = Loosened::before(&mut world.vault, (&world.lab, VAULT), &host_key, everything);
    for (kinds, kind) in [(everything, "pack list"), ("manifests", "manifest")] {
        loosened.now(kinds);
        let found = world.audit(&[]);
        for attack in [format!("delete a {kind}"), format!("overwrite a {kind} with other bytes")] {
            let name = format!("write-only:remote/{attack}");
            let one = found.iter().find(|one| one["finding"] == name.as_str());
            let one = one.unwrap_or_else(|| panic!("{name} is not in {found:#?}"));
            assert_eq!(one["severity"], "critical", "{one:#}");
            let again = one["text"].as_str().unwrap().contains("was committed again");
            assert_eq!(again, kind == "manifest", "{one:#}");
        }
        let after = objects(&world.vault);
        let lost: Vec<_> = before.difference(&after).map(|(path, _)| path).collect();
        assert!(lost.is_empty(), "the audit cost what it was to guard: {lost:?}");
    }
    drop(loosened);
    let began = Instant::now();
    while !world
        .console
        .run("tickets --json", &[])
        .expect(4)
        .text()
        .contains("lets this host delete a manifest")
    {
        assert!(
            began.elapsed() < DEADLINE,
            "no ticket for a vault that is loosened\n{}",
            world.console.log()
        );
        let _ = world.vow(&["agent", "--once"]);
    }
}

/// Every object that snapshots may need, with its content; not those that are made to be lost.
fn objects(vault: &VaultServer) -> BTreeSet<(String, Vec<u8>)> {
    let mut found = BTreeSet::new();
    let mut folders = vec![vault.store().join("hosts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).unwrap();
            if !content.starts_with(b"Made to be lost") {
                found.insert((path.display().to_string(), content));
            }
        }
    }
    found
}

/// The month's report, verified by whoever has the public key and nothing else.
#[track_caller]
fn the_report(world: &World) {
    let at = world.folder.path().join("console").display().to_string();
    let there = |words: &[&str]| {
        let mut command = vow();
        run(&mut world.lab.command(CONSOLE, command.args(words).args(["--dir", &at]))).expect(0).text()
    };
    let key = world.folder.path().join("report.key");
    fs::write(&key, there(&["--quiet", "report", "key"])).unwrap();
    let month = run(std::process::Command::new("date").args(["-u", "+%Y-%m"])).expect(0).text();
    for (name, more) in [("report.html", None), ("report.pdf", Some("--pdf"))] {
        let file = world.folder.path().join(name);
        let mut words = vec!["report", "make", "--tenant", "acme", "--month", month.trim(), "--output"];
        let path = file.display().to_string();
        words.push(&path);
        words.extend(more);
        let _ = there(&words);
        let verify = || run(vow().args(["report", "verify", "--key"]).arg(&key).arg(&file));
        let _ = verify().expect(0);
        let bytes = fs::read(&file).unwrap();
        if more.is_none() {
            let text = String::from_utf8(bytes.clone()).unwrap();
            for said in ["which nobody approved", "lets this host delete a pack", "mount:/data/customers"] {
                assert!(text.contains(said), "the report does not say {said:?}");
            }
        }
        let half = bytes.len() / 2;
        fs::write(&file, [&bytes[..half], b"x", &bytes[half + 1..]].concat()).unwrap();
        if bytes[half] != b'x' {
            let _ = verify().expect(4);
        }
    }
}
