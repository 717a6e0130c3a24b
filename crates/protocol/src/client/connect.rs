//! Connecting: TCP, the handshake that proves both keys, HTTP/1.1.

use super::body::Upload;
use super::problem::Problem;
use super::watch::{Meter, Metered};
use crate::tls::wrong_key;
use crate::token::Address;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// The longest head of an answer that is read, in bytes.
const HEAD_LIMIT_BYTES: usize = 32 << 10;
const HEADERS_MAX: usize = 64;
/// What hyper reads and writes at once, in bytes.
const BUFFER_BYTES: usize = 256 << 10;
/// What may lie unsent in the kernel, in bytes: little enough that what was handed over is soon on its way.
const UNSENT_BYTES: u32 = 128 << 10;
/// Data that nobody acknowledges for this long ends a connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Makes connections to one vault.
pub(super) struct Dialer {
    address: Address,
    name: ServerName<'static>,
    tls: TlsConnector,
    patience: Duration,
}

/// One connection.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Upload>,
    pub(super) meter: Arc<Meter>,
    /// When it was last used.
    pub(super) used: Instant,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dialer {
    /// Connecting and the handshake may take `patience` each.
    pub(super) fn new(address: Address, tls: Arc<ClientConfig>, patience: Duration) -> Self {
        // The name proves nothing here. One that TLS does not take is left to the network.
        let name = ServerName::try_from(address.host().to_owned());
        let name = name.unwrap_or(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()));
        Self { address, name, tls: TlsConnector::from(tls), patience }
    }

    /// A new connection whose other side has proven to be the vault.
    pub(super) async fn dial(&self) -> Result<Connection, Problem> {
        let late =
            |what: &str| Problem::Lost(format!("no {what} within {} seconds", self.patience.as_secs()));
        let stream = timeout(self.patience, self.tcp()).await;
        let stream = stream.map_err(|_| late("connection"))?.map_err(|e| Problem::lost(&e))?;
        tune(&stream);
        let meter = Arc::new(Meter::default());
        let shake = self.tls.connect(self.name.clone(), Metered::new(stream, meter.clone()));
        let tls = timeout(self.patience, shake).await.map_err(|_| late("handshake"))?;
        let tls = tls.map_err(|error| match wrong_key(&error) {
            Some(wrong) => Problem::OtherVault(wrong),
            None => Problem::Lost(format!("no handshake: {error}")),
        })?;
        let made = Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .max_header_size(HEAD_LIMIT_BYTES)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(tls));
        let (sender, connection) = made.await.map_err(|e| Problem::of_http(&e))?;
        // What goes wrong on the connection is told to whoever waits for an answer on it.
        let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Connection { sender, meter, used: Instant::now(), task })
    }

    /// The first of the vault's addresses that answers; each has its share of the time.
    async fn tcp(&self) -> io::Result<TcpStream> {
        let looked_up = tokio::net::lookup_host((self.address.host(), self.address.port())).await?;
        let addresses: Vec<SocketAddr> = looked_up.collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let end = Instant::now() + self.patience;
        for (address, left) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
            let share = end.saturating_duration_since(Instant::now()) / left;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => {
                    last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer"))
                }
            }
        }
        Err(last)
    }
}

/// Settings that help; a system that refuses them is slower to notice a dead line, nothing more.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(UNACKNOWLEDGED).with_interval(UNACKNOWLEDGED / 3);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
}
