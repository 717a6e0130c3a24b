//! A connection that speaks the protocol of Redis (RESP 2): commands in, replies out. Passwords go over it and nowhere else.

use super::error::RedisError;
use super::url::{Place, Url};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// The largest string that is taken: what Redis itself allows.
const STRING_LIMIT_BYTES: usize = 512 << 20;
const ARRAY_LIMIT: usize = 1 << 22;
const DEPTH_LIMIT: usize = 16;
const LINE_LIMIT_BYTES: u64 = 64 << 10;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Number(i64),
    Text(Vec<u8>),
    Nothing,
    List(Vec<Reply>),
}

impl Reply {
    /// As text, when it is one.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Simple(text) => Some(text.clone()),
            Self::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// As a list of texts; what is no text is left out.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.iter().filter_map(Self::text).collect(),
            _ => Vec::new(),
        }
    }
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// A connection.
pub(crate) struct Client {
    wire: BufReader<Box<dyn Wire>>,
    place: String,
}

impl Client {
    /// Connects and says who we are.
    pub(crate) fn connect(url: &Url, password: Option<&str>) -> Result<Self, RedisError> {
        let place = url.to_string();
        let wire = open(&url.place).map_err(|source| RedisError::Lost {
            place: place.clone(),
            doing: "connecting".into(),
            source,
        })?;
        let mut client = Self { wire: BufReader::new(wire), place };
        match (url.user.as_deref(), password) {
            (user, Some(password)) => {
                let words: Vec<&str> = ["AUTH"].into_iter().chain(user).chain([password]).collect();
                client.ask("the password", &words)?;
            }
            // A user without a password still has to be named.
            (Some(user), None) => {
                client.ask("the user", &["AUTH", user, ""])?;
            }
            (None, None) => {}
        }
        Ok(client)
    }

    /// A command whose refusal is an error; `doing` says what it is for.
    pub(crate) fn ask(&mut self, doing: &str, words: &[&str]) -> Result<Reply, RedisError> {
        match self.try_ask(doing, words)? {
            Reply::Error(said) => Err(self.refused(doing, said)),
            reply => Ok(reply),
        }
    }

    /// A command that may be refused.
    pub(crate) fn try_ask(&mut self, doing: &str, words: &[&str]) -> Result<Reply, RedisError> {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut replies = self.all(doing, std::slice::from_ref(&words))?;
        replies.pop().ok_or_else(|| self.odd(doing))
    }

    /// Many commands at once, and their replies in order.
    pub(crate) fn all(&mut self, doing: &str, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Reply>, RedisError> {
        self.send(doing, commands)?;
        commands.iter().map(|_| self.receive(doing)).collect()
    }

    /// On a connection that has subscribed: what was told until now.
    pub(crate) fn told(&mut self) -> Result<Vec<Reply>, RedisError> {
        let doing = "listening";
        self.send(doing, &[vec![b"PING".to_vec()]])?;
        let mut told = Vec::new();
        loop {
            match self.receive(doing)? {
                Reply::List(parts) if parts.first() == Some(&Reply::Text(b"pong".to_vec())) => {
                    return Ok(told);
                }
                reply => told.push(reply),
            }
        }
    }

    fn send(&mut self, doing: &str, commands: &[Vec<Vec<u8>>]) -> Result<(), RedisError> {
        let mut bytes = Vec::new();
        for words in commands {
            bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in words {
                bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        let wire = self.wire.get_mut();
        let sent = wire.write_all(&bytes).and_then(|()| wire.flush());
        sent.map_err(|source| self.lost(doing, source))
    }

    fn receive(&mut self, doing: &str) -> Result<Reply, RedisError> {
        receive(&mut self.wire, 0).map_err(|source| self.lost(doing, source))
    }

    fn lost(&self, doing: &str, source: io::Error) -> RedisError {
        RedisError::Lost { place: self.place.clone(), doing: doing.to_owned(), source }
    }

    /// That a command was refused.
    pub(crate) fn refused(&self, doing: &str, said: String) -> RedisError {
        RedisError::Refused { place: self.place.clone(), doing: doing.to_owned(), said }
    }

    /// That an answer makes no sense.
    pub(crate) fn odd(&self, doing: &str) -> RedisError {
        RedisError::Answer { place: self.place.clone(), doing: doing.to_owned() }
    }
}

fn open(place: &Place) -> io::Result<Box<dyn Wire>> {
    match place {
        Place::Socket(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Box::new(stream))
        }
        Place::Port(host, port) => {
            let mut last = io::Error::other("the name has no address");
            for address in (host.as_str(), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, CONNECT) {
                    Ok(stream) => {
                        stream.set_read_timeout(Some(PATIENCE))?;
                        stream.set_write_timeout(Some(PATIENCE))?;
                        return Ok(Box::new(stream));
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}

fn receive(from: &mut impl BufRead, depth: usize) -> io::Result<Reply> {
    let odd = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut line = Vec::new();
    from.by_ref().take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = line.strip_suffix(b"\r\n").ok_or_else(|| odd("a reply has no end"))?;
    let text = String::from_utf8_lossy(text);
    let (kind, rest) = text.split_at_checked(1).ok_or_else(|| odd("a reply is empty"))?;
    let number = || rest.parse::<i64>().map_err(|_| odd("a reply has no number"));
    let length = |limit: usize| {
        let number = number()?;
        match usize::try_from(number) {
            Ok(length) if length <= limit => Ok(Some(length)),
            Ok(_) => Err(odd("a reply is too long")),
            Err(_) => Ok(None),
        }
    };
    match kind {
        "+" => Ok(Reply::Simple(rest.to_owned())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        ":" => Ok(Reply::Number(number()?)),
        "$" => {
            let Some(length) = length(STRING_LIMIT_BYTES)? else { return Ok(Reply::Nothing) };
            // Grows with what arrives: a length alone costs no memory.
            let mut bytes = Vec::new();
            from.by_ref().take(length as u64 + 2).read_to_end(&mut bytes)?;
            if bytes.len() != length + 2 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.truncate(length);
            Ok(Reply::Text(bytes))
        }
        "*" if depth < DEPTH_LIMIT => {
            let Some(length) = length(ARRAY_LIMIT)? else { return Ok(Reply::Nothing) };
            (0..length).map(|_| receive(from, depth + 1)).collect::<io::Result<_>>().map(Reply::List)
        }
        _ => Err(odd("a reply of an unknown kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        let cases: [(&[u8], Option<Reply>); 8] = [
            (b"+OK\r\n", Some(Reply::Simple("OK".into()))),
            (b"-ERR no\r\n", Some(Reply::Error("ERR no".into()))),
            (b":-7\r\n", Some(Reply::Number(-7))),
            (b"$4\r\na\r\nb\r\n", Some(Reply::Text(b"a\r\nb".to_vec()))),
            (b"*2\r\n$-1\r\n*0\r\n", Some(Reply::List(vec![Reply::Nothing, Reply::List(Vec::new())]))),
            (b"$5\r\nabc", None),
            (b"$999999999999\r\n", None),
            (b"?\r\n", None),
        ];
        for (mut bytes, expected) in cases {
            assert_eq!(receive(&mut bytes, 0).ok(), expected);
        }
        let deep = "*1\r\n".repeat(1000);
        assert!(receive(&mut deep.as_bytes(), 0).is_err());
    }
}
