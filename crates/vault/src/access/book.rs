//! What a server remembers of keys and hosts, so that deciding costs no look at the storage, and the same for all that is refused.

use super::hosts::AdmittedHost;
use super::may::Access;
use crate::tree;
use crate::vault::Vault;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use vow_base::HostId;
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;

/// For how long and how much is remembered.
#[derive(Debug, Clone, Copy)]
pub struct BookTerms {
    /// What was looked up longer ago is looked up again: how late a revocation by another process is noticed.
    pub fresh: Duration,
    /// At most this many keys.
    pub keys_max: usize,
}

impl Default for BookTerms {
    fn default() -> Self {
        Self { fresh: Duration::from_secs(5), keys_max: 10_000 }
    }
}

/// Keys and hosts of a vault, as they were a moment ago.
pub struct AccessBook {
    vault: Vault,
    terms: BookTerms,
    keys: Mutex<HashMap<PublicKey, (Instant, Access)>>,
    hosts: RwLock<Arc<BTreeMap<HostId, Arc<AdmittedHost>>>>,
}

impl AccessBook {
    /// An empty book; [`AccessBook::refresh_hosts`] fills it.
    pub fn new(vault: Vault, terms: BookTerms) -> Self {
        Self { vault, terms, keys: Mutex::default(), hosts: RwLock::default() }
    }

    /// What a key may do, if that was looked up a moment ago.
    pub fn remembered(&self, key: &PublicKey) -> Option<Access> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, access) = keys.get(key)?;
        (at.elapsed() < self.terms.fresh).then(|| access.clone())
    }

    /// What a key may do. Reads the storage when that was not looked up a moment ago.
    pub fn access(&self, key: &PublicKey) -> Result<Access, VaultError> {
        if let Some(access) = self.remembered(key) {
            return Ok(access);
        }
        let access = self.vault.access_of(key)?;
        let is_host = matches!(access, Access::Host(_));
        // One that has joined since, or was shut out since.
        let changed = is_host != self.host(&key.host_id()).is_some_and(|record| !record.revoked);
        if changed {
            self.forget_host(&key.host_id());
        }
        // Whoever reads must not be told that there is nothing of a host which another process has just copied here.
        if changed || matches!(access, Access::Granted(_)) {
            self.refresh_hosts()?;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= self.terms.keys_max {
            // Strangers come with a new key every time: they must not make this grow.
            keys.retain(|_, (at, _)| at.elapsed() < self.terms.fresh);
            if keys.len() >= self.terms.keys_max {
                keys.clear();
            }
        }
        keys.insert(*key, (Instant::now(), access.clone()));
        Ok(access)
    }

    /// Looks everything up anew from now on.
    pub fn forget(&self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Looks at what is on record of a host anew, the next time that hosts are looked for: somebody has shut it out, or let it in.
    pub fn forget_host(&self, host: &HostId) {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if hosts.contains_key(host) {
            Arc::make_mut(&mut hosts).remove(host);
        }
    }

    /// What is on record of a host; never looks at the storage.
    pub fn host(&self, host: &HostId) -> Option<Arc<AdmittedHost>> {
        self.hosts().get(host).cloned()
    }

    /// Every host that is known; never looks at the storage.
    pub fn hosts(&self) -> Arc<BTreeMap<HostId, Arc<AdmittedHost>>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks for hosts that joined since, through this process or another.
    pub fn refresh_hosts(&self) -> Result<(), VaultError> {
        let known = self.hosts();
        let mut now = BTreeMap::new();
        for name in self.vault.inner.storage.names(tree::HOSTS)? {
            // What is no host is found, and named, by those who look at everything.
            let Some(host) = name.parse::<HostId>().ok().filter(|host| host.to_string() == name) else {
                continue;
            };
            // Customer and name come once and stay; a host may have joined without them.
            let record = match known.get(&host).filter(|record| !record.name.is_empty()) {
                Some(record) => Some(record.clone()),
                None => {
                    let key = self.vault.inner.host_key(&host)?;
                    key.map(|key| self.vault.admitted(key).map(Arc::new)).transpose()?
                }
            };
            now.extend(record.map(|record| (host, record)));
        }
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(now);
        Ok(())
    }
}
