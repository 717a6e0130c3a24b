//! How much each host and each customer has stored, and what is promised to requests whose bytes are still on their way.

mod count;

pub(crate) use count::keep_counting;

use super::config::Quota;
use crate::access::AdmittedHost;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vow_base::HostId;
use vow_base::clock::Nanos;

/// So much above its quota a host may commit what it has stored already.
const MANIFEST_OVERDRAFT_BYTES: u64 = 64 << 20;

/// What is stored, by host and customer.
pub(crate) struct Usage {
    quota: Quota,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    hosts: HashMap<HostId, HostBook>,
    /// Stored and promised, by customer.
    tenants: HashMap<String, u64>,
}

#[derive(Default)]
struct HostBook {
    tenant: String,
    /// What the last count found; nothing before the first one.
    counted: Tally,
    /// Stored by this process since it was started.
    stored: Tally,
    /// What that was when the last count began.
    mark: Tally,
    /// Promised.
    reserved: u64,
    known: bool,
    /// When a quota kept it from storing something last, and which; until it can again.
    refused: Option<(Nanos, OverQuota)>,
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// A quota that would be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverQuota {
    /// The customer's, not the host's own.
    pub(crate) of_tenant: bool,
    pub(crate) quota_bytes: u64,
    pub(crate) used_bytes: u64,
}

/// Bytes promised to a request. They are free again when this is dropped.
pub(crate) struct Promise {
    usage: Arc<Usage>,
    host: HostId,
    bytes: u64,
}

impl HostBook {
    /// What it has stored. While a count is under way, or before the first one, at least this much.
    fn used(&self) -> Tally {
        let since = |now: u64, then: u64| now.saturating_sub(then);
        Tally {
            objects: self.counted.objects + since(self.stored.objects, self.mark.objects),
            bytes: self.counted.bytes + since(self.stored.bytes, self.mark.bytes),
        }
    }
}

impl Usage {
    pub(crate) fn new(quota: Quota) -> Arc<Self> {
        Arc::new(Self { quota, books: Mutex::default() })
    }

    /// Promises bytes, if host and customer stay within their quotas. All that was promised before counts.
    pub(crate) fn promise(
        self: &Arc<Self>,
        host: &AdmittedHost,
        bytes: u64,
        manifest: bool,
    ) -> Result<Promise, OverQuota> {
        let mut books = self.books();
        let id = host.key.host_id();
        let overdraft = if manifest { MANIFEST_OVERDRAFT_BYTES } else { 0 };
        let over = |quota: Option<u64>, used: u64, of_tenant| match quota {
            Some(quota_bytes) if used.saturating_add(bytes) > quota_bytes.saturating_add(overdraft) => {
                Err(OverQuota { of_tenant, quota_bytes, used_bytes: used })
            }
            _ => Ok(()),
        };
        let own = books.hosts.get(&id).map_or(0, |book| book.used().bytes + book.reserved);
        over(self.host_quota(&host.tenant, &host.name), own, false)?;
        let shared = books.tenants.get(&host.tenant).copied().unwrap_or(0);
        over(self.tenant_quota(&host.tenant), shared, true)?;
        let book = books.hosts.entry(id).or_default();
        book.reserved += bytes;
        book.tenant.clone_from(&host.tenant);
        *books.tenants.entry(host.tenant.clone()).or_default() += bytes;
        Ok(Promise { usage: self.clone(), host: id, bytes })
    }

    /// A quota kept this host from storing something.
    pub(crate) fn note_refusal(&self, host: &AdmittedHost, over: OverQuota, now: Nanos) {
        self.books().hosts.entry(host.key.host_id()).or_default().refused = Some((now, over));
    }

    /// A whole snapshot of this host was stored.
    pub(crate) fn took(&self, host: &AdmittedHost) {
        if let Some(book) = self.books().hosts.get_mut(&host.key.host_id()) {
            book.refused = None;
        }
    }

    /// Hosts that a quota kept from storing something, and that stored no snapshot since.
    pub(crate) fn refused(&self) -> Vec<(HostId, Nanos, OverQuota)> {
        let refused = |(host, book): (&HostId, &HostBook)| book.refused.map(|(at, over)| (*host, at, over));
        let mut all: Vec<_> = self.books().hosts.iter().filter_map(refused).collect();
        all.sort_unstable_by_key(|(host, at, _)| (*at, *host));
        all
    }

    /// What a host has stored, and whether that was counted yet; before, it is at least this much.
    pub(crate) fn of_host(&self, host: &HostId) -> (Tally, bool) {
        self.books().hosts.get(host).map_or((Tally::default(), false), |book| (book.used(), book.known))
    }

    /// What all have stored.
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        for book in self.books().hosts.values() {
            total.objects += book.used().objects;
            total.bytes += book.used().bytes;
        }
        total
    }

    /// A count of a host begins: what was stored up to now will be in it.
    pub(crate) fn begin_count(&self, host: &AdmittedHost) -> Tally {
        let mut books = self.books();
        let book = books.hosts.entry(host.key.host_id()).or_default();
        book.tenant.clone_from(&host.tenant);
        book.stored
    }

    /// It has ended. What was stored while it went on may be counted twice, until the next one: whether that is so.
    pub(crate) fn end_count(&self, host: &HostId, mark: Tally, found: Tally) -> bool {
        let mut books = self.books();
        let Some(book) = books.hosts.get_mut(host) else { return false };
        let before = book.used().bytes;
        (book.counted, book.mark, book.known) = (found, mark, true);
        let (after, doubtful, tenant) = (book.used().bytes, book.stored != mark, book.tenant.clone());
        let sum = books.tenants.entry(tenant).or_default();
        *sum = sum.saturating_add(after).saturating_sub(before);
        doubtful
    }

    fn host_quota(&self, tenant: &str, name: &str) -> Option<u64> {
        let exceptions = self.quota.exceptions.iter();
        let own = exceptions.rev().find(|of| of.tenant == tenant && of.name.as_deref() == Some(name));
        own.map(|of| of.bytes).or(self.quota.host).map(|bytes| bytes.0)
    }

    fn tenant_quota(&self, tenant: &str) -> Option<u64> {
        if tenant.is_empty() {
            return None;
        }
        let own = self.quota.exceptions.iter().rev().find(|of| of.tenant == tenant && of.name.is_none());
        own.map(|of| of.bytes).or(self.quota.tenant).map(|bytes| bytes.0)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Promise {
    /// The bytes are stored now.
    pub(crate) fn keep(mut self) {
        let mut books = self.usage.books();
        if let Some(book) = books.hosts.get_mut(&self.host) {
            book.reserved = book.reserved.saturating_sub(self.bytes);
            book.stored.bytes += self.bytes;
            book.stored.objects += 1;
        }
        drop(books);
        // They are used now: nothing is given back.
        self.bytes = 0;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut books = self.usage.books();
        let Some(book) = books.hosts.get_mut(&self.host) else { return };
        book.reserved = book.reserved.saturating_sub(self.bytes);
        let tenant = book.tenant.clone();
        if let Some(sum) = books.tenants.get_mut(&tenant) {
            *sum = sum.saturating_sub(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests;
