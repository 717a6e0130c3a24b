//! How one server is reached: as which account, with which option file, by programs of which flavour.

use super::error::MariaDbError;
use super::session::{Session, Stop};
use super::tools::{Flavour, Tools, any_client};
use super::url::Url;
use crate::process::{Account, Launcher};
use crate::secret::{PasswordFrom, PrivateFolder};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use zeroize::Zeroizing;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// Where it is.
    pub url: Url,
    /// The account of the operating system that the programs run as; without one, oneself.
    pub run_as: Option<String>,
    /// Where the password comes from. Without one, user and password in the group `[client]` of the account's `~/.my.cnf` count.
    pub password: PasswordFrom,
    /// Folder of the client programs, instead of looking for them.
    pub tools: Option<PathBuf>,
}

impl AccessOptions {
    /// To a server for which nothing else needs to be said.
    pub fn of(url: Url) -> Self {
        Self { url, run_as: None, password: PasswordFrom::default(), tools: None }
    }
}

/// What sessions and dumps of ours are set to: nothing limits how long they may take except locks, and nothing depends on the server's
/// or the account's settings.
const SETUP: &[&str] = &[
    "SET SESSION sql_mode = ''",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION wait_timeout = 86400, net_write_timeout = 86400, net_read_timeout = 86400",
    "SET SESSION group_concat_max_len = 1073741824",
    "SET SESSION sql_quote_show_create = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// A way to a server that works.
pub struct Access {
    /// Where it is.
    pub url: Url,
    /// The programs.
    pub tools: Tools,
    pub(crate) launcher: Launcher,
    client: PathBuf,
    /// Holds the option files.
    private: PrivateFolder,
    lines: Zeroizing<String>,
}

impl Access {
    /// Refuses a server with another system identifier than the one on record.
    pub(crate) fn expect(&self, found: &str, known: Option<&String>) -> Result<(), MariaDbError> {
        match known.filter(|known| *known != found) {
            None => Ok(()),
            Some(expected) => Err(MariaDbError::OtherServer {
                place: self.url.to_string(),
                found: found.to_owned(),
                expected: expected.clone(),
            }),
        }
    }

    /// Connects once, to learn what the server is.
    pub fn open(options: &AccessOptions, stop: Stop<'_>) -> Result<Self, MariaDbError> {
        let mut launcher = Launcher::new(account(options.run_as.as_deref())?);
        let (mut user, mut password) = (options.url.get("user").map(str::to_owned), options.password.read()?);
        if options.password.is_none() {
            let from_file = own_options(&launcher.account().home);
            if user.is_none() || user == from_file.user {
                user = from_file.user.or(user);
                password = from_file.password;
            }
        }
        if let Some(password) = &password {
            launcher = launcher.hiding(password.clone());
        }
        let lines = lines(&options.url, user.as_deref(), password.as_deref().map(String::as_str));
        let private = private_folder(&launcher)?;
        write_private(&launcher, &private.path().join(CLIENT), &lines)?;
        let client = any_client(options.tools.as_deref())?;
        let url = options.url.clone();
        let mut session = Session::open(&launcher, &client, &private.path().join(CLIENT), &url, stop)?;
        let said = session.row("asking what server it is", "SELECT @@version, @@version_comment", stop)?;
        drop(session);
        let tools = Tools::find(&launcher, options.tools.as_deref(), Flavour::of(&said.join(" ")))?;
        let client = tools.program("mariadb")?;
        Ok(Self { url, tools, launcher, client, private, lines })
    }

    /// A way to a scratch server, which trusts everybody who reaches its socket.
    pub(crate) fn trusted(url: Url, tools: Tools, launcher: Launcher) -> Result<Self, MariaDbError> {
        let lines = lines(&url, url.get("user"), None);
        let private = private_folder(&launcher)?;
        write_private(&launcher, &private.path().join(CLIENT), &lines)?;
        let client = tools.program("mariadb")?;
        Ok(Self { url, tools, launcher, client, private, lines })
    }

    /// A session.
    pub(crate) fn session(&self, stop: Stop<'_>) -> Result<Session, MariaDbError> {
        let mut session = Session::open(&self.launcher, &self.client, &self.options(), &self.url, stop)?;
        for statement in SETUP {
            session.query("setting up the session", statement, stop)?;
        }
        let no_limit = match self.tools.flavour {
            Flavour::MariaDb => {
                "SET SESSION max_statement_time = 0, idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0"
            }
            Flavour::MySql => "SET SESSION max_execution_time = 0",
        };
        session.query("setting up the session", no_limit, stop)?;
        Ok(session)
    }

    /// A private folder that the programs may write into.
    pub(crate) fn private_folder(&self) -> Result<PrivateFolder, MariaDbError> {
        private_folder(&self.launcher)
    }

    fn options(&self) -> PathBuf {
        self.private.path().join(CLIENT)
    }

    /// One of the programs that connect, ready to be given more arguments. It reads our option file and no other: what stands in those
    /// of the machine (`force`, `where`, `ignore-table`) would silently change what is dumped.
    pub(crate) fn command(&self, program: &'static str) -> Result<Command, MariaDbError> {
        let mut command = self.launcher.command(&self.tools.program(program)?);
        command.arg(format!("--defaults-file={}", self.options().display()));
        Ok(command)
    }

    /// Lets a program that was made otherwise read our option file: it must be the first argument.
    pub(crate) fn add_options(&self, command: &mut Command) {
        command.arg(format!("--defaults-file={}", self.options().display()));
    }

    /// The same, with tables that are left out: names can be too many for an argument list.
    pub(crate) fn dump_command(
        &self,
        file: &str,
        ignored: &[(String, String)],
    ) -> Result<Command, MariaDbError> {
        let mut text = self.lines.clone();
        text.push_str("[mysqldump]\n");
        for (database, table) in ignored {
            text.push_str(&format!("ignore-table={}\n", quoted(&format!("{database}.{table}"))));
        }
        let path = self.private.path().join(file);
        write_private(&self.launcher, &path, &text)?;
        let mut command = self.launcher.command(&self.tools.program("mariadb-dump")?);
        command.arg(format!("--defaults-file={}", path.display()));
        Ok(command)
    }

    /// The client as it loads SQL: it ends at the first error, keeps comments in routines, and may not run what a dump smuggles in.
    pub(crate) fn loader(&self) -> Result<Command, MariaDbError> {
        let mut command = self.command("mariadb")?;
        command.args(["--batch", "--comments", "--skip-reconnect", "--max-allowed-packet=1G"]);
        command.args(["--default-character-set=utf8mb4", "--binary-mode"]);
        if self.tools.client_has("--sandbox") {
            command.arg("--sandbox");
        }
        Ok(command)
    }
}

const CLIENT: &str = "client.cnf";

/// Who the programs run as.
fn account(run_as: Option<&str>) -> Result<Option<Account>, MariaDbError> {
    let Some(name) = run_as else { return Ok(None) };
    let account = Account::named(name).ok_or_else(|| {
        MariaDbError::Options(format!("there is no account {name:?} on this machine (run_as)"))
    })?;
    let own = rustix::process::geteuid();
    match own.is_root() || account.uid == own.as_raw() {
        true => Ok(Some(account)),
        false => Err(MariaDbError::Options(format!("only root can run programs as {name:?} (run_as)"))),
    }
}

/// The text of an option file.
fn lines(url: &Url, user: Option<&str>, password: Option<&str>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::from("[client]\n"));
    for (name, value) in url.options().into_iter().filter(|(name, _)| *name != "user") {
        text.push_str(&format!("{name}={}\n", quoted(&value)));
    }
    if let Some(user) = user {
        text.push_str(&format!("user={}\n", quoted(user)));
    }
    if let Some(password) = password {
        text.push_str("password=");
        text.push_str(&Zeroizing::new(quoted(password)));
        text.push('\n');
    }
    text
}

/// A value as option files have it.
fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() * 2 + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn private_folder(launcher: &Launcher) -> Result<PrivateFolder, MariaDbError> {
    let made = PrivateFolder::make(launcher);
    made.map_err(MariaDbError::io("make a private folder in", &std::env::temp_dir()))
}

fn write_private(launcher: &Launcher, path: &Path, text: &str) -> Result<(), MariaDbError> {
    let written = (|| {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        launcher.give(path)
    })();
    written.map_err(MariaDbError::io("write the option file", path))
}

/// User and password of an account's own option file.
#[derive(Default)]
struct OwnOptions {
    user: Option<String>,
    password: Option<Zeroizing<String>>,
}

fn own_options(home: &Path) -> OwnOptions {
    fs::read_to_string(home.join(".my.cnf"))
        .map(|text| read_options(&Zeroizing::new(text)))
        .unwrap_or_default()
}

fn read_options(text: &str) -> OwnOptions {
    let (mut found, mut is_client) = (OwnOptions::default(), false);
    for line in text.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix('[') {
            is_client = matches!(
                group.trim_end_matches(']'),
                "client" | "client-mariadb" | "mysql" | "mariadb-client"
            );
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| is_client) else { continue };
        match name.trim() {
            "user" => found.user = Some(unquoted(value).to_string()),
            "password" => found.password = Some(unquoted(value)),
            _ => {}
        }
    }
    found
}

/// The value of a line of an option file.
fn unquoted(value: &str) -> Zeroizing<String> {
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.and_then(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let plain = inner.unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim_end());
    let (mut out, mut chars) = (Zeroizing::new(String::with_capacity(plain.len())), plain.chars());
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('s')) => out.push(' '),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_files_are_read_as_they_are_written() {
        let password = "a\"b\\c#'d e";
        let url = Url::parse("mariadb:///?socket=/x").expect("a url");
        let text = lines(&url, Some("bob"), Some(password));
        let read = read_options(&text);
        assert_eq!(read.user.as_deref(), Some("bob"));
        assert_eq!(read.password.as_deref().map(String::as_str), Some(password));
        let other = read_options("[mysqld]\npassword=no\n[client]\nuser = 'x'\n");
        assert!(other.password.is_none() && other.user.as_deref() == Some("x"));
    }
}
