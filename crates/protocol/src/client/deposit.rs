//! The role of a host.

use super::link::Request;
use super::problem::{Problem, Saying};
use super::{Inner, OCTETS, RemoteVault, SHORT_LIMIT_BYTES};
use crate::fault::Word;
use crate::limits::MISSING_MAX;
use crate::path::{Route, Spot};
use crate::wire::{Hex, Ids};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::collections::HashSet;
use vow_base::ObjectId;
use vow_base::manifest::Manifest;
use vow_base::receipt::{ENVELOPE, Event, Receipt};
use vow_base::vault::{Deposit, Kind, VaultError};

impl Deposit for RemoteVault {
    fn put(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> Result<(), VaultError> {
        if kind == Kind::Manifest {
            return Err(VaultError::Refused(format!("manifest {id}: a manifest is committed, not put")));
        }
        let what = format!("place for {kind} {id}");
        let request = Request { limit_bytes: SHORT_LIMIT_BYTES, ..self.inner.upload(kind, id, bytes)? };
        self.inner.ask(&request, &what, &[StatusCode::OK, StatusCode::CREATED]).map(|_| ())
    }

    fn missing(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VaultError> {
        let mut missing = Vec::new();
        for part in ids.chunks(MISSING_MAX) {
            let answered = self.inner.missing_of(kind, part)?;
            let mut rest: HashSet<_> = answered.iter().map(|id| id.0).collect();
            // In the order of the question, each once, as a vault in a directory answers.
            missing.extend(part.iter().filter(|id| rest.remove(id)));
            if let Some(stranger) = rest.iter().next() {
                let reason = format!("it misses {kind} {stranger}, which it was not asked for");
                return Err(self.inner.nonsense("answer on what is missing", reason));
            }
        }
        Ok(missing)
    }

    fn commit(&self, id: &ObjectId, stored: &[u8]) -> Result<Receipt, VaultError> {
        let what = format!("place for manifest {id}");
        let options = self.inner.link.options();
        let request = Request {
            limit_bytes: ENVELOPE.limit_bytes as u64,
            patience: options.commit_patience,
            ..self.inner.upload(Kind::Manifest, id, stored)?
        };
        let answer = self.inner.link.ask(&request).map_err(|problem| match problem {
            Problem::Said(Saying { word: Word::Missing, missing, .. }) if !missing.is_empty() => {
                VaultError::Missing(missing)
            }
            other => self.inner.error(other, &what),
        })?;
        let answer = self.inner.expect(answer, &what, &[StatusCode::OK])?;
        let receipt = self.inner.entry(answer.body, "receipt")?.receipt;
        self.inner.expect_receipt_for(id, stored, &receipt)?;
        Ok(receipt)
    }

    fn receipts(&self) -> Result<Vec<Receipt>, VaultError> {
        self.inner.receipts(&self.inner.own, Spot::Receipts)
    }

    fn index_segments(&self) -> Result<Vec<ObjectId>, VaultError> {
        let objects = self.inner.objects(&self.inner.own, Kind::Index)?;
        Ok(objects.into_iter().map(|(id, _)| id).collect())
    }

    fn index_segment(&self, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.inner.object(&self.inner.own, Kind::Index, id)
    }
}

impl Inner {
    pub(super) fn upload(&self, kind: Kind, id: &ObjectId, bytes: &[u8]) -> Result<Request, VaultError> {
        if bytes.is_empty() || bytes.len() as u64 > kind.limit_bytes() {
            let length = bytes.len();
            let message = format!("{kind} {id}: {length} bytes are outside the limits of the format");
            return Err(VaultError::Refused(message));
        }
        let route = Route::Host(self.own, Spot::Object(kind, *id));
        let request = self.post(route, Bytes::copy_from_slice(bytes), OCTETS);
        Ok(Request { method: Method::PUT, ..request })
    }

    fn missing_of(&self, kind: Kind, ids: &[ObjectId]) -> Result<Vec<Hex<ObjectId>>, VaultError> {
        let body = Ids { ids: ids.iter().copied().map(Hex).collect() };
        let request = self.post_json(Route::Host(self.own, Spot::Missing(kind)), &body)?;
        let what = "answer on what is missing";
        let answered: Ids = self.read_json(self.ask(&request, what, &[StatusCode::OK])?, what)?;
        Ok(answered.ids)
    }

    /// A receipt counts only for what was committed.
    fn expect_receipt_for(&self, id: &ObjectId, stored: &[u8], receipt: &Receipt) -> Result<(), VaultError> {
        let sequence = Manifest::open(stored).map(|manifest| manifest.sequence);
        let fits = receipt.event == Event::Committed
            && receipt.manifest == *id
            && receipt.host_id() == self.own
            && sequence.is_ok_and(|sequence| sequence == receipt.sequence);
        if fits {
            return Ok(());
        }
        Err(self.nonsense(&format!("commit of manifest {id}"), "its receipt is for something else".into()))
    }
}
