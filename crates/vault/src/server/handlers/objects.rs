//! Objects: which are there, which are missing, and their bytes, whole or in part, one piece at a time.

use super::ledger::OCTETS;
use super::{AfterId, Answer, JsonBody, OfHost, OfObject};
use crate::server::app::{App, Noted};
use crate::server::error::{ApiError, json};
use crate::server::gate::Caller;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE,
};
use http::{Method, StatusCode};
use hyper::body::{Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::OwnedSemaphorePermit;
use vow_base::vault::{Deposit, Kind};
use vow_base::{HostId, ObjectId};
use vow_protocol::Word;
use vow_protocol::limits::{MISSING_MAX, OBJECTS_PAGE_MAX};
use vow_protocol::path::{content_range_text, parse_range};
use vow_protocol::wire::{Hex, Ids, Objects};

/// `GET /v1/hosts/{host}/{kind}`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfHost,
    AfterId(after): AfterId,
) -> Answer {
    let kind = of.kind.ok_or_else(ApiError::absent)?;
    let page = app.work(&caller.share, move |app| {
        app.vault.objects_after(&of.host, kind, after.as_ref(), OBJECTS_PAGE_MAX).noted(app)
    });
    let (objects, more) = page.await?;
    let objects = objects.into_iter().map(|(id, length)| (Hex(id), length)).collect();
    Ok(json(200, &Objects { objects, more }))
}

/// `POST /v1/hosts/{host}/{kind}/missing`.
pub(crate) async fn missing(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfHost,
    JsonBody(asked): JsonBody<Ids>,
) -> Answer {
    let (Some(kind), Some(key)) = (of.kind, caller.peer.key) else { return Err(ApiError::absent()) };
    if asked.ids.len() > MISSING_MAX {
        return Err(ApiError::malformed(format!("more than {MISSING_MAX} ids")));
    }
    let ids: Vec<_> = asked.ids.into_iter().map(|Hex(id)| id).collect();
    let missing =
        app.work(&caller.share, move |app| app.deposit(&key).noted(app)?.missing(kind, &ids).noted(app));
    let ids = missing.await?.into_iter().map(Hex).collect();
    Ok(json(200, &Ids { ids }))
}

/// `GET`, `HEAD /v1/hosts/{host}/{kind}/{id}`.
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    of: OfObject,
    method: Method,
    headers: HeaderMap,
) -> Answer {
    let OfObject { host, kind, id } = of;
    let total =
        app.work(&caller.share, move |app| app.vault.object_length(&host, kind, &id).noted(app)).await?;
    // A range has a meaning for GET only (RFC 9110, section 14.2).
    let range = if method == Method::GET { range_of(&headers, total)? } else { None };
    let (first, length) = range.unwrap_or((0, total));
    let piece = app.vault.piece_bytes();
    let body = if method == Method::HEAD || length == 0 {
        Body::empty()
    } else {
        let memory = app.memory.take(length.min(piece as u64), &app).await?;
        Body::new(Download {
            source: Source { app, caller, host, kind, id },
            offset: first,
            left: length,
            piece,
            reading: None,
            _memory: memory,
        })
    };
    let mut response = body.into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    answer.insert(CONTENT_LENGTH, length.into());
    answer.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if range.is_some() {
        let text = content_range_text(first, first + length - 1, total);
        answer.insert(CONTENT_RANGE, HeaderValue::try_from(text).map_err(|_| ApiError::absent())?);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// First byte and length of the part that is asked for; `None` for the whole.
fn range_of(headers: &HeaderMap, total: u64) -> Result<Option<(u64, u64)>, ApiError> {
    let mut values = headers.get_all(RANGE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let range = value.to_str().ok().filter(|_| values.next().is_none()).and_then(parse_range);
    match range {
        Some((first, last)) if last < total => Ok(Some((first, last - first + 1))),
        _ => Err(ApiError::new(Word::Range, "the range is not bytes=a-b inside the object")),
    }
}

/// An object on its way out.
struct Download {
    source: Source,
    offset: u64,
    left: u64,
    piece: usize,
    reading: Option<Reading>,
    _memory: OwnedSemaphorePermit,
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<u8>, ApiError>> + Send>>;

/// Where its bytes come from.
#[derive(Clone)]
struct Source {
    app: Arc<App>,
    caller: Caller,
    host: HostId,
    kind: Kind,
    id: ObjectId,
}

impl Source {
    async fn piece(self, offset: u64, length: usize) -> Result<Vec<u8>, ApiError> {
        let Self { app, caller, host, kind, id } = self;
        let pause = caller.share.count_bytes(length as u64);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        app.work(&caller.share, move |app| {
            app.vault.object_piece(&host, kind, &id, offset, length).noted(app)
        })
        .await
    }
}

/// An answer whose rest cannot be had: the connection is closed, so that nobody takes what came for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the object cannot be read to its end: {0}")]
struct BrokenOff(String);

impl HttpBody for Download {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (source, offset) = (self.source.clone(), self.offset);
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.piece);
        let reading = self.reading.get_or_insert_with(|| Box::pin(source.piece(offset, length)));
        let read = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        match read {
            Ok(bytes) => {
                self.offset += bytes.len() as u64;
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
            }
            Err(error) => {
                self.left = 0;
                Poll::Ready(Some(Err(BrokenOff(error.cause().to_owned()).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_inside_the_object_is_given() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(RANGE, value.parse().expect("a value"));
            }
            range_of(&headers, 100).map_err(|error| error.word())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["bytes=0-99"]), Ok(Some((0, 100))));
        assert_eq!(read(&["bytes=99-99"]), Ok(Some((99, 1))));
        for bad in [
            &["bytes=0-100"][..],
            &["bytes=100-100"],
            &["bytes=5-4"],
            &["bytes=-5"],
            &["bytes=5-"],
            &["bytes=0-1,4-5"],
            &["items=0-1"],
            &["bytes=0-1", "bytes=0-1"],
            &["bytes=0-18446744073709551615"],
        ] {
            assert_eq!(read(bad), Err(Word::Range), "{bad:?}");
        }
    }
}
