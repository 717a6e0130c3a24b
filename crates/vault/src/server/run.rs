//! Serving: from the first socket to the last answer.

use super::admin;
use super::app::App;
use super::config::Config;
use super::connection::{Terms, serve};
use super::listen::{self, ServeError};
use super::lobby::Lobby;
use super::quota::keep_counting;
use super::router;
use crate::Vault;
use crate::chores::Chores;
use sd_notify::NotifyState;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vow_base::id::sha256;
use vow_protocol::tls::server_config;

/// Tells a server to stop, from any thread and more than once.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Stop {
    /// No new connections; requests that are being answered are finished within the time the configuration gives.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// A vault that is ready to be served: its sockets are open, its ledger is read.
pub struct Server {
    app: Arc<App>,
    listeners: Vec<TcpListener>,
    local: Option<UnixListener>,
    tls: tokio_rustls::TlsAcceptor,
}

/// How often all hosts are listed: there may be some that joined through another process and have not asked here for anything yet.
const REFRESH: Duration = Duration::from_mins(5);
/// After a failed accept (no descriptors left, …).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long work on the storage may go on after everybody has left.
const LAST_WORK: Duration = Duration::from_secs(10);
/// Threads beside those of the storage: for the local socket, and for lookups in the background.
const OTHER_THREADS: usize = 8;

/// Serves a vault until it is told to stop.
pub fn run(vault: Vault, config: Config, stop: &Stop) -> Result<(), ServeError> {
    Server::open(vault, config)?.run(stop)
}

impl Server {
    /// Opens the sockets and reads the ledger: what can go wrong goes wrong here.
    pub fn open(vault: Vault, config: Config) -> Result<Self, ServeError> {
        listen::raise_descriptors(&config.limits);
        let tls = server_config(&vault.signing_key()?)?;
        vault.state()?;
        let token = config.metrics_token_file.as_deref().map(read_token).transpose()?;
        let app = Arc::new(App::new(vault, config, token));
        app.book.refresh_hosts()?;
        let listeners = listen::open(&app.config.listen)?;
        let socket = &app.config.socket;
        let local = if socket.as_os_str().is_empty() { None } else { Some(listen::local(socket)?) };
        Ok(Self { app, listeners, local, tls: tls.into() })
    }

    /// Shows how these chores stand, in its health and its figures.
    #[must_use]
    pub fn with_chores(self, chores: Arc<Chores>) -> Self {
        // A second call changes nothing; there is none.
        let _ = self.app.chores.set(chores);
        self
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        // A socket that is open has an address.
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until it is told to stop.
    pub fn run(self, stop: &Stop) -> Result<(), ServeError> {
        let limits = self.app.config.limits.clone();
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .thread_name("vow-vault")
            .max_blocking_threads(limits.storage_tasks + OTHER_THREADS)
            .build()?;
        let counting = Arc::new(AtomicBool::new(false));
        let counter = {
            let (app, counting) = (self.app.clone(), counting.clone());
            std::thread::Builder::new()
                .name("counting".into())
                .spawn(move || keep_counting(&app, &counting))?
        };
        let served = runtime.block_on(self.serve(stop.0.subscribe()));
        counting.store(true, Ordering::Relaxed);
        runtime.shutdown_timeout(LAST_WORK);
        // It ends after the host it is at.
        drop(counter);
        served
    }

    async fn serve(self, mut stop: watch::Receiver<bool>) -> Result<(), ServeError> {
        let app = self.app;
        let lobby = Lobby::new(&app.config.limits);
        let router = router::router(app.clone());
        let terms = Terms { app: app.clone(), tls: self.tls, router, stop: stop.clone() };
        let mut listening = JoinSet::new();
        let mut addresses = Vec::new();
        for listener in self.listeners {
            addresses.extend(listener.local_addr());
            let listener = tokio::net::TcpListener::from_std(listener)?;
            listening.spawn(accept(listener, terms.clone(), lobby.clone()));
        }
        if let Some(local) = self.local {
            let local = tokio::net::UnixListener::from_std(local)?;
            listening.spawn(admin::serve(local, app.clone(), stop.clone()));
        }
        let background = tokio::spawn(keep_house(app.clone()));
        tracing::info!(vault = %app.vault.place(), fingerprint = %app.vault.fingerprint(), ?addresses, "ready");
        notify(&[NotifyState::Ready]);
        // An error means that whoever could tell us to stop is gone: then we stop.
        let _ = stop.wait_for(|stop| *stop).await;
        tracing::info!("stopping");
        notify(&[NotifyState::Stopping]);
        let rest = async { while listening.join_next().await.is_some() {} };
        if tokio::time::timeout(app.config.limits.stop_time.0, rest).await.is_err() {
            tracing::warn!("some requests did not end in time");
            listening.abort_all();
        }
        background.abort();
        if !app.config.socket.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&app.config.socket);
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Takes connections until told to stop, then waits for those that are open.
async fn accept(listener: tokio::net::TcpListener, mut terms: Terms, lobby: Arc<Lobby>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = terms.stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((tcp, address)) => {
                let _ = tcp.set_nodelay(true);
                let place = lobby.enter(address.ip());
                connections.spawn(serve(terms.clone(), tcp, address, place));
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

/// What is to be done from time to time: hosts that joined elsewhere, and a sign of life for systemd.
async fn keep_house(app: Arc<App>) {
    let watchdog = sd_notify::watchdog_enabled().map(|time| time / 2);
    let mut tick = tokio::time::interval(watchdog.map_or(REFRESH, |time| time.min(REFRESH)));
    let mut listed = Instant::now();
    loop {
        tick.tick().await;
        let (app, due) = (app.clone(), listed.elapsed() >= REFRESH);
        // When the threads are stuck, this waits, and systemd hears nothing.
        let looked = tokio::task::spawn_blocking(move || if due { app.book.refresh_hosts() } else { Ok(()) });
        if due {
            listed = Instant::now();
        }
        if let Ok(Err(error)) = looked.await {
            tracing::warn!(%error, "hosts cannot be looked up");
        }
        if watchdog.is_some() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(state);
}

/// SHA-256 of the token in a file.
fn read_token(path: &Path) -> Result<[u8; 32], ServeError> {
    let wrong = |reason: String| ServeError::Token { path: path.to_owned(), reason };
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?);
    let token = text.trim();
    if !(TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&token.len())
        || !token.bytes().all(|c| c.is_ascii_graphic())
    {
        return Err(wrong("a token has 16 to 512 visible characters".into()));
    }
    Ok(sha256(token.as_bytes()))
}

const TOKEN_CHARS_MIN: usize = 16;
const TOKEN_CHARS_MAX: usize = 512;
