//! One connection, from the handshake to its end.

use super::app::App;
use super::error::HangUp;
use super::gate::access_of;
use super::lobby::Place;
use super::pace::{Lapse, Traffic, Watched};
use super::share::{Network, Whose};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;
use vow_base::sign::PublicKey;
use vow_protocol::limits::HEAD_LIMIT_BYTES;
use vow_protocol::tls::peer_key;

/// The other side of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The key it proved.
    pub(crate) key: Option<PublicKey>,
    /// Whether that key was known here when the connection began.
    pub(crate) admitted: bool,
    pub(crate) traffic: Arc<Traffic>,
}

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) app: Arc<App>,
    pub(crate) tls: TlsAcceptor,
    pub(crate) router: Router,
    pub(crate) stop: watch::Receiver<bool>,
}

/// What hyper keeps of a connection while it reads; more would be memory that a flood of connections takes.
const BUFFER_BYTES: usize = 64 << 10;
/// How often the traffic of a connection is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long what is still on its way is taken after an answer that did not wait for it, so that the other side gets to read it.
const LINGER: Duration = Duration::from_secs(5);

/// Why a connection is given up without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the request was given up")]
struct GivenUp;

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, GivenUp>> + Send>>;

/// Serves a connection to its end.
pub(crate) async fn serve(terms: Terms, tcp: TcpStream, address: SocketAddr, mut place: Place) {
    let app = terms.app.clone();
    let limits = &app.config.limits;
    let mut stop = terms.stop.clone();
    let handshake = tokio::time::timeout(limits.head_time.0, terms.tls.accept(tcp));
    let leave = place.leave.clone();
    let accepted = tokio::select! {
        accepted = handshake => accepted,
        () = leave.notified() => return app.figures.refused_connections.inc_then(),
        _ = stop.changed() => return,
    };
    let tls = match accepted {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return tracing::debug!(%address, %error, "no handshake"),
        Err(_) => return tracing::debug!(%address, "the handshake took too long"),
    };
    let key = peer_key(tls.get_ref().1.peer_certificates());
    let mut peer = Peer { address, key, admitted: false, traffic: Arc::new(Traffic::new()) };
    if let Some(key) = key {
        let strangers = app.shares.of(Whose::Strangers(Network::of(address.ip())));
        // When the storage cannot say, every request is told so.
        let known = access_of(&app, &peer, &strangers).await.is_ok_and(|access| access.is_known());
        if known && !place.admit(&app.shares.of(Whose::Key(key))) {
            tracing::debug!(%address, key = %key.host_id().short(), "too many connections");
            return app.figures.refused_connections.inc_then();
        }
        peer.admitted = known;
    }
    app.figures.connections.inc();
    let _count = Counted(app.clone());
    speak(&terms, Watched::new(tls, peer.traffic.clone()), peer, &place).await;
}

/// Speaks HTTP until one side has enough.
async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    terms: &Terms,
    io: S,
    peer: Peer,
    place: &Place,
) {
    let limits = &terms.app.config.limits;
    let (router, traffic) = (terms.router.clone(), peer.traffic.clone());
    let service = service_fn(move |request: http::Request<Incoming>| -> Answer {
        let (mut router, peer) = (router.clone(), peer.clone());
        Box::pin(async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let Ok(response) = router.call(request).await;
            if response.extensions().get::<HangUp>().is_some() { Err(GivenUp) } else { Ok(response) }
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // It counts idle time as well; the time of a head itself is watched by `pace`.
        .header_read_timeout(limits.idle_time.0 + 2 * LOOK)
        .max_header_size(HEAD_LIMIT_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let mut stop = terms.stop.clone();
    let mut look = tokio::time::interval(LOOK);
    let mut closing = false;
    if *stop.borrow() {
        return;
    }
    let orderly = loop {
        tokio::select! {
            done = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)) => break done.is_ok(),
            _ = look.tick() => match traffic.lapse(limits) {
                None => {}
                Some(Lapse::Idle) if !closing => {
                    closing = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Some(lapse) => {
                    tracing::debug!(?lapse, "a connection is closed");
                    return;
                }
            },
            () = place.leave.notified() => return,
            _ = stop.changed(), if !closing => {
                closing = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if orderly {
        close(connection.into_parts().io.into_inner(), traffic.is_unread()).await;
    }
}

/// Closes our half. When a body was not read, takes what is still on its way: closing both halves would make the other side's system
/// forget our answer.
async fn close(mut io: impl AsyncRead + AsyncWrite + Unpin, unread: bool) {
    let rest = async {
        io.shutdown().await?;
        if !unread {
            return Ok(());
        }
        let mut sink = vec![0; 16 << 10];
        while io.read(&mut sink).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // However it ends, the connection is over.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// Counts an open connection.
struct Counted(Arc<App>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.figures.connections.dec();
    }
}

/// Counting as the last thing that is done.
trait Count {
    fn inc_then(&self);
}

impl Count for prometheus_client::metrics::counter::Counter {
    fn inc_then(&self) {
        self.inc();
    }
}
