//! Vaults that this console watches.

use super::value::{args, to_json};
use super::{Conn, DbError, Row, Scope, day_of};
use crate::records::{Usage, VaultFacts};
use serde::Serialize;
use vow_protocol::wire::{Finding, Status};

/// A vault.
#[derive(Debug, Clone, Serialize)]
pub struct Vault {
    /// Its number here.
    pub id: i64,
    /// What it is called here.
    pub name: String,
    /// The only tenant that uses it; absent when it is shared.
    pub tenant_id: Option<i64>,
    /// Where it listens.
    pub address: String,
    /// The fingerprint of its key.
    pub fingerprint: String,
    /// Since when it is watched.
    pub created_secs: i64,
    /// When it last answered.
    pub answered_secs: Option<i64>,
    /// When it first did not, since then.
    pub failed_secs: Option<i64>,
    /// Why.
    pub error: Option<String>,
    /// The newest entry of its ledger that was read.
    pub position: i64,
    /// The id of that entry.
    pub head: Option<String>,
    /// How its ledger contradicts what was read before.
    pub set_back: Option<String>,
    /// When its kept snapshots were last compared.
    pub reconciled_secs: i64,
    /// What it last said of its health.
    pub status: Option<Status>,
    /// Its space.
    pub total_bytes: Option<i64>,
    /// What is free of it.
    pub free_bytes: Option<i64>,
    /// When it last read everything again.
    pub scrubbed_secs: Option<i64>,
}

const COLUMNS: &str = "id, name, tenant_id, address, fingerprint, created_secs, answered_secs, failed_secs, error, position, head, set_back, \
    reconciled_secs, status, total_bytes, free_bytes, scrubbed_secs";

fn vault(row: &Row) -> Result<Vault, DbError> {
    Ok(Vault {
        id: row.int("id")?,
        name: row.text("name")?,
        tenant_id: row.opt_int("tenant_id")?,
        address: row.text("address")?,
        fingerprint: row.text("fingerprint")?,
        created_secs: row.int("created_secs")?,
        answered_secs: row.opt_int("answered_secs")?,
        failed_secs: row.opt_int("failed_secs")?,
        error: row.opt_text("error")?,
        position: row.int("position")?,
        head: row.opt_text("head")?,
        set_back: row.opt_text("set_back")?,
        reconciled_secs: row.int("reconciled_secs")?,
        status: row.opt_json("status")?,
        total_bytes: row.opt_int("total_bytes")?,
        free_bytes: row.opt_int("free_bytes")?,
        scrubbed_secs: row.opt_int("scrubbed_secs")?,
    })
}

/// Every vault that is watched. Vaults are those who run the console; a scope of one tenant sees its own.
pub async fn list(conn: &mut Conn, scope: Scope) -> Result<Vec<Vault>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM vaults WHERE removed_secs IS NULL AND ($1 IS NULL OR tenant_id = $1) ORDER BY name LIMIT 1000"
    ));
    conn.rows(sql, args![scope.tenant()]).await?.iter().map(vault).collect()
}

/// The vaults that a tenant's sources go to, whoever else uses them.
pub async fn of_tenant(conn: &mut Conn, tenant_id: i64) -> Result<Vec<Vault>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM vaults WHERE removed_secs IS NULL AND fingerprint IN (SELECT l.vault_fingerprint FROM source_levels l \
         JOIN sources s ON s.id = l.source_id WHERE s.tenant_id = $1 AND l.planned = 1) ORDER BY name LIMIT 1000"
    ));
    conn.rows(sql, args![tenant_id]).await?.iter().map(vault).collect()
}

/// One vault.
pub async fn get(conn: &mut Conn, scope: Scope, id: i64) -> Result<Option<Vault>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM vaults WHERE id = $1 AND removed_secs IS NULL AND ($2 IS NULL OR tenant_id = $2)"
    ));
    conn.row(sql, args![id, scope.tenant()]).await?.as_ref().map(vault).transpose()
}

/// The number of the vault that is called so.
pub async fn find(conn: &mut Conn, scope: Scope, name: &str) -> Result<Option<i64>, DbError> {
    let sql =
        "SELECT id FROM vaults WHERE name = $1 AND removed_secs IS NULL AND ($2 IS NULL OR tenant_id = $2)";
    conn.row(sql, args![name, scope.tenant()]).await?.map(|row| row.int("id")).transpose()
}

/// The tenant that a vault is for; empty when it is shared.
pub async fn tenant_of(conn: &mut Conn, vault: &Vault) -> Result<String, DbError> {
    match vault.tenant_id {
        Some(id) => conn.one("SELECT name FROM tenants WHERE id = $1", args![id]).await?.text("name"),
        None => Ok(String::new()),
    }
}

/// Begins to watch a vault; one that was watched before is watched again.
pub async fn add(
    conn: &mut Conn,
    name: &str,
    tenant_id: Option<i64>,
    address: &str,
    fingerprint: &str,
    now: i64,
) -> Result<i64, DbError> {
    let sql = "INSERT INTO vaults (name, tenant_id, address, fingerprint, created_secs) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name, tenant_id = excluded.tenant_id, address = excluded.address, removed_secs = NULL \
        RETURNING id";
    conn.one(sql, args![name, tenant_id, address, fingerprint, now]).await?.int("id")
}

/// Ends watching a vault.
pub async fn remove(conn: &mut Conn, id: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE vaults SET removed_secs = $2, name = name || ' (removed ' || CAST($2 AS TEXT) || ')' WHERE id = $1 AND removed_secs IS NULL";
    Ok(conn.run(sql, args![id, now]).await? == 1)
}

/// A vault did not answer.
pub async fn failed(conn: &mut Conn, id: i64, error: &str, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE vaults SET failed_secs = COALESCE(failed_secs, $3), error = $2 WHERE id = $1";
    conn.run(sql, args![id, error, now]).await.map(|_| ())
}

/// A vault told how it does.
pub async fn answered(conn: &mut Conn, id: i64, status: &Status, now: i64) -> Result<(), DbError> {
    let space = status.space.as_ref();
    let whole = status.scrub.as_ref().filter(|pass| pass.stopped.is_none());
    let scrubbed = whole.map(|pass| pass.ended / 1_000_000_000).filter(|ended| *ended > 0);
    // The list of hosts is kept apart, and too long to be read with every look at the vault.
    let short = to_json(&Status { hosts: Vec::new(), ..status.clone() })?;
    let sql = "UPDATE vaults SET answered_secs = $2, failed_secs = NULL, error = NULL, status = $3, total_bytes = $4, free_bytes = $5, \
        scrubbed_secs = COALESCE($6, scrubbed_secs) WHERE id = $1";
    let values = args![id, now, short, space.map(|s| s.total_bytes), space.map(|s| s.free_bytes), scrubbed];
    conn.run(sql, values).await?;
    if let Some(space) = space {
        let sql = "INSERT INTO vault_days (vault_id, day, at_secs, total_bytes, free_bytes, stored_bytes, snapshots) VALUES ($1, $2, $3, $4, $5, $6, $7) \
            ON CONFLICT (vault_id, day) DO UPDATE SET at_secs = excluded.at_secs, total_bytes = excluded.total_bytes, free_bytes = excluded.free_bytes, \
            stored_bytes = excluded.stored_bytes, snapshots = excluded.snapshots";
        let values = args![
            id,
            day_of(now),
            now,
            space.total_bytes,
            space.free_bytes,
            status.counts.bytes,
            status.counts.snapshots
        ];
        conn.run(sql, values).await?;
    }
    Ok(())
}

/// How far its ledger was read.
pub async fn read_to(conn: &mut Conn, id: i64, position: u64, head: &str) -> Result<(), DbError> {
    conn.run("UPDATE vaults SET position = $2, head = $3 WHERE id = $1", args![id, position, head])
        .await
        .map(|_| ())
}

/// Its ledger contradicts what was read before; `None` when a person has looked at it.
pub async fn set_back(conn: &mut Conn, id: i64, how: Option<&str>) -> Result<(), DbError> {
    conn.run("UPDATE vaults SET set_back = $2 WHERE id = $1", args![id, how]).await.map(|_| ())
}

/// Begins its ledger anew: a person has said that it was made anew.
pub async fn read_anew(conn: &mut Conn, id: i64) -> Result<(), DbError> {
    let sql =
        "UPDATE vaults SET set_back = NULL, position = 0, head = NULL, reconciled_secs = 0 WHERE id = $1";
    conn.run(sql, args![id]).await.map(|_| ())
}

/// Its kept snapshots were compared.
pub async fn reconciled(conn: &mut Conn, id: i64, now: i64) -> Result<(), DbError> {
    conn.run("UPDATE vaults SET reconciled_secs = $2 WHERE id = $1", args![id, now]).await.map(|_| ())
}

/// What a vault has of a host.
#[derive(Debug, Clone, Serialize)]
pub struct VaultHost {
    /// The id of the host's key.
    pub key_id: String,
    /// Its tenant, as the vault knows it.
    pub tenant: String,
    /// Its name, as the vault knows it.
    pub name: String,
    /// Snapshots that are kept.
    pub snapshots: i64,
    /// Bytes stored.
    pub bytes: i64,
    /// When its newest snapshot came.
    pub last_commit_secs: Option<i64>,
    /// Whether it was shut out.
    pub revoked: bool,
    /// The host's number here, when it is known here.
    #[serde(skip)]
    pub host_id: Option<i64>,
}

/// Keeps what a vault has of a host.
pub async fn keep_host(conn: &mut Conn, vault_id: i64, host: &VaultHost) -> Result<(), DbError> {
    let sql = "INSERT INTO vault_hosts (vault_id, key_id, tenant, name, snapshots, bytes, last_commit_secs, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (vault_id, key_id) DO UPDATE SET tenant = excluded.tenant, name = excluded.name, snapshots = excluded.snapshots, \
        bytes = excluded.bytes, last_commit_secs = excluded.last_commit_secs, revoked = excluded.revoked \
        WHERE vault_hosts.snapshots <> excluded.snapshots OR vault_hosts.bytes <> excluded.bytes OR vault_hosts.revoked <> excluded.revoked \
        OR vault_hosts.tenant <> excluded.tenant OR vault_hosts.name <> excluded.name";
    let values = args![
        vault_id,
        &host.key_id,
        &host.tenant,
        &host.name,
        host.snapshots,
        host.bytes,
        host.last_commit_secs,
        host.revoked
    ];
    conn.run(sql, values).await.map(|_| ())
}

/// What a vault has of each host, the largest first.
pub async fn hosts(conn: &mut Conn, vault_id: i64, limit: i64) -> Result<Vec<VaultHost>, DbError> {
    let sql = "SELECT v.key_id, v.tenant, v.name, v.snapshots, v.bytes, v.last_commit_secs, v.revoked, k.host_id FROM vault_hosts v \
        LEFT JOIN host_keys k ON k.key_id = v.key_id WHERE v.vault_id = $1 ORDER BY v.bytes DESC, v.name LIMIT $2";
    let rows = conn.rows(sql, args![vault_id, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(VaultHost {
                key_id: row.text("key_id")?,
                tenant: row.text("tenant")?,
                name: row.text("name")?,
                snapshots: row.int("snapshots")?,
                bytes: row.int("bytes")?,
                last_commit_secs: row.opt_int("last_commit_secs")?,
                revoked: row.flag("revoked")?,
                host_id: row.opt_int("host_id")?,
            })
        })
        .collect()
}

/// How full a vault was, oldest first, from `first` on.
pub async fn usage(conn: &mut Conn, vault_id: i64, first: i64) -> Result<Vec<Usage>, DbError> {
    let sql = "SELECT at_secs, total_bytes, free_bytes FROM vault_days WHERE vault_id = $1 AND day >= $2 ORDER BY day LIMIT 1000";
    let rows = conn.rows(sql, args![vault_id, first]).await?;
    rows.iter()
        .map(|row| {
            let (total_bytes, free) = (row.count("total_bytes")?, row.count("free_bytes")?);
            Ok(Usage {
                at_secs: row.int("at_secs")?,
                used_bytes: total_bytes.saturating_sub(free),
                total_bytes,
            })
        })
        .collect()
}

/// A finding as rules see it. What a vault says is not trusted with the layout of a page.
fn said(finding: &Finding) -> (String, String) {
    let first = finding.message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (finding.kind.chars().take(40).collect(), first.chars().take(400).collect())
}

/// How many days of use rules look at.
const USAGE_DAYS: i64 = 120;

/// What rules want to know of a vault.
pub async fn facts(conn: &mut Conn, vault: &Vault, now: i64) -> Result<VaultFacts, DbError> {
    Ok(VaultFacts {
        tenant: tenant_of(conn, vault).await?,
        vault: vault.name.clone(),
        since_secs: vault.created_secs,
        answered_secs: vault.answered_secs,
        error: vault.error.clone(),
        set_back: vault.set_back.clone(),
        findings: vault.status.iter().flat_map(|status| &status.findings).map(said).collect(),
        usage: usage(conn, vault.id, day_of(now) - USAGE_DAYS).await?,
    })
}
