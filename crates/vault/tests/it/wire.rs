//! A client that does exactly what it is told, also what no decent client does: bytes into TLS, bytes out of it.

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use vow_base::Fingerprint;
use vow_base::sign::SigningKey;
use vow_protocol::tls::client_config;

/// A connection.
pub(crate) struct Wire {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The word of an error.
    pub(crate) fn word(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A TCP connection to `to` from this address of the loopback.
pub(crate) fn tcp_from(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), Duration::from_secs(10))?;
    Ok(socket.into())
}

impl Wire {
    /// Connects and shakes hands.
    pub(crate) fn open(tcp: TcpStream, pin: Fingerprint, key: Option<&SigningKey>) -> io::Result<Self> {
        tcp.set_read_timeout(Some(Duration::from_secs(60)))?;
        tcp.set_write_timeout(Some(Duration::from_secs(60)))?;
        tcp.set_nodelay(true)?;
        let config = client_config(pin, key).map_err(io::Error::other)?;
        let name = ServerName::try_from("vault").unwrap();
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends a request with a body and its length.
    pub(crate) fn request(&mut self, method: &str, target: &str, body: Option<&[u8]>) -> io::Result<()> {
        let length = body.map(|body| format!("content-length: {}\r\n", body.len())).unwrap_or_default();
        self.send(format!("{method} {target} HTTP/1.1\r\nhost: vault\r\n{length}\r\n").as_bytes())?;
        match body {
            // The vault may have answered and closed before the body was sent.
            Some(body) => self.send(body).or(Ok(())),
            None => Ok(()),
        }
    }

    /// Asks and reads the answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str, body: Option<&[u8]>) -> io::Result<Reply> {
        self.request(method, target, body)?;
        self.answer(method == "HEAD")
    }

    /// Reads the next answer.
    pub(crate) fn answer(&mut self, to_head: bool) -> io::Result<Reply> {
        let end = loop {
            match self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end,
                None => self.more()?,
            }
        };
        let rest = self.ahead.split_off(end + 4);
        let head = String::from_utf8(std::mem::replace(&mut self.ahead, rest)).map_err(io::Error::other)?;
        let status = head
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| io::Error::other("no status"))?;
        let headers: Vec<_> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        if status == 100 {
            return self.answer(to_head);
        }
        let length: usize = match reply.header("content-length") {
            Some(_) if to_head || status == 204 => 0,
            Some(length) => length.parse().map_err(io::Error::other)?,
            None if to_head || status == 204 => 0,
            None => return Err(io::Error::other("an answer without a length")),
        };
        while self.ahead.len() < length {
            self.more()?;
        }
        let rest = self.ahead.split_off(length);
        reply.body = std::mem::replace(&mut self.ahead, rest);
        Ok(reply)
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 64 << 10];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.ahead.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }

    /// Whether the other side has closed, waiting at most this long for it.
    pub(crate) fn is_closed_within(&mut self, patience: Duration) -> bool {
        let _ = self.stream.sock.set_read_timeout(Some(patience));
        let mut byte = [0; 1];
        match self.stream.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}
