//! Whether a transfer still moves. A peer that is silent, or drips, is given up; a slow line is not.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// A transfer moves when at least this many bytes pass in each window: about 1 KiB/s. Half of what a vault demands.
const LEAST_BYTES: u64 = 32 << 10;
/// How often the watch looks.
const TICK: Duration = Duration::from_millis(500);

/// How much went over one connection, as it lies on the wire.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: AtomicU64,
    written: AtomicU64,
}

/// A stream whose bytes are counted, and on which an answer is heard even when the other side no longer listens.
///
/// A vault that is full says so and hangs up, in the middle of an upload. The write that fails then must not hide what it said:
/// once writing fails it never becomes possible again, and reading decides how it ends.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
    deaf: bool,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self { stream, meter, deaf: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.meter.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> Metered<S> {
    fn written(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(bytes)) => {
                self.meter.written.fetch_add(*bytes as u64, Ordering::Relaxed);
            }
            // Whoever reads is woken by the same event, and the watch ends what nobody wakes.
            Poll::Ready(Err(error))
                if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) =>
            {
                self.deaf = true;
                return Poll::Pending;
            }
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        polled
    }
}

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request is being sent.
    Sending,
    /// The request is sent; the vault works on it.
    Waiting,
    /// The body of the answer is being read.
    Receiving,
}

/// Watches one exchange.
///
/// What the vault sends while the request is on its way, or while its answer is waited for, is no progress: it could go on
/// sending for ever.
#[derive(Debug)]
pub(super) struct Watch {
    meter: Arc<Meter>,
    window: Duration,
    patience: Duration,
    mark: Mutex<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    phase: Phase,
    since: Instant,
    moved: u64,
    /// Nothing is expected to move: we pause ourselves.
    paused: bool,
}

impl Watch {
    /// A watch over what goes through `meter`: at least a little in each `window`, and an answer after `patience` at most.
    pub(super) fn new(meter: Arc<Meter>, window: Duration, patience: Duration) -> Self {
        let mark = Mark { phase: Phase::Sending, since: Instant::now(), moved: 0, paused: false };
        let watch = Self { meter, window, patience, mark: Mutex::new(mark) };
        watch.enter(Phase::Sending);
        watch
    }

    /// What is waited for changes.
    pub(super) fn enter(&self, phase: Phase) {
        let moved = self.moved(phase);
        *self.lock() = Mark { phase, since: Instant::now(), moved, paused: false };
    }

    /// The request is sent, unless its answer came first.
    pub(super) fn sent(&self) {
        if self.phase() == Phase::Sending {
            self.enter(Phase::Waiting);
        }
    }

    /// A pause of our own begins or ends: the other side is not to blame for it.
    pub(super) fn pause(&self, paused: bool) {
        self.enter(self.phase());
        self.lock().paused = paused;
    }

    /// Likewise, while the request is being sent.
    pub(super) fn pause_sending(&self, paused: bool) {
        if self.phase() == Phase::Sending {
            self.pause(paused);
        }
    }

    /// What is waited for.
    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Ends when nothing moves any more; says what was waited for in vain.
    pub(super) async fn stalled(&self) -> String {
        loop {
            let mark = *self.lock();
            let window = if mark.phase == Phase::Waiting { self.patience } else { self.window };
            let now = Instant::now();
            if mark.paused || now < mark.since + window {
                let end = if mark.paused { now + TICK } else { mark.since + window };
                tokio::time::sleep_until(end.min(now + TICK)).await;
                continue;
            }
            let moved = self.moved(mark.phase).saturating_sub(mark.moved);
            if moved < LEAST_BYTES {
                let seconds = window.as_secs();
                return match mark.phase {
                    Phase::Sending => format!("it took only {moved} bytes in {seconds} seconds"),
                    Phase::Waiting => format!("no answer within {seconds} seconds"),
                    Phase::Receiving => format!("it sent only {moved} bytes in {seconds} seconds"),
                };
            }
            self.enter(mark.phase);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self, phase: Phase) -> u64 {
        let counter = if phase == Phase::Receiving { &self.meter.read } else { &self.meter.written };
        counter.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);
    const PATIENCE: Duration = Duration::from_secs(90);

    fn watch() -> (Arc<Meter>, Watch) {
        let meter = Arc::new(Meter::default());
        (meter.clone(), Watch::new(meter, WINDOW, PATIENCE))
    }

    /// Runs with time that passes only when everybody waits.
    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn silence_is_given_up_after_one_window() {
        run(async {
            let (_, watch) = watch();
            let start = Instant::now();
            let text = watch.stalled().await;
            assert!(text.contains("0 bytes in 30 seconds"), "{text}");
            assert!(start.elapsed() < WINDOW + TICK * 2);
        });
    }

    #[test]
    fn a_slow_line_is_waited_for_and_a_drip_is_not() {
        run(async {
            // 16 MiB at 2 KiB/s: more than two hours.
            let (meter, watch) = watch();
            let slow = async {
                for _ in 0..8192 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    meter.written.fetch_add(2 << 10, Ordering::Relaxed);
                }
            };
            tokio::select! {
                text = watch.stalled() => panic!("{text}"),
                () = slow => {}
            }
        });
        run(async {
            let (meter, watch) = watch();
            let drip = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    meter.written.fetch_add(500, Ordering::Relaxed);
                }
            };
            tokio::select! {
                text = watch.stalled() => assert!(text.contains("in 30 seconds"), "{text}"),
                () = drip => {}
            }
        });
    }

    #[test]
    fn an_answer_has_its_own_patience_and_headers_without_end_do_not_stretch_it() {
        run(async {
            let (meter, watch) = watch();
            watch.enter(Phase::Waiting);
            let start = Instant::now();
            let chatter = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    meter.read.fetch_add(1 << 20, Ordering::Relaxed);
                }
            };
            tokio::select! {
                text = watch.stalled() => assert!(text.contains("no answer within 90"), "{text}"),
                () = chatter => {}
            }
            assert!(start.elapsed() < PATIENCE + TICK * 2);
        });
    }

    #[test]
    fn own_pauses_are_no_stall() {
        run(async {
            let (_, watch) = watch();
            let limited = async {
                watch.pause_sending(true);
                tokio::time::sleep(WINDOW * 10).await;
                watch.pause_sending(false);
                tokio::time::sleep(WINDOW - TICK).await;
            };
            tokio::select! {
                text = watch.stalled() => panic!("{text}"),
                () = limited => {}
            }
            watch.sent();
            // It is no longer being sent: too late to pause.
            watch.pause_sending(true);
            assert!(watch.stalled().await.contains("no answer"));
        });
    }
}
