//! A customer: a host with a web site, a database server and a vault of its own, and what was true of each of its snapshots.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use vow_testkit::host::{below, scratch, vow};
use vow_testkit::shell::{self, Done};
use vow_testkit::{Calendar, Dice, Lab, Tree, Volume, mariadb, postgres};

/// A snapshot that was acknowledged.
pub(super) struct Noted {
    pub(super) day: u32,
    pub(super) source: String,
    truth: Truth,
}

/// What a snapshot must give back.
enum Truth {
    /// These files.
    Files(Tree),
    /// A database of which a dump says this.
    Script(String),
}

/// A database server of one kind or the other.
pub(super) enum Server {
    Postgres(postgres::Server),
    Mariadb(mariadb::Server),
}

pub(super) struct Customer {
    pub(super) tenant: &'static str,
    pub(super) name: &'static str,
    pub(super) machine: u8,
    pub(super) web: PathBuf,
    pub(super) server: Server,
    /// Where restored databases are looked at.
    yard: Server,
    /// The disk with its own vault.
    pub(super) disk: Volume,
    pub(super) dir: PathBuf,
    /// Where the recovery kit was put away.
    pub(super) kit: PathBuf,
    /// What is true of each acknowledged snapshot, by its id.
    pub(super) truths: BTreeMap<String, Noted>,
    rows: u32,
}

pub(super) const TABLE: &str = "notes";

impl Server {
    pub(super) fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Mariadb(server) => server.url(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Mariadb(_) => "mariadb",
        }
    }

    #[track_caller]
    pub(super) fn sql(&self, sql: &str) -> String {
        match self {
            Self::Postgres(server) => server.sql("shop", sql),
            Self::Mariadb(server) => server.sql("shop", sql),
        }
    }

    fn without_shop(&self) {
        match self {
            Self::Postgres(server) => drop(server.sql("postgres", "DROP DATABASE IF EXISTS shop")),
            Self::Mariadb(server) => drop(server.sql("", "DROP DATABASE IF EXISTS shop")),
        }
    }

    fn make_shop(&self) {
        match self {
            Self::Postgres(server) => drop(server.sql("postgres", "CREATE DATABASE shop")),
            Self::Mariadb(server) => drop(server.sql("", "CREATE DATABASE shop")),
        }
    }

    fn script(&self) -> String {
        match self {
            Self::Postgres(server) => server.script("shop", &["--no-owner"]),
            Self::Mariadb(server) => server.script(&["shop"]),
        }
    }
}

impl Customer {
    /// Makes the host on its machine, with content.
    pub(super) fn new(
        tenant: &'static str,
        name: &'static str,
        machine: u8,
        at: &Path,
        [server, yard]: [Server; 2],
        dice: &mut Dice,
    ) -> Self {
        let (dir, web) = (at.join(name), at.join(format!("{name}-web")));
        fs::create_dir_all(web.join("images")).unwrap();
        let disk = Volume::tmpfs("size=64m,mode=0755");
        let kit = at.join(format!("{name}.kit"));
        let mut customer = Self {
            tenant,
            name,
            machine,
            web,
            server,
            yard,
            disk,
            dir,
            kit,
            truths: BTreeMap::new(),
            rows: 0,
        };
        for page in 0..40 {
            customer.write_page(page, dice);
        }
        for image in 0..10 {
            fs::write(customer.web.join(format!("images/{image}.bin")), dice.bytes(20_000)).unwrap();
        }
        customer.server.make_shop();
        customer.server.sql("CREATE TABLE orders (id INT PRIMARY KEY, what VARCHAR(200))");
        for table in [TABLE, "parts", "people"] {
            customer.server.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, what VARCHAR(200))"));
            customer.server.sql(&format!("INSERT INTO {table} VALUES (1, 'one'), (2, 'two')"));
            customer
                .server
                .sql(&format!("CREATE VIEW seen_{table} AS SELECT id, what FROM {table} WHERE id > 1"));
        }
        customer.insert(200);
        customer
    }

    fn write_page(&self, number: usize, dice: &mut Dice) {
        let words = ["backup", "restore", "vault", "proof", "ledger", "console", "drill", "audit"];
        let text: String = (0..300).map(|_| format!("{} ", dice.pick(&words))).collect();
        let page = format!("<!doctype html>\n<title>{number}</title>\n<p>{text}</p>\n");
        fs::write(self.web.join(format!("page-{number}.html")), page).unwrap();
    }

    fn insert(&mut self, count: u32) {
        let rows: Vec<_> = (self.rows..self.rows + count).map(|id| format!("({id}, 'order {id}')")).collect();
        self.rows += count;
        self.server.sql(&format!("INSERT INTO orders VALUES {}", rows.join(", ")));
    }

    /// An ordinary day.
    pub(super) fn work(&mut self, dice: &mut Dice) {
        for _ in 0..4 {
            let page = dice.below(40);
            self.write_page(page, dice);
        }
        self.insert(20);
    }

    /// The plan: a vault on its own disk, the one near by, the console.
    #[track_caller]
    pub(super) fn join(&self, on: &On<'_>, vault_token: &str, console_token: &str) {
        let words =
            ["init", "--tenant", self.tenant, "--name", self.name, "--no-local", "--join", vault_token];
        let mut command = vow();
        command.args(words).arg("--dir").arg(&self.dir).arg("--path").arg(&self.web);
        let _ = on.run(self.machine, &mut command).expect(0);
        fs::rename(self.dir.join("recovery.agekey"), &self.kit).unwrap();
        let plan = fs::read_to_string(self.config()).unwrap();
        let plan = plan.replace("name = \"files\"", "name = \"files\"\nschedule = \"0 2 * * *\"");
        let own = format!(
            "{plan}\n[[source]]\nname = \"db\"\ntype = {:?}\nurl = {:?}\nschedule = \"0 2 * * *\"\n\n\
             [[vault]]\nname = \"own\"\npath = {:?}\n\n[agent]\ntime_zone = \"UTC\"\naudit = \"never\"\n",
            self.server.kind(),
            self.server.url(),
            self.own_vault().display().to_string(),
        );
        fs::write(self.config(), own).unwrap();
        let _ = self.run(on, &["vault", "init", "own"]).expect(0);
        let _ = self.run(on, &["console", "join", console_token]).expect(0);
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("vow.toml")
    }

    pub(super) fn own_vault(&self) -> PathBuf {
        self.disk.path().join("vault")
    }

    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = vow();
        command.arg("--config").arg(self.config()).args(words);
        command
    }

    /// A command of this host's, on its machine.
    pub(super) fn run(&self, on: &On<'_>, words: &[&str]) -> Done {
        on.run(self.machine, &mut self.command(words))
    }

    /// What its agent does when it is woken, and what is true of the snapshots that were acknowledged meanwhile.
    #[track_caller]
    pub(super) fn wake(&mut self, on: &On<'_>, day: u32) -> Done {
        let done = self.run(on, &["agent", "--once"]);
        self.note(on, day);
        done
    }

    /// Notes what is true of the snapshots that are new.
    #[track_caller]
    pub(super) fn note(&mut self, on: &On<'_>, day: u32) {
        for vault in ["own", "remote"] {
            for (id, source) in self.snapshots(on, self.machine, vault).unwrap_or_default() {
                if self.truths.contains_key(&id) {
                    continue;
                }
                let truth = match source.as_str() {
                    "files" => Truth::Files(Tree::read(&self.web)),
                    _ => Truth::Script(self.server.script()),
                };
                self.truths.insert(id, Noted { day, source, truth });
            }
        }
    }

    /// This customer's snapshots in a vault, seen from a machine with the kit: ids and sources. None when it is out of reach.
    #[track_caller]
    pub(super) fn snapshots(&self, on: &On<'_>, machine: u8, vault: &str) -> Option<Vec<(String, String)>> {
        let words = ["snapshots", "--json", "--vault", vault, "--identity", &self.kit_text()];
        let mut command = if vault.contains(':') { bare(&words) } else { self.command(&words) };
        let done = on.run(machine, &mut command);
        let listed = done.summary()["snapshots"].as_array().cloned()?;
        let text = |snapshot: &Value, key: &str| snapshot[key].as_str().unwrap_or_default().to_owned();
        let all = listed.iter().map(|snapshot| (text(snapshot, "id"), text(snapshot, "source")));
        Some(all.collect())
    }

    pub(super) fn kit_text(&self) -> String {
        self.kit.display().to_string()
    }

    /// Restores a snapshot of this customer's, from this vault, on this machine, with nothing but the kit; and compares it.
    #[track_caller]
    pub(super) fn compare(&self, on: &On<'_>, machine: u8, vault: &str, id: &str) {
        let noted = self.truths.get(id).unwrap_or_else(|| panic!("{id} was never seen on {}", self.name));
        let mut command = bare(&["restore", id, "--json", "--vault", vault, "--identity", &self.kit_text()]);
        match &noted.truth {
            Truth::Files(tree) => {
                let target = scratch();
                let _ = on.run(machine, command.arg("--target").arg(target.path())).expect(0);
                tree.assert_equals(&Tree::read(&below(target.path(), &self.web)), id);
            }
            Truth::Script(script) => {
                self.yard.without_shop();
                command.args(["--database", "shop", "--into", &self.yard.url()]);
                let _ = on.run(machine, &mut command).expect(0);
                assert_eq!(&self.yard.script(), script, "{} {id} from {vault}", self.name);
            }
        }
    }
}

/// The binary on a machine that knows of nothing.
fn bare(words: &[&str]) -> Command {
    let mut command = vow();
    command.args(words).current_dir("/").env("HOME", "/nonexistent");
    command
}

/// Where and when commands run.
pub(super) struct On<'w> {
    pub(super) lab: &'w Arc<Lab>,
    pub(super) calendar: &'w Calendar,
}

impl On<'_> {
    pub(super) fn command(&self, machine: u8, command: &mut Command) -> Command {
        self.lab.command(machine, command.envs(self.calendar.env()))
    }

    pub(super) fn run(&self, machine: u8, command: &mut Command) -> Done {
        shell::run(&mut self.command(machine, command))
    }
}
