//! Pulling another vault's snapshots into this one. Nothing it says is believed, and nothing it lost is lost here.

use crate::vault::Vault;
use crate::witness::Story;
use std::ops::ControlFlow;
use vow_base::HostId;
use vow_base::copy::{Copied, Ended, copy_snapshot, lacking};
use vow_base::receipt::Receipt;
use vow_base::sign::PublicKey;
use vow_base::vault::{Peer, VaultError};

/// How to replicate.
#[derive(Debug, Clone, Default)]
pub struct ReplicateOptions {
    /// Only these hosts; all of them when there are none.
    pub hosts: Vec<HostId>,
    /// Objects under way at once; 0 for 4.
    pub threads: usize,
    /// Count what would be copied, and copy nothing.
    pub dry_run: bool,
}

/// What a replication did.
#[derive(Debug, Default)]
pub struct Replication {
    /// Copied in all.
    pub copied: Copied,
    /// Hosts looked at.
    pub hosts: u64,
    /// Snapshots that the other vault keeps and this one never accepted. After a run that did everything: none.
    pub lacking: u64,
    /// What could not be copied: host, manifest when it was one, and why. The others were copied.
    pub failed: Vec<(HostId, Option<vow_base::ObjectId>, VaultError)>,
    /// The other vault's ledger, compared with what was seen of it before.
    pub story: Option<Story>,
    /// This vault's own ledger, where it contradicts what the other vault has seen of it: it was set back, by whoever holds its storage.
    pub own_story: Option<Story>,
    /// It was asked to stop before it was done.
    pub stopped: bool,
}

impl Replication {
    /// Whether the other vault contradicts itself: somebody has to look at it.
    pub fn contradicted(&self) -> bool {
        matches!(self.story, Some(Story::RolledBack { .. } | Story::Rewritten { .. }))
    }
}

impl Vault {
    /// Where this vault's ledger contradicts one of these heads of it, which somebody else has kept.
    ///
    /// What this vault did not sign is no evidence of anything.
    pub fn own_story(&self, heads: &[Vec<u8>]) -> Result<Option<Story>, VaultError> {
        let now = self.state()?.position;
        for stored in heads {
            let Ok(head) = Receipt::open(stored) else { continue };
            if head.vault_key != self.inner.key.0 {
                continue;
            }
            if head.position > now {
                return Ok(Some(Story::RolledBack { seen: head.position, now }));
            }
            if self.entry(head.position)? != *stored {
                return Ok(Some(Story::Rewritten { position: head.position }));
            }
        }
        Ok(None)
    }

    /// Copies every snapshot that `from` keeps and this vault never accepted. What expired here is not fetched again; what vanished there stays
    /// here. Running it again goes on where it stopped.
    ///
    /// A vault that contradicts its own past is not copied from: what it shows may be somebody else's story. `progress` hears of every object's bytes.
    ///
    /// # Errors
    /// The other vault cannot be read at all, its ledger is broken, or this one cannot write. Single snapshots that fail are in the report.
    pub fn replicate(
        &self,
        from: &dyn Peer,
        options: &ReplicateOptions,
        progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
    ) -> Result<Replication, VaultError> {
        let mut report = Replication::default();
        if from.vault_key()? == self.inner.key {
            let message = "a vault cannot be replicated into itself: both have the same key";
            return Err(VaultError::Refused(message.into()));
        }
        report.story = Some(self.follow(from)?);
        if report.contradicted() {
            return Ok(report);
        }
        report.own_story = self.own_story(&from.heads_of(&self.inner.key)?)?;
        for key in from.hosts()? {
            let host = key.host_id();
            if !options.hosts.is_empty() && !options.hosts.contains(&host) {
                continue;
            }
            report.hosts += 1;
            if let Err(error) = self.replicate_host(from, &key, options, progress, &mut report) {
                // A storage that does not take writes takes none of the others either.
                if matches!(error, VaultError::Disk(_)) {
                    return Err(error);
                }
                report.failed.push((host, None, error));
            }
            if report.stopped {
                break;
            }
        }
        if let Some(head) = self.inner.ledger.head()? {
            // Best effort: it is evidence for others, and a vault that does not take it is copied all the same.
            let _ = from.witness(&head);
        }
        Ok(report)
    }

    /// Makes room for a host of the other vault, and takes over who may read what it sent.
    fn let_in(&self, from: &dyn Peer, key: &PublicKey) -> Result<(), VaultError> {
        let host = key.host_id();
        if self.inner.host_key(&host)?.is_none() && !self.inner.rights(&host)?.is_empty() {
            // A key that joins as a host may read no more: another vault must not be able to shut out a restorer of this one.
            let message = format!("the key of host {} may read here: it cannot be a host's", host.short());
            return Err(VaultError::Refused(message));
        }
        if self.is_unintroduced(key)?
            && let Some(introduced) = from.introduced(&host)?
        {
            self.inner.storage.make_folder(&crate::tree::host(&host))?;
            self.adopt(key, &introduced)?;
        }
        self.join(key)
    }

    fn replicate_host(
        &self,
        from: &dyn Peer,
        key: &PublicKey,
        options: &ReplicateOptions,
        progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
        report: &mut Replication,
    ) -> Result<(), VaultError> {
        let host = key.host_id();
        if options.dry_run && self.inner.host_key(&host)?.is_none() {
            report.lacking += from.committed(&host)?.len() as u64;
            return Ok(());
        }
        self.let_in(from, key)?;
        let deposit = self.deposit(key)?;
        let lacking = lacking(from, &host, &deposit)?;
        report.lacking += lacking.len() as u64;
        if options.dry_run {
            return Ok(());
        }
        let threads = if options.threads == 0 { 4 } else { options.threads };
        for receipt in lacking {
            match copy_snapshot(from, &host, &receipt.manifest, &deposit, threads, progress) {
                Ok(Ended::Done(copied)) => {
                    report.copied.add(copied);
                    report.lacking -= 1;
                }
                Ok(Ended::Stopped(copied)) => {
                    report.copied.add(copied);
                    report.stopped = true;
                    return Ok(());
                }
                Err(error @ VaultError::Disk(_)) => return Err(error),
                Err(error) => report.failed.push((host, Some(receipt.manifest), error)),
            }
        }
        Ok(())
    }
}
