//! How fast bytes move. Bodies are watched in windows; only time in which the other side is waited for counts.

use super::config::Limits;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Watches one body that arrives.
#[derive(Debug)]
pub(crate) struct Pace {
    window: Duration,
    least: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { window: limits.pace_window.0, least: limits.pace_least.0, waited: Duration::ZERO, bytes: 0 }
    }

    /// How long the next bytes may be waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// Bytes came after a wait. Whether that is fast enough.
    pub(crate) fn moved(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.window {
            return true;
        }
        let enough = self.bytes >= self.least;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        enough
    }
}

/// What is known of the traffic of one connection. Times are in milliseconds since it began, never 0.
#[derive(Debug)]
pub(crate) struct Traffic {
    began: Instant,
    /// Since when bytes of a head arrive that is not whole; 0 when none do.
    head: AtomicU64,
    /// When something was last asked or answered.
    active: AtomicU64,
    /// Whether a request is being answered.
    busy: AtomicBool,
    /// Whether the last request's body was answered before it was read.
    unread: AtomicBool,
    /// Since when the other side is slow in taking what is sent; 0 when it is not.
    slow: AtomicU64,
    /// Whether it is waited for at this moment.
    stuck: AtomicBool,
    /// What it took since then.
    taken: AtomicU64,
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// Nothing was asked for too long.
    Idle,
    /// The head of a request came too slowly.
    SlowHead,
    /// What was sent was taken too slowly.
    SlowReader,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            began: Instant::now(),
            head: zero(),
            active: zero(),
            busy: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            slow: zero(),
            stuck: AtomicBool::new(false),
            taken: zero(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// A request is whole; it is being answered.
    pub(crate) fn begin_request(&self) {
        self.busy.store(true, Ordering::SeqCst);
        self.head.store(0, Ordering::SeqCst);
    }

    /// Whether bytes are on their way that nobody has asked for.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::SeqCst)
    }

    /// It was answered; whether a part of its body was left unread.
    pub(crate) fn end_request(&self, unread: bool) {
        self.unread.store(unread, Ordering::SeqCst);
        self.active.store(self.now(), Ordering::SeqCst);
        self.head.store(0, Ordering::SeqCst);
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Why the connection is to be closed now, if it is. Asked about once a second.
    pub(crate) fn lapse(&self, limits: &Limits) -> Option<Lapse> {
        let now = self.now();
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        let slow = self.slow.load(Ordering::SeqCst);
        if slow != 0 && since(slow) >= limits.pace_window.0 {
            let stuck = self.stuck.load(Ordering::SeqCst);
            if stuck && self.taken.load(Ordering::SeqCst) < limits.pace_least.0 {
                return Some(Lapse::SlowReader);
            }
            self.taken.store(0, Ordering::SeqCst);
            self.slow.store(if stuck { now } else { 0 }, Ordering::SeqCst);
        }
        if self.busy.load(Ordering::SeqCst) {
            return None;
        }
        let head = self.head.load(Ordering::SeqCst);
        if head != 0 && since(head) >= limits.head_time.0 {
            return Some(Lapse::SlowHead);
        }
        (since(self.active.load(Ordering::SeqCst)) >= limits.idle_time.0).then_some(Lapse::Idle)
    }

    fn received(&self, bytes: usize) {
        if bytes > 0 && !self.busy.load(Ordering::SeqCst) {
            // Only the first bytes of a head start its clock.
            let _ = self.head.compare_exchange(0, self.now(), Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Pending => {
                self.stuck.store(true, Ordering::SeqCst);
                let _ = self.slow.compare_exchange(0, self.now(), Ordering::SeqCst, Ordering::SeqCst);
            }
            Poll::Ready(Ok(bytes)) => {
                self.stuck.store(false, Ordering::SeqCst);
                self.taken.fetch_add(*bytes as u64, Ordering::SeqCst);
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

/// A connection whose traffic is watched.
pub(crate) struct Watched<S> {
    inner: S,
    traffic: Arc<Traffic>,
}

impl<S> Watched<S> {
    pub(crate) fn new(inner: S, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.traffic.received(buf.filled().len() - before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.traffic.wrote(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        match &polled {
            Poll::Pending => self.traffic.wrote(&Poll::Pending),
            Poll::Ready(Ok(())) => self.traffic.wrote(&Poll::Ready(Ok(0))),
            Poll::Ready(Err(_)) => {}
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::config::{Bytes, Term};

    fn limits() -> Limits {
        Limits {
            pace_window: Term(Duration::from_secs(10)),
            pace_least: Bytes(100),
            head_time: Term(Duration::from_millis(20)),
            idle_time: Term(Duration::from_millis(60)),
            ..Limits::default()
        }
    }

    #[test]
    fn slow_bodies_are_noticed_and_others_left_alone() {
        let second = Duration::from_secs(1);
        let mut drip = Pace::new(&limits());
        let steps = (1..).take_while(|_| drip.moved(second, 1)).count();
        assert_eq!(steps, 9);
        let mut steady = Pace::new(&limits());
        assert!((0..1000).all(|_| steady.moved(second, 10)));
        // However long the vault itself takes: only waiting for the other side counts.
        let mut fast = Pace::new(&limits());
        assert!((0..1000).all(|_| fast.moved(Duration::ZERO, 0)));
        assert_eq!(fast.patience(), second * 10);
    }

    #[test]
    fn heads_and_idle_connections_have_their_time() {
        let (limits, traffic) = (limits(), Traffic::new());
        assert_eq!(traffic.lapse(&limits), None);
        traffic.received(1);
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(traffic.lapse(&limits), Some(Lapse::SlowHead));
        traffic.begin_request();
        traffic.received(1);
        std::thread::sleep(Duration::from_millis(80));
        assert_eq!(traffic.lapse(&limits), None, "it is being answered");
        traffic.end_request(false);
        assert_eq!(traffic.lapse(&limits), None);
        std::thread::sleep(Duration::from_millis(80));
        assert_eq!(traffic.lapse(&limits), Some(Lapse::Idle));
    }
}
