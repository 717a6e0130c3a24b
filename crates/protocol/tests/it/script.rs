//! A vault that has the right key and says whatever the test wants, byte by byte.

use crate::bench::{connect, key, once};
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vow_base::Fingerprint;
use vow_protocol::client::Options;
use vow_protocol::{RemoteVault, tls};

/// The seed of its key.
pub(crate) const VAULT: u8 = 200;

/// One thing it does.
pub(crate) enum Say {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, over and over until the client has had enough.
    ForEver(Vec<u8>),
    /// Likewise, with a pause after each time.
    Drip(Vec<u8>, Duration),
    /// Nothing, until the client has had enough.
    Silence,
}

/// The scripted vault; it lives as long as the test.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    /// What was asked: the lines of each head.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// Answers each request, given its first line, and closes the connection after it.
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = tls::server_config(&key(VAULT)).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted) = (Arc::new(answer), heard.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let connection = ServerConnection::new(config.clone()).unwrap();
                let (answer, noted) = (answer.clone(), noted.clone());
                std::thread::spawn(move || {
                    let mut stream = StreamOwned::new(connection, stream);
                    let Some(head) = hear(&mut stream) else { return };
                    noted.lock().unwrap().push(head.clone());
                    let line = head.lines().next().unwrap_or_default().to_owned();
                    for say in answer(&line) {
                        if act(&mut stream, say).is_none() {
                            return;
                        }
                    }
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                });
            }
        });
        Self { address, heard }
    }

    /// Always answers this.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_| vec![Say::Bytes(answer.clone())])
    }

    /// Always answers this JSON.
    pub(crate) fn json(body: &impl serde::Serialize) -> Self {
        Self::saying(ok(&serde_json::to_vec(body).unwrap()))
    }

    /// The vault as the key with this seed sees it, impatiently.
    pub(crate) fn client(&self, seed: u8) -> RemoteVault {
        let second = Duration::from_secs(1);
        let options = Options { window: second, patience: second, commit_patience: second, ..once() };
        connect(self.address, fingerprint(), seed, options)
    }
}

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::of(&key(VAULT).public())
}

/// An answer with status 200 and a length.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", "", body)
}

/// An answer with further header lines, each with its end.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Reads a request; its head.
fn hear(stream: &mut Stream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: u64 = length.map_or(0, |length| length.parse().unwrap());
    std::io::copy(&mut Read::take(&mut *stream, length), &mut std::io::sink()).ok()?;
    Some(head)
}

fn act(stream: &mut Stream, say: Say) -> Option<()> {
    match say {
        Say::Bytes(bytes) => stream.write_all(&bytes).ok(),
        Say::ForEver(bytes) => loop {
            stream.write_all(&bytes).ok()?;
        },
        Say::Drip(bytes, pause) => loop {
            stream.write_all(&bytes).ok()?;
            stream.flush().ok()?;
            std::thread::sleep(pause);
        },
        Say::Silence => {
            let mut byte = [0];
            while matches!(stream.read(&mut byte), Ok(1)) {}
            None
        }
    }
}
