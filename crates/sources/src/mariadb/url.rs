//! Where a server is: a connection URL without a password.

use crate::percent::decoded;
use std::fmt;
use std::path::{Path, PathBuf};

/// Parameters that may stand in a plan, by their names in MariaDB's option files. None of them is a secret or runs anything.
const ALLOWED: &[&str] = &[
    "host",
    "port",
    "user",
    "database",
    "socket",
    "connect-timeout",
    "ssl",
    "ssl-ca",
    "ssl-capath",
    "ssl-cert",
    "ssl-key",
    "ssl-crl",
    "ssl-cipher",
    "ssl-mode",
    "ssl-verify-server-cert",
    "tls-version",
];

/// Where the client programs look for a socket when neither host nor socket is given: builds of distributions differ.
const SOCKETS: &[&str] = &[
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// A server, and how to connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    parameters: Vec<(String, String)>,
}

impl Url {
    /// Reads `mariadb://[USER@][HOST][:PORT]/[DATABASE][?NAME=VALUE&…]`; `mysql://` means the same.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence that repeats no part which may be a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = ["mariadb://", "mysql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or("a MariaDB URL starts with mariadb://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains(':') {
            return Err(NO_PASSWORD.into());
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => place.rsplit_once(':').unwrap_or((place, "")),
        };
        let mut url = Self { text: text.to_owned(), parameters: Vec::new() };
        for (name, value) in [("user", user), ("host", host), ("port", port), ("database", database)] {
            if !value.is_empty() {
                url.add(name, &decoded(value)?)?;
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or("a parameter of the URL has no value")?;
            url.add(&decoded(name)?.replace('_', "-"), &decoded(value)?)?;
        }
        match url.get("socket").is_some() && url.get("host").is_some() {
            true => Err("the URL names a host and a socket: one of them is meant".into()),
            false => Ok(url),
        }
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        if name.starts_with("pass") || name.contains("password") {
            return Err(NO_PASSWORD.into());
        }
        if !ALLOWED.contains(&name) {
            return Err(format!("the URL's parameter {name:?} is not one that a plan may use"));
        }
        if name == "port" && value.parse::<u16>().is_err() {
            return Err("the port in the URL is not a number from 1 to 65535".into());
        }
        if value.contains(['\0', '\n', '\r']) {
            return Err("the URL contains a control character".into());
        }
        if self.get(name).is_some() {
            return Err(format!("the URL says {name} twice"));
        }
        self.parameters.push((name.into(), value.into()));
        Ok(())
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A server that listens on this socket.
    pub fn of_socket(socket: &Path, user: Option<&str>) -> Self {
        let mut parameters = vec![("socket".into(), socket.display().to_string())];
        parameters.extend(user.map(|user| ("user".into(), user.into())));
        Self { text: format!("mariadb:///?socket={}", socket.display()), parameters }
    }

    /// The lines of an option file that say the same.
    pub(crate) fn options(&self) -> Vec<(&str, String)> {
        let mut lines: Vec<_> = self
            .parameters
            .iter()
            .filter(|(name, _)| name != "database")
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        match self.get("host") {
            // "localhost" would mean the socket to the programs.
            Some(_) => lines.push(("protocol", "tcp".into())),
            None => {
                lines.push(("protocol", "socket".into()));
                if let Some(socket) = self.socket().filter(|_| self.get("socket").is_none()) {
                    lines.push(("socket", socket.display().to_string()));
                }
            }
        }
        lines
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.get("port").and_then(|port| port.parse().ok()).unwrap_or(3306)
    }

    /// The socket, when it is one that exists on this machine.
    pub fn socket(&self) -> Option<PathBuf> {
        match (self.get("socket"), self.get("host")) {
            (Some(socket), _) => Some(PathBuf::from(socket)).filter(|path| path.exists()),
            (None, Some(_)) => None,
            (None, None) => SOCKETS.iter().map(PathBuf::from).find(|path| path.exists()),
        }
    }
}

const NO_PASSWORD: &str =
    "a password does not belong into the plan: use password_file, password_command or the file ~/.my.cnf";

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.get("host"), self.get("socket")) {
            (Some(host), _) => write!(f, "{host} port {}", self.port()),
            (None, Some(socket)) => write!(f, "{socket}"),
            (None, None) => write!(f, "the local socket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let url = Url::parse("mariadb:///?socket=/run/x.sock").expect("a socket");
        assert_eq!(url.options(), [("socket", "/run/x.sock".to_owned()), ("protocol", "socket".to_owned())]);
        let url = Url::parse("mysql://bob@db.example:3307/app?ssl_ca=/ca.pem").expect("a host");
        assert_eq!((url.get("user"), url.get("host"), url.port()), (Some("bob"), Some("db.example"), 3307));
        assert_eq!((url.get("database"), url.get("ssl-ca")), (Some("app"), Some("/ca.pem")));
        assert!(url.options().contains(&("protocol", "tcp".to_owned())));
    }

    #[test]
    fn secrets_and_nonsense_are_refused() {
        for text in [
            "postgres://h/",
            "mariadb://u:hunter2@h/",
            "mariadb://h/?password=hunter2",
            "mariadb://h/?init-command=x",
            "mariadb://h:99999/",
            "mariadb://h/?ssl",
            "mariadb://h/?socket=/x",
            "mariadb:///?port=1&port=2",
            "mariadb://h/%zz",
            "mariadb:///?socket=/a%0ab",
        ] {
            let why = Url::parse(text).expect_err(text);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
