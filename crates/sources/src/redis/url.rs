//! Where a Redis server is: a URL without a password.

use std::fmt;
use std::path::{Path, PathBuf};

const PORT: u16 = 6379;

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    /// The ACL user; without one the default user.
    pub user: Option<String>,
    /// Where it listens.
    pub place: Place,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On a socket of this machine.
    Socket(PathBuf),
    /// On a port.
    Port(String, u16),
}

impl Url {
    /// Reads `redis://[USER@]HOST[:PORT]` or, for a socket, `redis://[USER@]/path/of/the/socket`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence that repeats no part which may be a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some(("redis" | "valkey", rest)) => rest,
            Some(("rediss" | "valkeys", _)) => return Err(NO_TLS.into()),
            _ => return Err("a Redis URL starts with redis://".into()),
        };
        let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(user, place)| (user, place));
        if user.contains(':') {
            return Err(NO_PASSWORD.into());
        }
        if text.contains(['?', '#', '%']) || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("a Redis URL has neither parameters nor escapes: redis://[USER@]HOST[:PORT] or redis:///path/of/the/socket".into());
        }
        let place = if place.starts_with('/') {
            match place.trim_end_matches('/') {
                "" => Place::Port("localhost".into(), PORT),
                path => Place::Socket(path.into()),
            }
        } else {
            of_port(place.trim_end_matches('/'))?
        };
        let user = Some(user.to_owned()).filter(|user| !user.is_empty());
        Ok(Self { text: text.to_owned(), user, place })
    }

    /// The default user of a server on this socket.
    pub fn of_socket(path: &Path) -> Self {
        let text = format!("redis://{}", path.display());
        Self { text, user: None, place: Place::Socket(path.to_owned()) }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether both are the same server of this machine.
    pub(crate) fn is_same_here(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::Socket(a), Place::Socket(b)) => {
                a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
            }
            (Place::Port(a, port), Place::Port(b, other)) => port == other && is_here(a) && is_here(b),
            _ => false,
        }
    }
}

fn is_here(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

fn of_port(place: &str) -> Result<Place, String> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(PORT), |port| {
        port.parse().map_err(|_| "the port in the URL is not a number from 1 to 65535")
    })?;
    if host.is_empty() || port == 0 || host.contains('/') {
        return Err("a Redis URL names a host, or the path of a socket and nothing behind it; databases are not part of it".into());
    }
    Ok(Place::Port(host.to_owned(), port))
}

const NO_PASSWORD: &str = "a password does not belong into the plan: use password_file or password_command";
const NO_TLS: &str = "connections with TLS are not built yet: use the server's socket, its plain port on this machine, or a tunnel";

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Socket(path) => path.display().fmt(f),
            Place::Port(host, port) => write!(f, "{host} port {port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let port = |host: &str, port| Place::Port(host.into(), port);
        let cases = [
            ("redis:///run/redis/s", None, Place::Socket("/run/redis/s".into())),
            ("redis://bk@/run/redis/s", Some("bk"), Place::Socket("/run/redis/s".into())),
            ("redis://bk@db.example:7000", Some("bk"), port("db.example", 7000)),
            ("valkey://[::1]:7000/", None, port("::1", 7000)),
            ("redis://db", None, port("db", 6379)),
            ("redis:///", None, port("localhost", 6379)),
        ];
        for (text, user, place) in cases {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.user.as_deref(), &url.place), (user, &place), "{text}");
        }
    }

    #[test]
    fn secrets_and_nonsense_are_refused() {
        for text in [
            "http://h/",
            "redis://u:hunter2@h/",
            "redis://:hunter2@h/",
            "rediss://h/",
            "redis://h:0/",
            "redis://h:x",
            "redis://h/3",
            "redis://h?db=1",
            "redis://",
            "redis://a b",
        ] {
            let why = Url::parse(text).expect_err(text);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
