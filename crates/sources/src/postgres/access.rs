//! How one server is reached: as which account, with which password file, by programs of which version.

use super::error::PostgresError;
use super::session::{Session, Stop};
use super::tools::{Tools, any_psql};
use super::url::Url;
use crate::process::{Account, Launcher};
use crate::secret::{PasswordFrom, PrivateFolder};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Command;
use zeroize::Zeroizing;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// Where it is.
    pub url: Url,
    /// The account of the operating system that the programs run as. Without one: root becomes the owner of a local socket, so that
    /// peer authentication works; anybody else stays who they are.
    pub run_as: Option<String>,
    /// The password of the role; without one `~/.pgpass` is asked.
    pub password: PasswordFrom,
    /// Folder of PostgreSQL's programs, instead of looking for those of the server's version.
    pub tools: Option<PathBuf>,
}

impl AccessOptions {
    /// To a server for which nothing else needs to be said.
    pub fn of(url: Url) -> Self {
        Self { url, run_as: None, password: PasswordFrom::default(), tools: None }
    }
}

/// A way to a server that works.
pub struct Access {
    /// Where it is.
    pub url: Url,
    /// The programs of its version.
    pub tools: Tools,
    pub(crate) launcher: Launcher,
    /// Holds the password file.
    _private: Option<PrivateFolder>,
}

impl Access {
    /// Refuses a server with another system identifier than the one on record.
    pub(crate) fn expect(&self, found: &str, known: Option<&String>) -> Result<(), PostgresError> {
        match known.filter(|known| *known != found) {
            None => Ok(()),
            Some(expected) => Err(PostgresError::OtherServer {
                place: self.url.to_string(),
                found: found.to_owned(),
                expected: expected.clone(),
            }),
        }
    }

    /// Connects once, to learn the server's version.
    pub fn open(options: &AccessOptions, stop: Stop<'_>) -> Result<Self, PostgresError> {
        let account = account(options)?;
        let mut launcher = Launcher::new(account).with("PGAPPNAME", "vow");
        let password = options.password.read()?;
        let mut private = None;
        if let Some(password) = password {
            let folder = password_folder(&launcher, &password)?;
            launcher = launcher.with("PGPASSFILE", folder.path().join("pgpass")).hiding(password);
            private = Some(folder);
        }
        let psql = any_psql(options.tools.as_deref())?;
        let url = match options.url.get("dbname") {
            Some(_) => options.url.clone(),
            None => options.url.with_database("postgres"),
        };
        let mut session = Session::open(&launcher, &psql, &url, stop)?;
        let asked = "SELECT current_setting('server_version_num')::int";
        let number: u32 = session.document("asking for the version", asked, stop)?;
        let tools = Tools::find(&launcher, options.tools.as_deref(), number / 10_000)?;
        Ok(Self { url, tools, launcher, _private: private })
    }

    /// A way to a scratch server, which trusts everybody who reaches its socket.
    pub(crate) fn trusted(url: Url, tools: Tools, launcher: Launcher) -> Self {
        Self { url, tools, launcher, _private: None }
    }

    /// A session in a database.
    pub(crate) fn session(&self, database: &str, stop: Stop<'_>) -> Result<Session, PostgresError> {
        let url = self.url.with_database(database);
        Session::open(&self.launcher, &self.tools.program("psql"), &url, stop)
    }

    /// A session in the database that the URL names.
    pub(crate) fn home(&self, stop: Stop<'_>) -> Result<Session, PostgresError> {
        Session::open(&self.launcher, &self.tools.program("psql"), &self.url, stop)
    }

    /// One of the programs, ready to be given more arguments.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.launcher.command(&self.tools.program(program))
    }
}

/// Who the programs run as.
fn account(options: &AccessOptions) -> Result<Option<Account>, PostgresError> {
    let is_root = rustix::process::geteuid().is_root();
    if let Some(name) = &options.run_as {
        let account = Account::named(name).ok_or_else(|| {
            PostgresError::Options(format!("there is no account {name:?} on this machine (run_as)"))
        })?;
        let own = account.uid == rustix::process::geteuid().as_raw();
        return match is_root || own {
            true => Ok(Some(account)),
            false => Err(PostgresError::Options(format!("only root can run programs as {name:?} (run_as)"))),
        };
    }
    if !is_root || !options.password.is_none() {
        return Ok(None);
    }
    let owner = options.url.socket().and_then(|socket| fs::metadata(socket).ok()).map(|meta| meta.uid());
    Ok(owner.and_then(Account::of_uid))
}

/// The password in a file as libpq reads it, that only the account of the programs can read.
fn password_folder(launcher: &Launcher, password: &str) -> Result<PrivateFolder, PostgresError> {
    let folder = PrivateFolder::make(launcher);
    let folder = folder.map_err(PostgresError::io("make a private folder in", &std::env::temp_dir()))?;
    let path = folder.path().join("pgpass");
    let made = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let escaped = Zeroizing::new(password.replace('\\', "\\\\").replace(':', "\\:"));
        file.write_all(b"*:*:*:*:")?;
        file.write_all(escaped.as_bytes())?;
        file.write_all(b"\n")?;
        launcher.give(&path)
    })();
    made.map_err(PostgresError::io("write the password file", &path))?;
    Ok(folder)
}
