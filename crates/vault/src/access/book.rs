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
    /// An empty book; [`AccessBook::refresh_hosts`] fills it, and [`AccessBook::catch_up`] keeps it full.
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
        let (id, is_host) = (key.host_id(), matches!(access, Access::Host(_)));
        // One that has joined since, or was shut out since.
        if is_host != self.host(&id).is_some_and(|record| !record.revoked) {
            self.look_at(&id)?;
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

    /// Looks at what is on record of a host anew: it has joined, or somebody has shut it out.
    pub fn look_at(&self, host: &HostId) -> Result<(), VaultError> {
        let found = self.read(&[*host])?;
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let hosts = Arc::make_mut(&mut hosts);
        hosts.remove(host);
        hosts.extend(found);
        Ok(())
    }

    /// Looks at hosts that the ledger names and that are not known yet: another process has let them in, or copied them here. There is nothing to
    /// be read of any other host, so whoever reads needs no list of all of them, which in a bucket is a request for each thousand.
    pub fn catch_up(&self) -> Result<(), VaultError> {
        let (state, known) = (self.vault.state()?, self.hosts());
        let new: Vec<_> = state.hosts.keys().filter(|host| !known.contains_key(host)).copied().collect();
        self.add(&new)
    }

    /// What is on record of a host; never looks at the storage.
    pub fn host(&self, host: &HostId) -> Option<Arc<AdmittedHost>> {
        self.hosts().get(host).cloned()
    }

    /// Every host that is known; never looks at the storage.
    pub fn hosts(&self) -> Arc<BTreeMap<HostId, Arc<AdmittedHost>>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lists all hosts: also those that joined through another process and have sent nothing yet.
    pub fn refresh_hosts(&self) -> Result<(), VaultError> {
        let (known, mut new) = (self.hosts(), Vec::new());
        for name in self.vault.inner.storage.names(tree::HOSTS)? {
            // What is no host is found, and named, by those who look at everything.
            let Some(host) = name.parse::<HostId>().ok().filter(|host| host.to_string() == name) else {
                continue;
            };
            // Customer and name come once and stay; a host may have joined without them.
            if known.get(&host).is_none_or(|record| record.name.is_empty()) {
                new.push(host);
            }
        }
        self.add(&new)
    }

    fn add(&self, hosts: &[HostId]) -> Result<(), VaultError> {
        if hosts.is_empty() {
            return Ok(());
        }
        let found = self.read(hosts)?;
        let mut known = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut known).extend(found);
        Ok(())
    }

    /// What is on record of those of these hosts that have joined.
    fn read(&self, hosts: &[HostId]) -> Result<Vec<(HostId, Arc<AdmittedHost>)>, VaultError> {
        let keys: Vec<_> = self.vault.inner.host_keys(hosts)?.into_iter().flatten().collect();
        let records = self.vault.admitted(&keys)?;
        Ok(records.into_iter().map(|record| (record.key.host_id(), Arc::new(record))).collect())
    }
}
