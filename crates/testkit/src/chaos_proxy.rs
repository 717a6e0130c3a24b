//! A proxy that stands between a client and a server and does what networks do: delays, cuts, drips, loses answers, says nonsense.
//!
//! It sees bytes, not messages: what is inside TLS stays hidden from it, as from a real network.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one connection.
#[derive(Debug, Clone, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Both sides are cut off after this many bytes from the client.
    CutUp(u64),
    /// Both sides are cut off after this many bytes from the server.
    CutDown(u64),
    /// Once this many bytes came from the client, the next that the server sends are lost, and both sides are cut off.
    LoseAnswer(u64),
    /// Every piece waits this long, in either direction.
    Delay(Duration),
    /// Pieces of this many bytes, and a pause after each, in either direction.
    Drip(usize, Duration),
    /// The server is never asked: the client gets these bytes, whatever it says, and the connection ends.
    Say(Vec<u8>),
    /// Likewise, over and over until the client has had enough.
    SayForEver(Vec<u8>),
    /// The server is never asked, and nothing is said.
    Silence,
    /// The connection is closed at once.
    Refuse,
}

/// What has passed so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Connections made to the proxy.
    pub connections: u64,
    /// Bytes from clients that were passed on.
    pub up: u64,
    /// Bytes from servers that were passed on.
    pub down: u64,
}

/// A proxy on a port of its own, until it is dropped.
pub struct ChaosProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    next: Mutex<VecDeque<Fault>>,
    then: Mutex<Fault>,
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    stopped: AtomicBool,
}

impl ChaosProxy {
    /// A proxy in front of `target`.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target,
            next: Mutex::default(),
            then: Mutex::default(),
            open: Mutex::default(),
            connections: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.stopped.load(SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let shared = accepting.clone();
                let fault = shared.next.lock().unwrap().pop_front();
                let fault = fault.unwrap_or_else(|| shared.then.lock().unwrap().clone());
                shared.connections.fetch_add(1, SeqCst);
                std::thread::spawn(move || {
                    shared.serve(&client, &fault);
                    // There is another handle to it, for whoever cuts all.
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to the next connection that has nothing planned for it yet.
    pub fn next(&self, fault: Fault) {
        self.shared.next.lock().unwrap().push_back(fault);
    }

    /// What happens to all connections for which nothing else is planned.
    pub fn always(&self, fault: Fault) {
        *self.shared.then.lock().unwrap() = fault;
    }

    /// What has passed so far.
    pub fn passed(&self) -> Passed {
        let shared = &self.shared;
        Passed {
            connections: shared.connections.load(SeqCst),
            up: shared.up.load(SeqCst),
            down: shared.down.load(SeqCst),
        }
    }

    /// Ends every connection there is.
    pub fn cut_all(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        self.cut_all();
        // Wakes the one who accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// The two ends of one connection.
struct Ends {
    client: TcpStream,
    server: TcpStream,
    /// Bytes that the client has sent on this connection.
    up: AtomicU64,
}

impl Ends {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, mut client: &TcpStream, fault: &Fault) {
        let _ = client.set_nodelay(true);
        self.remember(client);
        match fault {
            Fault::Refuse => return,
            Fault::Silence => return drain(client),
            Fault::Say(bytes) => {
                let _ = client.write_all(bytes);
                let _ = client.shutdown(Shutdown::Write);
                return drain(client);
            }
            Fault::SayForEver(bytes) => {
                while client.write_all(bytes).is_ok() {}
                return;
            }
            _ => {}
        }
        let Ok(client) = client.try_clone() else { return };
        let Ok(server) = TcpStream::connect(self.target) else { return };
        let _ = server.set_nodelay(true);
        let ends = Arc::new(Ends { client, server, up: AtomicU64::new(0) });
        let (shared, other, fault_up) = (self.clone(), ends.clone(), fault.clone());
        let up = std::thread::spawn(move || shared.pump_up(&other, &fault_up));
        self.pump_down(&ends, fault);
        let _ = up.join();
    }

    fn remember(&self, client: &TcpStream) {
        let mut open = self.open.lock().unwrap();
        open.retain(|stream| stream.peer_addr().is_ok());
        open.extend(client.try_clone());
    }

    fn pump_up(&self, ends: &Ends, fault: &Fault) {
        let limit = if let Fault::CutUp(limit) = fault { *limit } else { u64::MAX };
        let count = |bytes: u64| {
            ends.up.fetch_add(bytes, SeqCst);
            self.up.fetch_add(bytes, SeqCst);
        };
        pump(&ends.client, &ends.server, limit, fault, count, || false);
        ends_after(ends, &ends.server, limit);
    }

    fn pump_down(&self, ends: &Ends, fault: &Fault) {
        let limit = if let Fault::CutDown(limit) = fault { *limit } else { u64::MAX };
        let lost = || matches!(fault, Fault::LoseAnswer(after) if ends.up.load(SeqCst) >= *after);
        let count = |bytes: u64| {
            self.down.fetch_add(bytes, SeqCst);
        };
        if pump(&ends.server, &ends.client, limit, fault, count, lost) {
            return ends.cut();
        }
        ends_after(ends, &ends.client, limit);
    }
}

/// The end of one direction: of both when it was cut, else the other side is told.
fn ends_after(ends: &Ends, to: &TcpStream, limit: u64) {
    if limit == u64::MAX {
        let _ = to.shutdown(Shutdown::Write);
    } else {
        ends.cut();
    }
}

/// Passes at most `limit` bytes on, until the end. Whether what came was lost on purpose.
fn pump(
    mut from: &TcpStream,
    mut to: &TcpStream,
    limit: u64,
    fault: &Fault,
    count: impl Fn(u64),
    lost: impl Fn() -> bool,
) -> bool {
    let (piece, pause) = match fault {
        Fault::Drip(piece, pause) => (*piece, *pause),
        Fault::Delay(pause) => (64 << 10, *pause),
        _ => (64 << 10, Duration::ZERO),
    };
    let mut left = limit;
    let mut buffer = vec![0; piece.max(1)];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let length = match from.read(&mut buffer[..most]) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return false,
        };
        if lost() {
            return true;
        }
        std::thread::sleep(pause);
        if to.write_all(&buffer[..length]).is_err() {
            return false;
        }
        left -= length as u64;
        count(length as u64);
    }
    false
}

/// Reads whatever comes, until the end.
fn drain(mut stream: &TcpStream) {
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer), Ok(length) if length > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers everything with as many bytes, once the client is done.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut bytes = Vec::new();
                    let _ = stream.read_to_end(&mut bytes);
                    let _ = stream.write_all(&bytes);
                });
            }
        });
        address
    }

    fn ask(proxy: &ChaosProxy, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    #[test]
    fn each_fault_does_what_it_says_and_the_next_connection_is_whole() {
        let proxy = ChaosProxy::start(echo());
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(ask(&proxy, &bytes), bytes);
        assert_eq!(proxy.passed(), Passed { connections: 1, up: 256, down: 256 });
        for (fault, expected) in [
            (Fault::CutUp(100), vec![]),
            (Fault::CutDown(100), bytes[..100].to_vec()),
            (Fault::CutDown(0), vec![]),
            (Fault::LoseAnswer(256), vec![]),
            (Fault::LoseAnswer(257), bytes.clone()),
            (Fault::Delay(Duration::from_millis(1)), bytes.clone()),
            (Fault::Drip(100, Duration::from_millis(1)), bytes.clone()),
            (Fault::Say(b"no".to_vec()), b"no".to_vec()),
            (Fault::Silence, vec![]),
            (Fault::Refuse, vec![]),
        ] {
            proxy.next(fault.clone());
            assert_eq!(ask(&proxy, &bytes), expected, "{fault:?}");
            assert_eq!(ask(&proxy, &bytes), bytes, "after {fault:?}");
        }
    }
}
