//! Heads of other vaults' ledgers, as they were seen: a vault that was rolled back, or tells two stories, contradicts one of them.

use crate::local::ENTRIES_AT_ONCE;
use crate::tree;
use crate::vault::{Vault, text_error};
use std::fmt;
use vow_base::clock::Nanos;
use vow_base::id::{hex, sha256};
use vow_base::publish::PublishError;
use vow_base::receipt::{ENVELOPE, Receipt};
use vow_base::sign::PublicKey;
use vow_base::vault::{Introduced, VaultError, Watch};
use vow_base::{HostId, ObjectId};

/// Heads of so many vaults are kept: nobody watches more, and nobody can fill a vault with heads of vaults that do not exist.
const VAULTS_MAX: usize = 64;
/// Of these, so many that a host may have brought: one that lies cannot keep out what others have seen.
const VAULTS_OF_HOSTS_MAX: usize = 16;
/// So many contradictions of one vault are kept: one is enough to convict it, and nobody fills a disk with more.
const CONTRADICTIONS_MAX: usize = 8;
/// Of one vault so many heads are shown to it: the newest is what matters.
const HEADS_SHOWN: usize = 100;
/// A newer head of the same vault that a host brings is kept only so long after the one before it: a host may bring many.
const PAUSE: Nanos = 3600 * 1_000_000_000;
/// The same of a head that a vault shows itself: it is to find there, later, what it showed.
const SHORT_PAUSE: Nanos = 60 * 1_000_000_000;

/// What a vault's ledger shows, compared with what was seen of it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Story {
    /// It goes on from what was seen: the newest position.
    Continues(u64),
    /// It is empty, and nothing was ever seen of it.
    Empty,
    /// It is shorter than it was.
    RolledBack {
        /// The newest position seen before.
        seen: u64,
        /// The newest position now.
        now: u64,
    },
    /// An entry is another one than it was.
    Rewritten {
        /// Its position.
        position: u64,
    },
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continues(position) => write!(f, "its ledger goes on to position {position}"),
            Self::Empty => f.write_str("its ledger is empty"),
            Self::RolledBack { seen, now } => {
                write!(f, "ITS LEDGER ENDS AT POSITION {now}, AND WAS AT {seen} BEFORE: it was set back")
            }
            Self::Rewritten { position } => {
                write!(f, "ENTRY {position} OF ITS LEDGER IS ANOTHER ONE THAN BEFORE: it tells two stories")
            }
        }
    }
}

impl Vault {
    /// Keeps a head of another vault as evidence. Older ones than the newest seen, and ones too many, are let go in silence.
    ///
    /// One that contradicts what was seen before is kept beside it: whoever looks at the folder sees both.
    pub fn witness_head(&self, stored: &[u8]) -> Result<(), VaultError> {
        self.keep_head(stored, PAUSE, VAULTS_MAX)
    }

    /// The same for a head that somebody brings who is trusted with little, or with much: only the latter can name many vaults.
    pub fn witness_from(&self, stored: &[u8], trusted: bool) -> Result<(), VaultError> {
        match trusted {
            true => self.keep_head(stored, SHORT_PAUSE, VAULTS_MAX),
            false => self.keep_head(stored, PAUSE, VAULTS_OF_HOSTS_MAX),
        }
    }

    fn keep_head(&self, stored: &[u8], pause: Nanos, vaults_max: usize) -> Result<(), VaultError> {
        let head = open(stored)?;
        let vault = PublicKey(head.vault_key);
        if vault == self.inner.key {
            return Ok(());
        }
        let storage = &*self.inner.storage;
        let id = hex(&sha256(&vault.0));
        if let Some(seen) = self.newest_seen(&vault)? {
            let known = open(&seen)?;
            let early = head.received.saturating_sub(known.received) < pause;
            if head.position < known.position || head.position > known.position && early {
                return Ok(());
            }
        } else {
            storage.make_folder(tree::WITNESS)?;
            if storage.names(tree::WITNESS)?.len() >= vaults_max {
                return Ok(());
            }
            storage.make_folder(&tree::witness(&id))?;
        }
        let name = format!("{}/{}", tree::witness(&id), tree::entry_name(head.position));
        match storage.create(&name, stored, None) {
            Ok(_) => Ok(()),
            Err(PublishError::Occupied { .. }) => {
                let names = storage.names(&tree::witness(&id))?;
                if names.iter().filter(|name| name.contains('.')).count() >= CONTRADICTIONS_MAX {
                    return Ok(());
                }
                let contradiction = format!("{name}.{}", ObjectId::of(stored).short());
                storage.create(&contradiction, stored, None).map(|_| ()).map_err(text_error)
            }
            Err(other) => Err(text_error(other)),
        }
    }

    /// Follows another vault's ledger from the newest head seen of it, verifying every link, and remembers its head.
    ///
    /// Nothing is remembered of a ledger that contradicts what was seen.
    pub fn follow(&self, other: &dyn Watch) -> Result<Story, VaultError> {
        let key = other.vault_key()?;
        let seen = match self.newest_seen(&key)? {
            Some(stored) => Some((open(&stored)?.position, stored)),
            None => None,
        };
        let Some(head) = other.head()? else {
            return Ok(seen.map_or(Story::Empty, |(seen, _)| Story::RolledBack { seen, now: 0 }));
        };
        let newest = by(&key, &head)?;
        let (mut position, mut last) = (0, None);
        if let Some((seen, stored)) = seen {
            if newest.position < seen {
                return Ok(Story::RolledBack { seen, now: newest.position });
            }
            let now = other.entries(seen - 1)?.into_iter().next();
            if now.is_none_or(|now| now != stored) {
                return Ok(Story::Rewritten { position: seen });
            }
            (position, last) = (seen, Some(ObjectId::of(&stored)));
        }
        while position < newest.position {
            let entries = other.entries(position)?;
            if entries.is_empty() {
                return Err(broken(&key, position + 1, "it is not given out"));
            }
            for stored in entries {
                let entry = by(&key, &stored)?;
                if entry.position != position + 1 || entry.previous != last {
                    return Err(broken(&key, position + 1, "it does not follow the entry before it"));
                }
                (position, last) = (entry.position, Some(ObjectId::of(&stored)));
                if position == newest.position && stored != head {
                    return Err(broken(&key, position, "it is not the head that was shown"));
                }
            }
        }
        self.keep_head(&head, 0, VAULTS_MAX)?;
        Ok(Story::Continues(position))
    }

    /// The newest heads seen of a vault, and those that contradict one: at most as many as one answer holds.
    pub(crate) fn heads_seen_of(&self, vault: &PublicKey) -> Result<Vec<Vec<u8>>, VaultError> {
        let storage = &*self.inner.storage;
        let folder = tree::witness(&hex(&sha256(&vault.0)));
        if !storage.is_folder(&folder)? {
            return Ok(Vec::new());
        }
        let names = storage.names(&folder)?;
        let newest = names.iter().rev().filter(|name| !name.contains('.')).take(HEADS_SHOWN);
        let odd = names.iter().filter(|name| name.contains('.'));
        let read = |name| storage.read(&format!("{folder}/{name}"), ENVELOPE.limit_bytes as u64);
        Ok(newest.chain(odd).map(read).collect::<Result<_, _>>()?)
    }

    /// The newest head seen of a vault.
    fn newest_seen(&self, vault: &PublicKey) -> Result<Option<Vec<u8>>, VaultError> {
        let storage = &*self.inner.storage;
        let folder = tree::witness(&hex(&sha256(&vault.0)));
        if !storage.is_folder(&folder)? {
            return Ok(None);
        }
        // Names sort by position; contradictions have a longer name after the first one's.
        let names = storage.names(&folder)?;
        let Some(newest) = names.iter().rev().find(|name| !name.contains('.')) else { return Ok(None) };
        Ok(Some(storage.read(&format!("{folder}/{newest}"), ENVELOPE.limit_bytes as u64)?))
    }
}

impl Watch for Vault {
    fn vault_key(&self) -> Result<PublicKey, VaultError> {
        Ok(self.inner.key)
    }

    fn head(&self) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(self.inner.ledger.head()?.map(|head| head.to_vec()))
    }

    fn entries(&self, after: u64) -> Result<Vec<Vec<u8>>, VaultError> {
        let newest = self.state()?.position;
        let last = newest.min(after.saturating_add(ENTRIES_AT_ONCE));
        (after.saturating_add(1)..=last).map(|position| self.entry(position)).collect()
    }

    fn witness(&self, head: &[u8]) -> Result<(), VaultError> {
        self.witness_from(head, true)
    }

    fn heads_of(&self, asking: &PublicKey) -> Result<Vec<Vec<u8>>, VaultError> {
        self.heads_seen_of(asking)
    }

    fn introduced(&self, host: &HostId) -> Result<Option<Introduced>, VaultError> {
        self.introduction_of(host)
    }
}

fn open(stored: &[u8]) -> Result<Receipt, VaultError> {
    Receipt::open(stored).map_err(|source| VaultError::Signed { what: "a ledger entry".into(), source })
}

/// An entry that this vault signed.
fn by(vault: &PublicKey, stored: &[u8]) -> Result<Receipt, VaultError> {
    let entry = open(stored)?;
    if entry.vault_key == vault.0 {
        Ok(entry)
    } else {
        Err(broken(vault, entry.position, "another vault signed it"))
    }
}

fn broken(vault: &PublicKey, position: u64, reason: &str) -> VaultError {
    let place = format!("key {}", &hex(&vault.0)[..12]);
    VaultError::Ledger { place, position, reason: reason.into() }
}
