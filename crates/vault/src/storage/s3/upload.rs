//! An object on its way into the bucket: kept in memory until it is whole, then stored in one request that creates and never replaces.

use super::Inner;
use super::budget::Share;
use super::failure::Failure;
use super::store::Compared;
use crate::storage::Upload;
use bytes::{Bytes, BytesMut};
use object_store::PutPayload;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::disk::DiskError;
use vow_base::id::Sha256Stream;
use vow_base::publish::{PublishError, Published};

/// So much costs no memory that others wait for: what is this small never waits for large objects.
const FREE_BYTES: usize = 64 * 1024;
/// In such pieces memory is taken.
const PIECE_BYTES: usize = 512 * 1024;
/// How long an upload waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(120);
/// After a conflict with somebody who did not finish, so often it is tried again.
const CONFLICTS_LIMIT: u32 = 10;
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct S3Upload {
    pub(super) inner: Arc<Inner>,
    pub(super) name: String,
    pub(super) key: String,
    pub(super) expected: Option<ObjectId>,
    pub(super) share: Share,
    pub(super) bytes: Buffer,
}

/// What came so far.
#[derive(Default)]
pub(super) struct Buffer {
    full: Vec<Bytes>,
    last: BytesMut,
    /// How much the last piece may hold.
    room: usize,
    length: usize,
    hash: Sha256Stream,
}

impl Upload for S3Upload {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), DiskError> {
        self.bytes.hash.update(bytes);
        let limit = self.share.limit();
        if bytes.len() > limit.saturating_sub(self.bytes.length) {
            let error =
                Error::new(ErrorKind::FileTooLarge, format!("more than {limit} bytes for one object"));
            return Err(DiskError { action: "store", path: self.path(), source: error });
        }
        while !bytes.is_empty() {
            if self.bytes.last.len() == self.bytes.room {
                self.more()?;
            }
            let buffer = &mut self.bytes;
            let (now, later) = bytes.split_at(bytes.len().min(buffer.room - buffer.last.len()));
            buffer.last.extend_from_slice(now);
            buffer.length += now.len();
            bytes = later;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Published, PublishError> {
        let digest = std::mem::take(&mut self.bytes.hash).finish();
        let found = ObjectId(digest);
        if self.expected.is_some_and(|expected| expected != found) {
            return Err(PublishError::WrongHash { path: self.path(), found });
        }
        let mut pieces = std::mem::take(&mut self.bytes.full);
        pieces.push(std::mem::take(&mut self.bytes.last).freeze());
        let payload = pieces.into_iter().collect::<PutPayload>();
        let inner = self.inner.clone();
        inner.runtime.block_on(self.publish(payload, digest))
    }
}

impl S3Upload {
    /// A next piece of memory, waiting for it when others hold too much.
    fn more(&mut self) -> Result<(), DiskError> {
        let buffer = &mut self.bytes;
        if buffer.room > 0 {
            buffer.full.push(std::mem::take(&mut buffer.last).freeze());
            if !self.share.grow(PIECE_BYTES, MEMORY_WAIT) {
                let text = "too many objects are being stored at once: no memory became free for this one";
                let error = Error::new(ErrorKind::ResourceBusy, text);
                return Err(DiskError { action: "store", path: self.path(), source: error });
            }
            buffer.room = PIECE_BYTES;
            buffer.last.reserve(PIECE_BYTES);
        } else {
            // Grows as it is filled: many objects are far smaller.
            buffer.room = FREE_BYTES;
        }
        Ok(())
    }

    async fn publish(&self, payload: PutPayload, digest: [u8; 32]) -> Result<Published, PublishError> {
        let store = &self.inner.store;
        let length = payload.content_length() as u64;
        // A name that is no hash must be taken once. To the store it is free when somebody has put a delete marker over it.
        if self.expected.is_none() && store.versions {
            match self.compare(length, &digest).await? {
                Compared::Absent => {}
                there => return self.there(there),
            }
        }
        let mut conflicts = 0;
        loop {
            let failure =
                match store.put(&self.key, payload.clone(), digest, store.lock_of_new(&self.name)).await {
                    Ok(()) => return Ok(Published::New),
                    Err(failure) => failure,
                };
            let is_taken = failure.has_status(412) || failure.has_status(409) || failure.has_status(304);
            match self.compare(length, &digest).await {
                Ok(Compared::Absent) if is_taken && conflicts < CONFLICTS_LIMIT => {
                    // Two came at once, and the other one has not come to an end yet, or never will.
                    conflicts += 1;
                    tokio::time::sleep(CONFLICT_PAUSE * conflicts).await;
                }
                Ok(there @ (Compared::Same | Compared::Differs(_))) if is_taken => return self.there(there),
                // An answer was lost: what was sent is there all the same.
                Ok(Compared::Same) => return Ok(Published::AlreadyThere),
                _ => return Err(self.fail(failure).into()),
            }
        }
    }

    async fn compare(&self, length: u64, digest: &[u8; 32]) -> Result<Compared, DiskError> {
        self.inner.store.compare(&self.key, length, digest).await.map_err(|failure| self.fail(failure))
    }

    fn there(&self, compared: Compared) -> Result<Published, PublishError> {
        match compared {
            Compared::Differs(reason) => Err(PublishError::Occupied { path: self.path(), reason }),
            Compared::Same | Compared::Absent => Ok(Published::AlreadyThere),
        }
    }

    fn fail(&self, failure: Failure) -> DiskError {
        failure.at("store", &self.inner.store.address, &self.name)
    }

    fn path(&self) -> std::path::PathBuf {
        self.inner.store.address.path(&self.name)
    }
}
