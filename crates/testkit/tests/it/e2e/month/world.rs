//! The machines, what a day does to them, and what is held against what in the end.

use super::customer::{Customer, Noted, On, Server, TABLE};
use super::days::Day;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vow_testkit::host::{files_below, scratch, vow};
use vow_testkit::shell;
use vow_testkit::{Calendar, Dice, Lab, LabConsole, Moto, Tree, VaultServer, mariadb, postgres, redis};

/// Machines of the lab. 1 and 2 are those of the customers.
const NEAR: u8 = 3;
const FAR: u8 = 4;
const CONSOLE: u8 = 5;
const DRILLS: u8 = 6;
const MACHINES: u8 = 6;

/// A month is not to be kept for a year.
const RULES: &str = "keep_last = 3\nkeep_hourly = 0\nkeep_daily = 5\nkeep_weekly = 2\nkeep_monthly = 1\nkeep_yearly = 0\n\
    keep_within = \"2d\"\nlock = \"2d\"\ngrace = \"1d\"\ntighten_after = \"1d\"\nshare_percent = 60\n";

/// Rules about what is in a snapshot.
const CONTENT: [&str; 6] = ["entropy", "changed", "types", "new-bytes", "size", "trees"];

/// A rule and what it speaks about, as in the key of a ticket.
type Expected = (&'static str, String);

pub(super) struct World {
    calendar: Calendar,
    lab: Arc<Lab>,
    near: VaultServer,
    far: VaultServer,
    console: LabConsole,
    /// What the console's records are in.
    records: postgres::Server,
    customers: Vec<Customer>,
    dice: Dice,
    /// What has happened so far.
    days: Vec<Day>,
    /// The tickets that there must be in the end.
    expected: BTreeSet<Expected>,
    /// Sources whose files were encrypted: one of the rules about content must have spoken, whichever.
    taken_over: BTreeSet<String>,
    token: String,
    // These go last: everything above runs on them.
    _moto: Moto,
    folder: TempDir,
}

impl World {
    /// Everything made, joined and watched, on the evening before day 0.
    #[track_caller]
    pub(super) fn new(mut dice: Dice) -> Self {
        let (calendar, folder, lab) = (Calendar::new(), scratch(), Arc::new(Lab::new(MACHINES)));
        // It lives by the machine's clock: what is locked until a later day than that is not let go.
        let moto = Moto::start_on(&lab, FAR);
        moto.bucket("offsite", true);
        let vault = |name: &str, machine, env| {
            VaultServer::at(&folder.path().join(name)).with_env(env).on(&lab, machine)
        };
        let near = vault("near", NEAR, calendar.env()).made(&[]);
        let bucket = ["--storage", "s3://offsite/vow", "--despite-lock"];
        let far = vault("far", FAR, [calendar.env(), moto.env()].concat()).made(&bucket);
        let rules = folder.path().join("rules.toml");
        fs::write(&rules, RULES).unwrap();
        for vault in [&near, &far] {
            let _ = vault
                .keep("retain", &["--set", &rules.display().to_string(), "--note", "a short month"])
                .expect(0);
        }
        far.follow(&near);
        near.follow(&far);
        let records = postgres::Server::start();
        records.sql("postgres", "CREATE DATABASE console");
        let database = records.url().replace("postgres://postgres@/?", "postgres:///console?user=postgres&");
        let at = folder.path().join("console");
        let console = LabConsole::new(&at, &lab, CONSOLE, calendar.env(), Some(&database));
        for (name, vault) in [("near", &near), ("far", &far)] {
            let token = vault.token(&["--role", "console"]);
            let _ = console.run(&format!("vault add {name} {token}"), &[]).expect(0);
        }
        let token = console.run("token add month --role administrator --quiet", &[]).expect(0).text();
        let servers =
            || [Server::Postgres(postgres::Server::start()), Server::Postgres(postgres::Server::start())];
        let others =
            || [Server::Mariadb(mariadb::Server::start()), Server::Mariadb(mariadb::Server::start())];
        let customers = vec![
            Customer::new("acme", "web-1", 1, folder.path(), servers(), &mut dice),
            Customer::new("globex", "db-1", 2, folder.path(), others(), &mut dice),
        ];
        let mut world = Self {
            calendar,
            lab,
            near,
            far,
            console,
            records,
            customers,
            dice,
            days: Vec::new(),
            expected: BTreeSet::new(),
            taken_over: BTreeSet::new(),
            token: token.trim().to_owned(),
            _moto: moto,
            folder,
        };
        world.console.start();
        // Agents are woken twice a day here, not every five minutes.
        let settings = json!({"host_silent_secs": 100_000, "version_min": null});
        world.console.api(&world.token, "/api/v1/rules", Some(&settings));
        for customer in &world.customers {
            let who = ["--tenant", customer.tenant, "--name", customer.name];
            let vault = world.near.token(&who);
            let console = world.console.run("join-token --quiet", &who).expect(0).text();
            customer.join(&world.on(), &vault, console.trim());
        }
        world
    }

    fn on(&self) -> On<'_> {
        On { lab: &self.lab, calendar: &self.calendar }
    }

    /// It is another time: the console begins anew with it, as after a restart, so that it looks at everything at once.
    #[track_caller]
    fn turn(&mut self, day: u32, hour: u32) {
        self.console.stop();
        self.calendar.turn(day, hour, 1);
        self.console.start();
    }

    /// Waits until the console has looked at everything since that hour.
    #[track_caller]
    fn looked(&self, day: u32, hour: u32) {
        let since = self.calendar.seconds(day, hour, 0);
        let looked = format!(
            "SELECT (SELECT min(judged_secs) FROM hosts) >= {since} AND (SELECT min(judged_secs) FROM sources) >= {since}"
        );
        let began = Instant::now();
        while self.records.sql("console", &looked) != "t" {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "the console does not look\n{}",
                self.console.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// One day.
    #[track_caller]
    pub(super) fn live(&mut self, number: u32, day: Day) {
        println!("day {number}: {day:?}");
        self.days.push(day);
        self.turn(number, 2);
        for customer in &mut self.customers {
            customer.work(&mut self.dice);
        }
        let codes = self.morning(number, day);
        for (at, code) in codes.into_iter().enumerate() {
            let customer = &mut self.customers[at];
            let on = On { lab: &self.lab, calendar: &self.calendar };
            let done = customer.wake(&on, number);
            assert!(
                done.code.is_some_and(|found| code.contains(&found)),
                "day {number}: {day:?}\n{}",
                done.story()
            );
        }
        self.noon(day);
        self.look_after();
        self.turn(number, 8);
        self.evening(number, day);
        if number % 4 == 2 {
            self.drill();
        }
        self.looked(number, 8);
    }

    /// Before the agents wake. The exit codes that each of them may end with.
    #[track_caller]
    fn morning(&mut self, number: u32, day: Day) -> [&'static [i32]; 2] {
        let mut codes: [&'static [i32]; 2] = [&[0], &[0]];
        match day {
            Day::Cable(who) => {
                self.lab.pull(self.customers[who].machine);
                for source in ["files", "db"] {
                    // The host says so when it is heard again, and the vault says so before.
                    self.expect("partial", who, source);
                    self.expect("missing", who, source);
                }
            }
            Day::Full(who) => {
                // What is left is less than any pack needs.
                let filler = self.customers[who].disk.path().join("filler");
                assert!(fs::write(filler, vec![1_u8; 64 << 20]).is_err(), "the disk is full");
                self.expect("partial", who, "files");
                self.expect("partial", who, "db");
            }
            Day::Dropped(who) => {
                self.customers[who].server.sql(&drop_table(&self.customers[who].server));
                self.expect("objects", who, "db");
            }
            Day::TakenOver(who) => self.encrypt(who),
            Day::Killed(who) => self.kill(who, number),
            Day::Rot | Day::Quiet | Day::Appears(_) => {}
        }
        if let Day::Cable(who) | Day::Full(who) = day {
            codes[who] = &[0, 3];
        }
        codes
    }

    fn expect(&mut self, rule: &'static str, who: usize, source: &str) {
        self.expected.insert((rule, format!("source/{}/{source}", self.customers[who].name)));
    }

    /// After the agents have slept again.
    #[track_caller]
    fn noon(&mut self, day: Day) {
        match day {
            Day::Cable(who) => self.lab.plug(self.customers[who].machine),
            Day::Full(who) => fs::remove_file(self.customers[who].disk.path().join("filler")).unwrap(),
            Day::TakenOver(who) => self.attack(who),
            Day::Appears(who) => self.appears(who),
            _ => {}
        }
    }

    /// What is mended in the evening.
    #[track_caller]
    fn evening(&mut self, number: u32, day: Day) {
        match day {
            Day::Dropped(who) => self.bring_back_the_table(who, number),
            Day::TakenOver(who) => {
                let before = format!("files@{}", self.last_without(day, number));
                let kit = self.customers[who].kit_text();
                let words = ["restore", &before, "--identity", &kit, "--target", "/"];
                let _ = self.customers[who].run(&self.on(), &words).expect(0);
            }
            Day::Rot => self.rot(),
            _ => {}
        }
    }

    /// The last day before this one on which that had not happened: what was captured then is good.
    fn last_without(&self, what: Day, number: u32) -> String {
        let good = (0..number).rev().find(|day| self.days[*day as usize] != what);
        self.date(good.expect("the first days are quiet"))
    }

    fn date(&self, day: u32) -> String {
        let seconds = format!("@{}", self.calendar.seconds(day, 12, 0));
        shell::tool("date", ["-u", "-d", &seconds, "+%F"]).trim().to_owned()
    }

    /// What looks after the vaults every day: copies, retention.
    #[track_caller]
    fn look_after(&mut self) {
        // What is being copied looks old to the far one's own sweep, for files have the time of the machine: a commit is refused rather than
        // short of an object, and the next pull sends again what it lacks.
        let pull = || self.far.keep("replicate", &["--from", &self.near.url()]);
        if pull().expect_one_of(&[0, 3]).code == Some(3) {
            let _ = pull().expect(0);
        }
        // The far one sweeps by itself, as it is served.
        self.sweep();
    }

    /// Sweeps the vault near by. What it copies from the far one just then looks like a commit that was cut short, for files have the time of
    /// the machine and not of the calendar; that passes.
    #[track_caller]
    fn sweep(&self) {
        let began = Instant::now();
        loop {
            let done = self.near.keep("sweep", &[]).expect_one_of(&[0, 4]);
            if done.code == Some(0) {
                return;
            }
            let is_copying = done.said().contains("are not in the ledger");
            assert!(is_copying && began.elapsed() < Duration::from_secs(60), "{}", done.story());
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// The newest snapshots are restored on a machine of their own, and compared with their truth.
    #[track_caller]
    fn drill(&self) {
        for customer in &self.customers {
            let names = ["files", "db"].map(|source| format!("{}/{source}@latest", customer.name));
            let state = self.folder.path().join("drills").display().to_string();
            let (near, kit) = (self.near.url(), customer.kit_text());
            let mut command = vow();
            command
                .args(["drill", "--json", "--vault", &near, "--identity", &kit, "--state", &state])
                .args(&names);
            let _ = self.on().run(DRILLS, &mut command).expect(0);
        }
    }

    fn encrypt(&mut self, who: usize) {
        for page in 0..30 {
            let path = self.customers[who].web.join(format!("page-{page}.html"));
            let length = fs::metadata(&path).unwrap().len();
            fs::write(path, self.dice.bytes(length as usize)).unwrap();
        }
        self.taken_over.insert(format!("source/{}/files", self.customers[who].name));
    }

    /// With the host's own key: everything is refused, and nothing in the vault is another than before, but for what the attack brings along
    /// to be lost.
    #[track_caller]
    fn attack(&mut self, who: usize) {
        let store = self.near.store();
        let entries = || files_below(&store.join("ledger")).len();
        for _ in 0..5 {
            // What the vault itself has to remove goes first.
            self.sweep();
            let (written, all_before) = (entries(), Tree::read(&store));
            let done = self.customers[who].run(&self.on(), &["audit", "--json"]).expect_one_of(&[0, 4]);
            let brought = |path: &[u8]| {
                let lost = || {
                    let content = fs::read(store.join(OsStr::from_bytes(path)));
                    content.is_ok_and(|content| content.starts_with(b"Made to be lost"))
                };
                let words: Vec<_> = path.split(|byte| *byte == b'/').collect();
                // The folder that it comes to, and those that it passes.
                matches!(words[..], [b"tmp"] | [b"hosts", _] | [b"hosts", _, b"lists"])
                    || matches!(words[..], [b"hosts", _, b"lists", _]) && lost()
            };
            let before = all_before.filtered(|path| !brought(path));
            let after = Tree::read(&store).filtered(|path| !brought(path));
            let found = done.summary();
            let attacks = found["attacks"].as_array().unwrap();
            assert!(attacks.len() > 5, "{found}");
            for attack in attacks {
                assert_eq!(attack["outcome"], "refused", "{attack}");
            }
            // It looked after itself meanwhile when its ledger says so: then once more.
            if entries() == written {
                return before.assert_equals(&after, "the vault under attack");
            }
        }
        panic!("the vault never rests\n{}", self.near.log());
    }

    /// A run and the vault it sends to end in the middle of it, whenever that is.
    #[track_caller]
    fn kill(&mut self, who: usize, number: u32) {
        let wait = Duration::from_millis(self.dice.below(600) as u64);
        let customer = &self.customers[who];
        let run = shell::start(&mut self.on().command(customer.machine, &mut customer.command(&["backup"])));
        std::thread::sleep(wait);
        self.near.kill();
        let _ = run.kill();
        self.near.start();
        let on = On { lab: &self.lab, calendar: &self.calendar };
        self.customers[who].note(&on, number);
    }

    /// A byte of a pack turns. The scrub finds it, and heals it from the copy.
    #[track_caller]
    fn rot(&mut self) {
        let packs = files_below(&self.near.store());
        let packs: Vec<_> = packs.iter().filter(|path| path.to_string_lossy().contains("/packs/")).collect();
        let pack = packs[self.dice.below(packs.len())];
        let mut bytes = fs::read(pack).unwrap();
        let at = self.dice.below(bytes.len());
        bytes[at] ^= 1 << self.dice.below(8);
        fs::set_permissions(pack, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(pack, &bytes).unwrap();
        let _ = self.near.keep("scrub --dry-run", &[]).expect(4);
        let _ = self.near.keep("scrub", &["--from", &self.far.url()]).expect(0);
        let _ = self.near.keep("scrub --dry-run", &[]).expect(0);
    }

    #[track_caller]
    fn appears(&mut self, who: usize) {
        let server = redis::Server::start();
        let done = self.customers[who].run(&self.on(), &["audit", "--json", "--offline"]).expect(4);
        let place = server.path("s").display().to_string();
        assert!(done.text().contains(&place), "{place}\n{}", done.story());
    }

    #[track_caller]
    fn bring_back_the_table(&mut self, who: usize, number: u32) {
        let before = format!("db@{}", self.last_without(Day::Dropped(who), number));
        let customer = &self.customers[who];
        let (kit, url) = (customer.kit_text(), customer.server.url());
        let words =
            ["restore", &before, "--identity", &kit, "--into", &url, "--database", "shop", "--table", TABLE];
        let _ = customer.run(&self.on(), &words).expect(0);
        assert_eq!(customer.server.sql(&format!("SELECT count(*) FROM {TABLE}")), "2");
        customer
            .server
            .sql(&format!("CREATE VIEW seen_{TABLE} AS SELECT id, what FROM {TABLE} WHERE id > 1"));
    }

    /// Every snapshot of this vault, restored where nothing is known but the kits; and that none is lacking which retention keeps.
    #[track_caller]
    fn compare(&self, vault: &VaultServer, last: u32) {
        let url = vault.url();
        for customer in &self.customers {
            let kept = customer.snapshots(&self.on(), DRILLS, &url).expect("the vault answers");
            for (id, noted) in &customer.truths {
                let newer = |other: &&Noted| other.source == noted.source && other.day > noted.day;
                let among_the_last = customer.truths.values().filter(newer).count() < 3;
                let must = among_the_last || noted.day + 2 > last;
                assert!(
                    !must || kept.iter().any(|(other, _)| other == id),
                    "{id} of day {} is gone",
                    noted.day
                );
            }
            assert!(kept.len() >= 8, "{kept:?}");
            println!(
                "{}: {} of {} snapshots are kept in {url}",
                customer.name,
                kept.len(),
                customer.truths.len()
            );
            for (id, _) in &kept {
                customer.compare(&self.on(), DRILLS, &url, id);
            }
        }
    }

    #[track_caller]
    pub(super) fn compare_all_that_is_near(&self, last: u32) {
        self.compare(&self.near, last);
    }

    /// The hosts, their own vaults and the vault near by are gone.
    #[track_caller]
    pub(super) fn burn(&mut self, day: u32) {
        self.turn(day, 2);
        self.near.kill();
        fs::remove_dir_all(self.near.dir()).unwrap();
        for customer in &self.customers {
            fs::remove_dir_all(customer.own_vault()).unwrap();
            fs::remove_dir_all(&customer.dir).unwrap();
            fs::remove_dir_all(&customer.web).unwrap();
            self.expected.insert(("host-silent", format!("host/{}", customer.name)));
        }
        self.expected.insert(("vault-silent", "vault/near".into()));
        // Silence counts from when the console listens: it goes on for two days.
        self.calendar.turn(day + 2, 8, 1);
        self.looked(day + 2, 8);
        let began = Instant::now();
        while !self.console.run("tickets --json", &[]).expect(4).text().contains("vault-silent") {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "nobody misses the vault\n{}",
                self.console.log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    #[track_caller]
    pub(super) fn restore_everything_from_afar(&self, last: u32) {
        self.compare(&self.far, last);
    }

    /// The tickets of all that time are those that were expected.
    #[track_caller]
    pub(super) fn assert_tickets(&self) {
        let mut found = BTreeMap::new();
        for which in ["tickets --json", "tickets --closed --json"] {
            let all = self.console.run(which, &[]).expect_one_of(&[0, 4]).summary();
            for ticket in all["tickets"].as_array().unwrap() {
                let key =
                    ticket["key"].as_str().unwrap().splitn(3, '/').map(str::to_owned).collect::<Vec<_>>();
                found.insert((key[1].clone(), key[2].clone()), ticket.clone());
            }
        }
        for source in &self.taken_over {
            let spoke = CONTENT.iter().any(|rule| found.contains_key(&((*rule).to_owned(), source.clone())));
            assert!(spoke, "nobody noticed that {source} was encrypted: {found:#?}");
        }
        // What else runs on this machine is seen by every audit on it. What was encrypted, and restored, is unusual in many ways.
        found.retain(|(rule, what), _| {
            // Days without any work at the end leave the clock of the far vault in doubt, once it looks.
            rule != "audit"
                && rule != "vault-finding"
                && !(CONTENT.contains(&rule.as_str()) && self.taken_over.contains(what))
        });
        let expected: BTreeSet<_> =
            self.expected.iter().map(|(rule, what)| ((*rule).to_owned(), what.clone())).collect();
        let surplus: Vec<_> = found.iter().filter(|(key, _)| !expected.contains(key)).collect();
        let lacking: Vec<_> = expected.iter().filter(|key| !found.contains_key(key)).collect();
        let said = |(key, ticket): &(&(String, String), &Value)| format!("{key:?}: {}", ticket["sentence"]);
        let surplus: Vec<_> = surplus.iter().map(said).collect();
        assert!(surplus.is_empty() && lacking.is_empty(), "too many: {surplus:#?}\ntoo few: {lacking:?}");
    }
}

fn drop_table(server: &Server) -> String {
    match server {
        Server::Postgres(_) => format!("DROP TABLE {TABLE} CASCADE"),
        Server::Mariadb(_) => format!("DROP VIEW seen_{TABLE}; DROP TABLE {TABLE}"),
    }
}
