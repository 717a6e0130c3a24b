//! The role of a restorer.

use super::link::{Answer, Request};
use super::problem::{Problem, Saying};
use super::{Inner, RemoteVault};
use crate::fault::Word;
use crate::limits::{HOSTS_MAX, is_name};
use crate::path::{Route, Spot, range_text};
use crate::wire::{HostEntry, Hosts};
use http::StatusCode;
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, PACK_LIMIT_BYTES, Retrieve, VaultError};
use vow_base::{HostId, ObjectId};

impl Retrieve for RemoteVault {
    fn hosts(&self) -> Result<Vec<PublicKey>, VaultError> {
        Ok(self.host_entries()?.into_iter().map(|host| host.key.0).collect())
    }

    fn committed(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        self.inner.receipts(host, Spot::Snapshots)
    }

    fn objects(&self, host: &HostId, kind: Kind) -> Result<Vec<(ObjectId, u64)>, VaultError> {
        self.inner.objects(host, kind)
    }

    fn get(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        self.inner.object(host, kind, id)
    }

    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, VaultError> {
        self.inner.pack_range(host, id, offset, length as u64)
    }
}

impl RemoteVault {
    /// The hosts this key may see, with their names.
    pub fn host_entries(&self) -> Result<Vec<HostEntry>, VaultError> {
        let what = "list of hosts";
        let Hosts { hosts } = self.inner.get_json(Route::Hosts, None, what)?;
        if hosts.len() > HOSTS_MAX {
            return Err(self.inner.nonsense(what, format!("a list of {}", hosts.len())));
        }
        let good = |name: &str| name.is_empty() || is_name(name);
        if let Some(host) = hosts.iter().find(|host| !good(&host.tenant) || !good(&host.name)) {
            let id = host.key.0.host_id();
            return Err(self.inner.nonsense(what, format!("host {} has no proper name", id.short())));
        }
        Ok(hosts)
    }

    /// The receipts that a host ever got, also of snapshots that are no longer kept.
    pub fn receipts_of(&self, host: &HostId) -> Result<Vec<Receipt>, VaultError> {
        self.inner.receipts(host, Spot::Receipts)
    }
}

impl Inner {
    /// A whole object, verified against its name.
    pub(super) fn object(&self, host: &HostId, kind: Kind, id: &ObjectId) -> Result<Vec<u8>, VaultError> {
        let route = Route::Host(*host, Spot::Object(kind, *id));
        let request = Request { limit_bytes: kind.limit_bytes(), ..self.get(route, None) };
        let answer = self.fetch(host, kind, id, &request, StatusCode::OK)?;
        let found = ObjectId::of(&answer.body);
        if found != *id {
            let reason = format!("what {} sends hashes to {found}", self.place);
            return Err(VaultError::Damaged { kind, id: *id, reason });
        }
        Ok(answer.body)
    }

    fn pack_range(
        &self,
        host: &HostId,
        id: &ObjectId,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, VaultError> {
        let kind = Kind::Pack;
        let short = format!("it ends before the {length} bytes at {offset}");
        if offset.saturating_add(length) > PACK_LIMIT_BYTES {
            return Err(VaultError::Damaged { kind, id: *id, reason: short });
        }
        if length == 0 {
            return Ok(Vec::new());
        }
        let route = Route::Host(*host, Spot::Object(kind, *id));
        let range = range_text(offset, length);
        let expected = format!("bytes {}/", range.trim_start_matches("bytes="));
        let request = Request { limit_bytes: length, range: Some(range), ..self.get(route, None) };
        let answer = match self.fetch(host, kind, id, &request, StatusCode::PARTIAL_CONTENT) {
            Err(VaultError::Damaged { .. }) => {
                return Err(VaultError::Damaged { kind, id: *id, reason: short });
            }
            other => other?,
        };
        let named = answer.content_range.is_some_and(|range| range.starts_with(&expected));
        if !named || answer.body.len() as u64 != length {
            let reason = format!("asked for {expected}, it sends another part");
            return Err(self.nonsense(&format!("{kind} {id}"), reason));
        }
        Ok(answer.body)
    }

    fn fetch(
        &self,
        host: &HostId,
        kind: Kind,
        id: &ObjectId,
        request: &Request,
        good: StatusCode,
    ) -> Result<Answer, VaultError> {
        let what = format!("{kind} {id}");
        let answer = self.link.ask(request).map_err(|problem| match problem {
            Problem::Said(Saying { word: Word::Absent, .. }) => VaultError::Absent { kind, id: *id },
            Problem::Said(Saying { word: Word::Range, message, .. }) => {
                VaultError::Damaged { kind, id: *id, reason: message }
            }
            other => other.into_error(&self.place, *host, &what),
        })?;
        self.expect(answer, &what, &[good])
    }
}
