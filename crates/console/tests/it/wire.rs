//! HTTP to the letter: what is sent is what is said, and what comes back is read whole.

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use vow_base::Fingerprint;
use vow_base::sign::SigningKey;
use vow_protocol::tls::client_config;

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    tcp.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    tcp
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nhost: console\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

/// One request of a browser or a program.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut tcp = tcp(address);
    tcp.write_all(request(method, target, headers, body.len()).as_bytes()).unwrap();
    tcp.write_all(body).unwrap();
    read(&mut tcp)
}

/// One request of a host, which says that its body is `length` long.
pub(crate) fn ask_as(
    address: SocketAddr,
    pin: Fingerprint,
    key: Option<&SigningKey>,
    (method, target): (&str, &str),
    body: &[u8],
    length: usize,
) -> Reply {
    let name = ServerName::try_from("console").unwrap();
    let client = ClientConnection::new(client_config(pin, key).unwrap(), name).unwrap();
    let mut tls = StreamOwned::new(client, tcp(address));
    tls.write_all(request(method, target, &[("content-type", "application/json")], length).as_bytes())
        .unwrap();
    tls.write_all(body).unwrap();
    tls.flush().unwrap();
    read(&mut tls)
}

fn read(stream: &mut impl Read) -> Reply {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.get(9..12).and_then(|text| text.parse().ok()).unwrap_or(0);
    let rest = bytes.get(end + 4..).unwrap_or_default();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { dechunk(rest) } else { rest.to_vec() };
    Reply { status, head, body: String::from_utf8_lossy(&body).into_owned() }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap_or("0"), 16).unwrap_or(0);
        if length == 0 || rest.len() < end + 2 + length {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = rest.get(end + 4 + length..).unwrap_or_default();
    }
    body
}
