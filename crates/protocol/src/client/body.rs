//! Bodies: sent in pieces and read up to a limit, both at the speed that is allowed.

use super::limit::{Bucket, piece};
use super::problem::Problem;
use super::watch::Watch;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// A bucket and the clock it is drawn by.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    bucket: Arc<Bucket>,
    start: Instant,
}

impl Flow {
    /// A flow of this many bytes per second.
    pub(super) fn new(rate: u64) -> Self {
        Self { bucket: Arc::new(Bucket::new(rate)), start: Instant::now() }
    }

    /// How many transfers may share it.
    pub(super) fn shares(&self) -> usize {
        self.bucket.shares()
    }

    fn draw(&self, bytes: usize) -> Duration {
        self.bucket.draw(bytes as u64, self.start.elapsed())
    }
}

/// The body of a request.
pub(super) struct Upload {
    left: Bytes,
    flow: Option<Flow>,
    watch: Arc<Watch>,
    /// The next piece, drawn but not yet paid for.
    next: Option<(Bytes, Pin<Box<Sleep>>)>,
}

impl Upload {
    pub(super) fn new(bytes: Bytes, flow: Option<Flow>, watch: Arc<Watch>) -> Self {
        Self { left: bytes, flow, watch, next: None }
    }

    fn cut(&mut self) -> Bytes {
        let most = self.flow.as_ref().map_or(piece(None), |flow| flow.bucket.piece());
        self.left.split_to(most.min(self.left.len()))
    }

    fn hand_over(&self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            self.watch.sent();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next.is_none() {
            if self.left.is_empty() {
                return Poll::Ready(None);
            }
            let bytes = self.cut();
            let pause =
                self.flow.as_ref().map(|flow| flow.draw(bytes.len())).filter(|pause| !pause.is_zero());
            let Some(pause) = pause else { return self.hand_over(bytes) };
            self.watch.pause_sending(true);
            self.next = Some((bytes, Box::pin(tokio::time::sleep(pause))));
        }
        if let Some((_, sleep)) = &mut self.next {
            ready!(sleep.as_mut().poll(cx));
            self.watch.pause_sending(false);
        }
        match self.next.take() {
            Some((bytes, _)) => self.hand_over(bytes),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.next.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let next = self.next.as_ref().map_or(0, |(bytes, _)| bytes.len());
        SizeHint::with_exact((self.left.len() + next) as u64)
    }
}

/// Reads the body of an answer, at most `limit_bytes` of it.
pub(super) async fn receive(
    mut body: Incoming,
    limit_bytes: u64,
    flow: Option<&Flow>,
    watch: &Watch,
) -> Result<Vec<u8>, Problem> {
    let too_long = |length: u64| {
        Problem::Nonsense(format!(
            "an answer of {length} bytes or more, where at most {limit_bytes} can come"
        ))
    };
    let announced = body.size_hint().lower();
    if announced > limit_bytes {
        return Err(too_long(announced));
    }
    let mut bytes = Vec::with_capacity(announced as usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Problem::of_http(&e))?;
        let Some(data) = frame.data_ref() else { continue };
        let length = (bytes.len() + data.len()) as u64;
        if length > limit_bytes {
            return Err(too_long(length));
        }
        bytes.extend_from_slice(data);
        let pause = flow.map_or(Duration::ZERO, |flow| flow.draw(data.len()));
        if !pause.is_zero() {
            watch.pause(true);
            tokio::time::sleep(pause).await;
            watch.pause(false);
        }
    }
    Ok(bytes)
}
