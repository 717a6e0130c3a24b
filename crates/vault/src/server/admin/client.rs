//! The other end of the local socket, for commands. One short request at a time, without a runtime.

use super::wire::{AdminGrant, AdminHost, NewJoinToken, Revocation, Revoked, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_protocol::wire::Status;
use vow_protocol::{ErrorBody, Word};

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT_BYTES: u64 = 64 << 20;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server's local socket.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

/// Why the server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody answers.
    #[error("no vault is served at the socket {path}: {source}", path = path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server refused.
    #[error("{}", .0.message)]
    Refused(Box<ErrorBody>),
    /// What came back is no answer.
    #[error("the answer of the server at {path} cannot be understood: {reason}", path = path.display())]
    Answer {
        /// The socket.
        path: PathBuf,
        /// How that was seen.
        reason: String,
    },
}

impl AdminError {
    /// The server's word for it, if it refused.
    pub fn word(&self) -> Option<Word> {
        match self {
            Self::Refused(body) => Some(body.error),
            _ => None,
        }
    }
}

impl Client {
    /// The socket at this path. Nothing is opened yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Makes a join token.
    pub fn join_token(&self, new: &NewJoinToken) -> Result<Secret, AdminError> {
        self.ask("POST", "/v1/join-token", Some(new))
    }

    /// Every host that ever joined.
    pub fn hosts(&self) -> Result<Vec<AdminHost>, AdminError> {
        self.ask("GET", "/v1/hosts", None::<&()>)
    }

    /// Everything that was ever granted.
    pub fn grants(&self) -> Result<Vec<AdminGrant>, AdminError> {
        self.ask("GET", "/v1/grants", None::<&()>)
    }

    /// Takes rights away.
    pub fn revoke(&self, revocation: &Revocation) -> Result<Revoked, AdminError> {
        self.ask("POST", "/v1/revoke", Some(revocation))
    }

    /// The vault's health.
    pub fn status(&self) -> Result<Status, AdminError> {
        self.ask("GET", "/v1/status", None::<&()>)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, AdminError> {
        let unreachable = |source| AdminError::Unreachable { path: self.path.clone(), source };
        let wrong = |reason: String| AdminError::Answer { path: self.path.clone(), reason };
        let body =
            body.map(serde_json::to_vec).transpose().map_err(|e| wrong(e.to_string()))?.unwrap_or_default();
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: vault\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend(body);
        let mut answer = Vec::new();
        let mut talk = || {
            let mut stream = UnixStream::connect(&self.path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.write_all(&request)?;
            stream.take(ANSWER_LIMIT_BYTES).read_to_end(&mut answer)
        };
        talk().map_err(unreachable)?;
        let (status, body) = split(&answer).ok_or_else(|| wrong("it is not HTTP".into()))?;
        if status == 200 {
            return serde_json::from_slice(body).map_err(|e| wrong(e.to_string()));
        }
        match serde_json::from_slice(body) {
            Ok(refused) => Err(AdminError::Refused(Box::new(refused))),
            Err(_) => Err(wrong(format!("status {status}"))),
        }
    }
}

/// Status and body of a whole answer that has its length and ends with the connection.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    // A connection that broke off must not pass for a short answer.
    length.is_none_or(|length: usize| length == body.len()).then_some((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_broke_off_is_none() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull";
        assert_eq!(split(whole), Some((200, &b"null"[..])));
        assert!((0..whole.len()).all(|end| split(&whole[..end]).is_none()));
    }
}
