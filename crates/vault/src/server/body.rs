//! Bodies that arrive: with their length, no faster than the key's share, no slower than the pace, and never more than a piece in memory.

use super::app::App;
use super::error::ApiError;
use super::pace::Pace;
use super::share::Share;
use super::tasks::turns;
use axum::body::Body;
use bytes::Buf;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vow_protocol::Word;

/// Memory is given out in units of this many bytes.
const UNIT_BYTES: u64 = 64 << 10;

/// Memory for bodies.
pub(crate) struct Memory(Arc<Semaphore>);

impl Memory {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(Semaphore::new(units(bytes) as usize)))
    }

    /// Waits for memory for this many bytes; it is free again when the permit is dropped.
    pub(crate) async fn take(&self, bytes: u64, app: &App) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = units(bytes);
        let wait = app.config.limits.wait.0;
        let taken = tokio::time::timeout(wait, self.0.clone().acquire_many_owned(units)).await;
        match taken {
            // It is never closed.
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::busy("too much is being sent at once")),
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// A body that is still to be read, with everything that goes with it.
pub(crate) struct Arriving {
    body: Body,
    left: u64,
    rest: bytes::Bytes,
    pace: Pace,
    share: Arc<Share>,
    received: Arc<AtomicU64>,
}

/// The length that a request says its body has; it must say one.
pub(crate) fn declared_length(headers: &HeaderMap) -> Result<u64, ApiError> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(no_length());
    }
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let value = values.next().ok_or_else(no_length)?;
    if values.next().is_some() {
        return Err(ApiError::malformed("more than one content-length"));
    }
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|c| c.is_ascii_digit()));
    digits
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| ApiError::malformed("the content-length is no number"))
}

fn no_length() -> ApiError {
    ApiError::new(Word::NoLength, "a body must have its length, and come in one part")
}

impl Arriving {
    /// A body of `length` bytes.
    pub(crate) fn new(
        app: &App,
        share: Arc<Share>,
        received: Arc<AtomicU64>,
        length: u64,
        body: Body,
    ) -> Self {
        let pace = Pace::new(&app.config.limits);
        Self { body, left: length, rest: bytes::Bytes::new(), pace, share, received }
    }

    /// Bytes that are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Fills `piece` up to its `most` bytes, or to the end of the body.
    pub(crate) async fn fill(&mut self, piece: &mut Vec<u8>, most: usize) -> Result<(), ApiError> {
        while self.left > 0 && piece.len() < most {
            if self.rest.is_empty() {
                self.rest = self.frame().await?;
            }
            let room = (most - piece.len()).min(self.rest.len());
            piece.extend_from_slice(&self.rest[..room]);
            self.rest.advance(room);
            self.left = self.left.saturating_sub(room as u64);
        }
        Ok(())
    }

    /// All of it.
    pub(crate) async fn whole(mut self) -> Result<Vec<u8>, ApiError> {
        // It grows as bytes come: a length that is only said costs nothing.
        let mut bytes = Vec::new();
        let length = usize::try_from(self.left).unwrap_or(usize::MAX);
        self.fill(&mut bytes, length).await?;
        Ok(bytes)
    }

    /// The next bytes from the network.
    async fn frame(&mut self) -> Result<bytes::Bytes, ApiError> {
        loop {
            let began = Instant::now();
            let waited = tokio::time::timeout(self.pace.patience(), self.body.frame()).await;
            let frame = match waited {
                Err(_) => None,
                Ok(None) => return Err(ApiError::hang_up("the body ended early")),
                Ok(Some(Err(error))) => {
                    return Err(ApiError::hang_up(format!("the body broke off: {error}")));
                }
                Ok(Some(Ok(frame))) => frame.into_data().ok(),
            };
            let bytes = frame.unwrap_or_default();
            let count = bytes.len() as u64;
            if !self.pace.moved(began.elapsed(), count) {
                return Err(ApiError::hang_up("the body came too slowly"));
            }
            if count > 0 {
                self.received.fetch_add(count, Ordering::Relaxed);
                let pause = self.share.count_bytes(count);
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                return Ok(bytes);
            }
        }
    }
}

/// Reads a body of at most `limit` bytes whole.
pub(crate) async fn read_whole(
    app: &App,
    share: Arc<Share>,
    received: Arc<AtomicU64>,
    request: Request<Body>,
    limit: u64,
) -> Result<(Vec<u8>, OwnedSemaphorePermit), ApiError> {
    let length = declared_length(request.headers())?;
    if length > limit {
        return Err(too_long(limit));
    }
    let memory = app.memory.take(length, app).await?;
    let bytes = Arriving::new(app, share, received, length, request.into_body()).whole().await?;
    Ok((bytes, memory))
}

pub(crate) fn too_long(limit: u64) -> ApiError {
    ApiError::new(Word::Length, format!("a body of this kind has at most {limit} bytes"))
}

/// One turn at a host's commits, then one at all of them: a host's queue delays nobody but itself.
pub(crate) async fn commit_turn(app: &App, share: &Share) -> Result<Vec<OwnedSemaphorePermit>, ApiError> {
    turns([&share.commits, &app.commits], app.config.limits.wait.0).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_once() {
        let read = |values: &[&str], chunked: bool| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_LENGTH, value.parse().expect("a value"));
            }
            if chunked {
                headers.append(TRANSFER_ENCODING, "chunked".parse().expect("a value"));
            }
            declared_length(&headers).map_err(|error| error.word())
        };
        assert_eq!(read(&["17"], false), Ok(17));
        assert_eq!(read(&[], false), Err(Word::NoLength));
        assert_eq!(read(&[], true), Err(Word::NoLength));
        assert_eq!(read(&["17"], true), Err(Word::NoLength));
        for bad in [&["17", "17"][..], &["+17"], &["-1"], &["1e3"], &["99999999999999999999"], &["0x10"]] {
            assert_eq!(read(bad, false), Err(Word::Malformed), "{bad:?}");
        }
    }
}
