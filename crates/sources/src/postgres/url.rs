//! Where a server is: a connection URL without a password, as libpq understands it.

use crate::percent::decoded;
use std::fmt;
use std::path::{Path, PathBuf};

/// Parameters that may stand in a plan. None of them is a secret or runs anything.
const ALLOWED: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "channel_binding",
    "connect_timeout",
    "gssencmode",
    "krbsrvname",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "target_session_attrs",
];

/// Where libpq looks for a socket when no host is given: builds of distributions differ.
const SOCKET_FOLDERS: &[&str] = &["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// A server, and how to connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    parameters: Vec<(String, String)>,
}

impl Url {
    /// Reads `postgres://[USER@][HOST][:PORT]/[DATABASE][?NAME=VALUE&…]`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence that repeats no part which may be a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or("a PostgreSQL URL starts with postgres://")?;
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
        let (authority, database) =
            rest.split_once('/').map_or((rest, ""), |(before, after)| (before, after));
        let (user, place) = authority.rsplit_once('@').map_or(("", authority), |(user, place)| (user, place));
        if user.contains(':') {
            return Err(NO_PASSWORD.into());
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => place.rsplit_once(':').map_or((place, ""), |(host, port)| (host, port)),
        };
        let mut url = Self { text: text.to_owned(), parameters: Vec::new() };
        for (name, value) in [("user", user), ("host", host), ("port", port), ("dbname", database)] {
            if !value.is_empty() {
                url.add(name, &decoded(value)?)?;
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or("a parameter of the URL has no value")?;
            url.add(&decoded(name)?, &decoded(value)?)?;
        }
        Ok(url)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        if name.contains("password") || name == "passfile" {
            return Err(NO_PASSWORD.into());
        }
        if !ALLOWED.contains(&name) {
            return Err(format!("the URL's parameter {name:?} is not one that a plan may use"));
        }
        if name == "port" && value.parse::<u16>().is_err() {
            return Err("the port in the URL is not a number from 1 to 65535".into());
        }
        if value.contains('\0') {
            return Err("the URL contains a NUL character".into());
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

    /// The same server and another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut parameters: Vec<_> =
            self.parameters.iter().filter(|(name, _)| name != "dbname").cloned().collect();
        parameters.push(("dbname".into(), database.into()));
        Self { text: self.text.clone(), parameters }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A server that listens on a socket in this folder.
    pub fn of_socket(folder: &Path, port: u16, user: Option<&str>) -> Self {
        let mut parameters =
            vec![("host".into(), folder.display().to_string()), ("port".into(), port.to_string())];
        parameters.extend(user.map(|user| ("user".into(), user.into())));
        Self { text: format!("postgres:///?host={}&port={port}", folder.display()), parameters }
    }

    /// As libpq's programs take it: `name='value' …`.
    pub fn conninfo(&self) -> String {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
        let one = |(name, value): &(String, String)| format!("{name}='{}'", quoted(value));
        self.parameters.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.get("port").and_then(|port| port.parse().ok()).unwrap_or(5432)
    }

    /// The socket, when it is one that exists on this machine.
    pub fn socket(&self) -> Option<PathBuf> {
        let name = format!(".s.PGSQL.{}", self.port());
        let existing = |folder: &Path| Some(folder.join(&name)).filter(|path| path.exists());
        match self.get("host") {
            Some(host) if host.starts_with('/') => existing(Path::new(host)),
            Some(_) => None,
            None => SOCKET_FOLDERS.iter().find_map(|folder| existing(Path::new(folder))),
        }
    }
}

const NO_PASSWORD: &str =
    "a password does not belong into the plan: use password_file, password_command or the file ~/.pgpass";

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.get("host").or_else(|| self.get("hostaddr")).unwrap_or("the local socket");
        write!(f, "{host} port {}", self.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let cases = [
            ("postgres:///?host=/run/postgresql", "host='/run/postgresql'"),
            ("postgresql://bob@db.example:5433/app", "user='bob' host='db.example' port='5433' dbname='app'"),
            ("postgres://[::1]:5433/", "host='::1' port='5433'"),
            ("postgres://h/a%27b?sslmode=verify-full", "host='h' dbname='a\\'b' sslmode='verify-full'"),
            ("postgres://", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(Url::parse(text).expect(text).conninfo(), expected, "{text}");
        }
    }

    #[test]
    fn secrets_and_nonsense_are_refused() {
        for text in [
            "mysql://h/",
            "postgres://u:hunter2@h/",
            "postgres://h/?password=hunter2",
            "postgres://h/?passfile=/x",
            "postgres://h/?options=-c%20x",
            "postgres://h:99999/",
            "postgres://h/?sslmode",
            "postgres://h/?port=1&port=2",
            "postgres://h/%zz",
        ] {
            let why = Url::parse(text).expect_err(text);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
