//! One connection: HTTP/1.1, heads within their time, no endless ones.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower_service::Service;
use vow_base::sign::PublicKey;

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// From where.
    pub(crate) address: SocketAddr,
    /// The key that was proved, on the listener for hosts.
    pub(crate) key: Option<PublicKey>,
}

/// The head of a request arrives within this time; a connection on which nothing is asked for so long is closed.
const HEAD_TIME: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 32 << 10;

/// Answers what is asked on a connection until it ends or the server is told to stop.
pub(crate) async fn speak<S>(io: S, peer: Peer, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;
    let service = service_fn(move |mut request: http::Request<Incoming>| -> Answer {
        let mut router = router.clone();
        Box::pin(async move {
            request.extensions_mut().insert(peer);
            router.call(request.map(Body::new)).await
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(io), service);
    let mut closing = *stop.borrow();
    if closing {
        Pin::new(&mut connection).graceful_shutdown();
    }
    loop {
        tokio::select! {
            // A connection that breaks off concerns nobody.
            _ = &mut connection => return,
            _ = stop.changed(), if !closing => {
                closing = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}
