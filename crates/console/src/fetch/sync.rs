//! One look at one vault.

use super::follow::{Read, contradiction};
use crate::db::tickets::InTransaction;
use crate::db::vaults::{self, Vault, VaultHost};
use crate::db::{Conn, Db, DbError, Scope, audit, hosts, snapshots};
use crate::ingest::Judge;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use vow_base::HostId;
use vow_base::id::hex;
use vow_base::receipt::{Event, Receipt};
use vow_base::vault::{Retrieve, VaultError};
use vow_protocol::RemoteVault;
use vow_protocol::client::Entry;
use vow_protocol::limits::is_name;
use vow_protocol::wire::HostEntry;

/// Why a vault could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The process is stopping.
    #[error("stopping")]
    Stopping,
}

/// Kept snapshots are compared this often.
const RECONCILE_SECS: i64 = 6 * 3600;
/// Pages of a thousand entries that are read in one look.
const PAGES_MAX: usize = 50;
const NANOS: i64 = 1_000_000_000;

/// Looks at a vault, keeps what it says, and judges it. What goes wrong with the vault is kept as well; only the database's errors are the caller's.
pub async fn sync(
    db: &Db,
    judge: &Judge,
    vault: &Vault,
    remote: &RemoteVault,
    now: i64,
) -> Result<(), FetchError> {
    let looked = look(db, vault, remote, now).await;
    match looked {
        Ok(()) => {}
        Err(FetchError::Vault(error)) => {
            let mut conn = db.write().await?;
            // As it was seen first: what comes later rests on that.
            if let (VaultError::Ledger { reason, .. }, None) = (&error, &vault.set_back) {
                vaults::set_back(&mut conn, vault.id, Some(reason)).await?;
            }
            vaults::failed(&mut conn, vault.id, &error.to_string(), now).await?;
            conn.commit().await?;
        }
        Err(other) => return Err(other),
    }
    let fresh = vaults::get(&mut db.read().await?, Scope::All, vault.id).await?;
    if let Some(fresh) = fresh {
        let store = InTransaction::begin(db, &[]).await?;
        judge.vault(&store, &fresh, now).await?;
        store.into_conn().commit().await?;
    }
    Ok(())
}

async fn look(db: &Db, vault: &Vault, remote: &RemoteVault, now: i64) -> Result<(), FetchError> {
    let status = ask(remote, |remote| remote.status()).await?;
    let mut read = Read {
        position: u64::try_from(vault.position).unwrap_or(0),
        head: vault.head.as_deref().and_then(|head| head.parse().ok()),
    };
    if let Some(how) = vault.set_back.clone().or_else(|| contradiction(read, &status)) {
        let place = remote.place().to_owned();
        return Err(VaultError::Ledger { place, position: read.position, reason: how }.into());
    }
    let mut entries = ask(remote, |remote| remote.host_entries()).await?;
    // Several vaults may make the same hosts known at once: in one order.
    entries.sort_by(|a, b| (&a.tenant, &a.name).cmp(&(&b.tenant, &b.name)));
    let mut conn = db.write().await?;
    for entry in &entries {
        admit(&mut conn, vault, entry, now).await?;
    }
    for health in &status.hosts {
        let host = VaultHost {
            key_id: health.host.0.to_string(),
            tenant: health.tenant.clone(),
            name: health.name.clone(),
            snapshots: i64::try_from(health.snapshots).unwrap_or(i64::MAX),
            bytes: i64::try_from(health.bytes).unwrap_or(i64::MAX),
            last_commit_secs: health.last_commit.map(|time| time.div_euclid(NANOS)),
            revoked: health.revoked,
            host_id: None,
        };
        vaults::keep_host(&mut conn, vault.id, &host).await?;
    }
    conn.commit().await?;
    for _ in 0..PAGES_MAX {
        let page = ask(remote, move |remote| remote.ledger(read.position, read.head)).await?;
        let Some(last) = page.entries.last() else { break };
        let mut conn = db.write().await?;
        take_page(&mut conn, vault, &page.entries).await?;
        read = Read { position: last.receipt.position, head: Some(last.id()) };
        vaults::read_to(&mut conn, vault.id, read.position, &last.id().to_string()).await?;
        conn.commit().await?;
        if !page.more {
            break;
        }
    }
    if vault.reconciled_secs + RECONCILE_SECS <= now {
        reconcile(db, vault, remote, &entries, read.position, now).await?;
    }
    let mut conn = db.write().await?;
    vaults::answered(&mut conn, vault.id, &status, now).await?;
    conn.commit().await?;
    Ok(())
}

/// Asks on a thread that may wait.
async fn ask<T: Send + 'static>(
    remote: &RemoteVault,
    question: impl FnOnce(&RemoteVault) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, FetchError> {
    let remote = remote.clone();
    let asked = tokio::task::spawn_blocking(move || question(&remote)).await;
    Ok(asked.map_err(|_| FetchError::Stopping)??)
}

/// A host that this vault knows by tenant and name is known here by the same key.
async fn admit(conn: &mut Conn, vault: &Vault, entry: &HostEntry, now: i64) -> Result<(), DbError> {
    if !is_name(&entry.tenant) || !is_name(&entry.name) {
        return Ok(());
    }
    let id = entry.key.0.host_id().to_string();
    if hosts::host_of_key(conn, &id).await?.is_some() {
        return Ok(());
    }
    let tenant_id = hosts::tenant_id(conn, &entry.tenant, now).await?;
    // A vault of one tenant speaks for that one alone.
    if vault.tenant_id.is_some_and(|own| own != tenant_id) {
        return Ok(());
    }
    let host_id = hosts::host_id(conn, tenant_id, &entry.name, now).await?;
    let origin = format!("vault {}", vault.name);
    if hosts::enrol(conn, host_id, &id, &hex(&entry.key.0.0), &origin, now).await? {
        let object = format!("host {}/{}", entry.tenant, entry.name);
        let act = audit::Act {
            actor: &origin,
            address: &vault.address,
            action: "host.key",
            object: &object,
            detail: &id,
        };
        audit::note(conn, Some(tenant_id), act, now).await?;
    }
    Ok(())
}

/// The receipts of a page, of hosts that are known.
async fn take_page(conn: &mut Conn, vault: &Vault, entries: &[Entry]) -> Result<(), DbError> {
    let mut known: BTreeMap<HostId, Option<i64>> = BTreeMap::new();
    let is_committed = |receipt: &&Receipt| receipt.event == Event::Committed;
    let committed = || entries.iter().map(|entry| &entry.receipt).filter(is_committed);
    for receipt in committed() {
        if let btree_map::Entry::Vacant(place) = known.entry(receipt.host_id()) {
            let id = place.key().to_string();
            place.insert(hosts::host_of_key(conn, &id).await?);
        }
    }
    let ids: Vec<i64> = known.values().copied().flatten().collect();
    hosts::hold(conn, &ids).await?;
    for receipt in committed() {
        if let Some(Some(host_id)) = known.get(&receipt.host_id()) {
            take_receipt(conn, vault, *host_id, receipt).await?;
        }
    }
    Ok(())
}

async fn take_receipt(
    conn: &mut Conn,
    vault: &Vault,
    host_id: i64,
    receipt: &Receipt,
) -> Result<(), DbError> {
    let Some(host) = hosts::get(conn, Scope::All, host_id).await? else { return Ok(()) };
    let (manifest, received_secs) = (receipt.manifest.to_string(), receipt.received.div_euclid(NANOS));
    let sequence = i64::try_from(receipt.sequence).unwrap_or(i64::MAX);
    let id = snapshots::id_of(conn, (host_id, host.tenant_id), &manifest, sequence).await?;
    if !snapshots::received(conn, id, vault.id, receipt.position, received_secs).await? {
        return Ok(());
    }
    if let Some(source_id) = snapshots::source_of(conn, id).await? {
        let copy =
            snapshots::HeldCopy { manifest, fingerprint: vault.fingerprint.clone(), received_secs, sequence };
        crate::ingest::held(conn, host_id, source_id, &copy).await?;
    }
    Ok(())
}

/// Compares what the vault keeps of each host with what is known here: copies that came before a host was known are added, those that went are marked.
async fn reconcile(
    db: &Db,
    vault: &Vault,
    remote: &RemoteVault,
    entries: &[HostEntry],
    position: u64,
    now: i64,
) -> Result<(), FetchError> {
    for entry in entries {
        let id: HostId = entry.key.0.host_id();
        let known = hosts::host_of_key(&mut db.read().await?, &id.to_string()).await?;
        let Some(host_id) = known else { continue };
        let kept = ask(remote, move |remote| remote.committed(&id)).await?;
        let mut conn = db.write().await?;
        hosts::hold(&mut conn, &[host_id]).await?;
        for receipt in kept.iter().filter(|receipt| receipt.position <= position) {
            take_receipt(&mut conn, vault, host_id, receipt).await?;
        }
        let names: BTreeSet<String> = kept.iter().map(|receipt| receipt.manifest.to_string()).collect();
        snapshots::keep_only(&mut conn, vault.id, host_id, &names, position, now).await?;
        conn.commit().await?;
    }
    let mut conn = db.write().await?;
    vaults::reconciled(&mut conn, vault.id, now).await?;
    conn.commit().await?;
    Ok(())
}
