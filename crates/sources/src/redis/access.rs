//! A way to a server: connections of our own, and the official tools, which are given the password on their input.

use super::client::Client;
use super::error::RedisError;
use super::url::{Place, Url};
use crate::process::{Launcher, Running};
use crate::secret::PasswordFrom;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use zeroize::Zeroizing;

/// Where programs are looked for.
const FOLDERS: &[&str] = &["/usr/bin", "/usr/local/bin", "/usr/sbin", "/opt/redis/bin", "/opt/valkey/bin"];
const CLI: &[&str] = &["redis-cli", "valkey-cli"];
const CHECK: &[&str] = &["redis-check-rdb", "valkey-check-rdb"];
pub(crate) const SERVER: &[&str] = &["redis-server", "valkey-server"];

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// Where it is.
    pub url: Url,
    /// The password of the user.
    pub password: PasswordFrom,
    /// Folder of Redis' programs, instead of the usual ones.
    pub tools: Option<PathBuf>,
}

impl AccessOptions {
    /// To a server for which nothing else needs to be said.
    pub fn of(url: Url) -> Self {
        Self { url, password: PasswordFrom::default(), tools: None }
    }
}

/// A way to a server.
pub(crate) struct Access {
    pub(crate) url: Url,
    password: Option<Zeroizing<String>>,
    tools: Option<PathBuf>,
    launcher: Launcher,
}

impl Access {
    pub(crate) fn open(options: &AccessOptions) -> Result<Self, RedisError> {
        let password = options.password.read()?;
        let mut launcher = Launcher::default();
        if let Some(password) = &password {
            launcher = launcher.hiding(password.clone());
        }
        Ok(Self { url: options.url.clone(), password, tools: options.tools.clone(), launcher })
    }

    pub(crate) fn connect(&self) -> Result<Client, RedisError> {
        Client::connect(&self.url, self.password.as_ref().map(|password| password.as_str()))
    }

    /// `redis-cli --rdb -`, begun.
    pub(crate) fn dump(&self) -> Result<(Running, ChildStdout), RedisError> {
        let mut command = self.command(CLI, "redis-tools")?;
        command.arg("-e");
        match &self.url.place {
            Place::Socket(path) => command.arg("-s").arg(path),
            Place::Port(host, port) => command.args(["-h", host, "-p", &port.to_string()]),
        };
        if let Some(user) = &self.url.user {
            command.args(["--user", user]);
        }
        if self.password.is_some() {
            // Neither an argument nor a variable: both can be seen by others.
            command.arg("--askpass").stdin(Stdio::piped());
        }
        command.args(["--rdb", "-"]).stdout(Stdio::piped());
        let mut running = self.launcher.start(command)?;
        if let Some(password) = &self.password {
            let line = Zeroizing::new(format!("{}\n", password.as_str()));
            // One that ended already says why itself.
            let _ = running.stdin()?.write_all(line.as_bytes());
        }
        let out = running.stdout()?;
        Ok((running, out))
    }

    /// `redis-check-rdb`, reading its input.
    pub(crate) fn check(&self) -> Result<Running, RedisError> {
        let mut command = self.command(CHECK, "redis-tools")?;
        command.arg("/dev/stdin").stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(self.launcher.start(command)?)
    }

    fn command(&self, names: &[&'static str], package: &'static str) -> Result<Command, RedisError> {
        Ok(self.launcher.command(&find(self.tools.as_deref(), names, package)?))
    }
}

/// One of the programs.
pub(crate) fn find(
    folder: Option<&Path>,
    names: &[&'static str],
    package: &'static str,
) -> Result<PathBuf, RedisError> {
    let folders = match folder {
        Some(folder) => vec![folder.to_owned()],
        None => FOLDERS.iter().map(PathBuf::from).collect(),
    };
    let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|path| path.exists()).ok_or_else(|| RedisError::Missing {
        program: names.first().copied().unwrap_or_default(),
        looked: folder.map(|folder| format!(" in {}", folder.display())).unwrap_or_default(),
        package,
    })
}
