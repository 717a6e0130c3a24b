//! Serving: from the first socket to the last answer.

use super::app::App;
use super::speak::{Peer, speak};
use super::{chores, deliver, hosts};
use axum::Router;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sd_notify::NotifyState;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use vow_base::sign::SigningKey;
use vow_protocol::tls;

/// Tells a server to stop, from any thread and more than once.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Stop {
    /// No new connections; what is being answered is finished.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Why a console is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No connection can be taken at this address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate for browsers cannot be used.
    #[error("the certificate {path} cannot be used: {reason}", path = path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The console's key cannot be used for TLS.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The database.
    #[error(transparent)]
    Db(#[from] crate::db::DbError),
    /// The system gives no sockets, threads, ….
    #[error("the console cannot start: {0}")]
    System(#[from] io::Error),
}

const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const STOP_TIME: Duration = Duration::from_secs(20);
const PER_ADDRESS: usize = 512;

/// A console whose sockets are open.
pub struct Server {
    app: Arc<App>,
    key: Arc<SigningKey>,
    for_hosts: Vec<TcpListener>,
    for_web: Vec<TcpListener>,
    web_tls: Option<TlsAcceptor>,
}

impl Server {
    /// Opens the sockets: what can go wrong goes wrong here.
    pub fn open(app: Arc<App>, key: SigningKey) -> Result<Self, ServeError> {
        let config = &app.config;
        let for_hosts =
            config.listen_hosts.iter().map(|address| listen(*address)).collect::<Result<_, _>>()?;
        let for_web = config.listen_web.iter().map(|address| listen(*address)).collect::<Result<_, _>>()?;
        let web_tls = match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => Some(browser_tls(certificate, key)?),
            _ => None,
        };
        let key = Arc::new(key);
        app.sign_with(key.clone());
        Ok(Self { for_hosts, for_web, web_tls, key, app })
    }

    /// Where it listens for hosts.
    pub fn host_addresses(&self) -> Vec<SocketAddr> {
        self.for_hosts.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Where it listens for browsers.
    pub fn web_addresses(&self) -> Vec<SocketAddr> {
        self.for_web.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until it is told to stop.
    pub async fn run(self, stop: &Stop) -> Result<(), ServeError> {
        let mut stopping = stop.0.subscribe();
        let mut work = JoinSet::new();
        let host_tls: TlsAcceptor = tls::server_config(&self.key)?.into();
        let host_router = hosts::router(self.app.clone());
        let web_router = crate::web::router(self.app.clone());
        for listener in self.for_hosts {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let door = Door::new(&self.app, host_router.clone(), Some(host_tls.clone()), stop);
            work.spawn(accept(listener, door));
        }
        for listener in self.for_web {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let door = Door::new(&self.app, web_router.clone(), self.web_tls.clone(), stop);
            work.spawn(accept(listener, door));
        }
        work.spawn(chores::run(self.app.clone(), self.key.clone(), stop.0.subscribe()));
        for channel in &self.app.channels {
            work.spawn(deliver::serve(self.app.clone(), channel.clone(), stop.0.subscribe()));
        }
        work.spawn(watchdog(self.app.clone(), stop.0.subscribe()));
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        tracing::info!("ready");
        let fell = loop {
            tokio::select! {
                // An error means that whoever could tell us to stop is gone: then we stop.
                _ = stopping.wait_for(|stop| *stop) => break None,
                Some(ended) = work.join_next() => if let Err(error) = ended {
                    // Better none than half a console: whoever started it starts it again.
                    tracing::error!(%error, "a part of this console has ended");
                    stop.stop();
                    break Some(error);
                },
            }
        };
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        let rest = async { while work.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME, rest).await.is_err() {
            tracing::warn!("some requests did not end in time");
            work.abort_all();
        }
        self.app.db.close().await;
        tracing::info!("stopped");
        match fell {
            Some(error) => Err(ServeError::System(io::Error::other(error))),
            None => Ok(()),
        }
    }
}

/// What a listener needs for each connection.
#[derive(Clone)]
struct Door {
    app: Arc<App>,
    router: Router,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    per_address: Arc<std::sync::Mutex<std::collections::HashMap<IpAddr, usize>>>,
    stop: watch::Receiver<bool>,
}

impl Door {
    fn new(app: &Arc<App>, router: Router, tls: Option<TlsAcceptor>, stop: &Stop) -> Self {
        Self {
            app: app.clone(),
            router,
            tls,
            places: Arc::new(Semaphore::new(app.config.connections)),
            per_address: Arc::default(),
            stop: stop.0.subscribe(),
        }
    }

    /// A place for a connection; `None` when there is none.
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        let mut counts = lock(&self.per_address);
        let count = counts.entry(address).or_default();
        // A proxy on this machine speaks for everybody.
        if *count >= PER_ADDRESS && !address.is_loopback() {
            return None;
        }
        *count += 1;
        self.app.figures.connections.inc();
        Some(Place { door: self.clone(), address, _permit: permit })
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct Place {
    door: Door,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.app.figures.connections.dec();
        let mut counts = lock(&self.door.per_address);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Takes connections until told to stop, then waits for those that are open.
async fn accept(listener: tokio::net::TcpListener, mut door: Door) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = door.stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((tcp, address)) => {
                let _ = tcp.set_nodelay(true);
                // Without a place the connection is closed at once.
                if let Some(place) = door.enter(address.ip()) {
                    connections.spawn(serve(door.clone(), tcp, address, place));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(door: Door, tcp: TcpStream, address: SocketAddr, _place: Place) {
    match &door.tls {
        None => speak(tcp, Peer { address, key: None }, door.router, door.stop).await,
        Some(acceptor) => {
            let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(tcp)).await else {
                return;
            };
            let key = tls::peer_key(stream.get_ref().1.peer_certificates());
            speak(stream, Peer { address, key }, door.router, door.stop).await;
        }
    }
}

/// A sign of life for systemd, as long as the database answers.
async fn watchdog(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let Some(every) = sd_notify::watchdog_enabled() else { return };
    let mut tick = tokio::time::interval(every / 3);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if app.read().await.is_ok() {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let open = |address: SocketAddr| -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let tried = match open(address) {
        // A system without IPv6: "everywhere" is what was meant.
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && error.kind() != io::ErrorKind::AddrInUse =>
        {
            open((std::net::Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        other => other,
    };
    tried.map_err(|source| ServeError::Listen { address, source })
}

fn browser_tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ServeError> {
    let wrong = |path: &Path, reason: String| ServeError::Certificate { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, error.to_string()))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| wrong(certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}
