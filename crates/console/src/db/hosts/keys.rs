//! The keys of hosts: who a key is.

use crate::db::value::args;
use crate::db::{Conn, DbError};
use serde::Serialize;

/// Who a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHost {
    /// The host's number.
    pub host_id: i64,
    /// Its tenant's.
    pub tenant_id: i64,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub host: String,
}

/// One key of a host.
#[derive(Debug, Clone, Serialize)]
pub struct HostKey {
    /// SHA-256 of the key, 64 hexadecimal digits.
    pub key_id: String,
    /// `token` or `vault NAME`.
    pub origin: String,
    /// Since when.
    pub created_secs: i64,
    /// Since when no more.
    pub revoked_secs: Option<i64>,
}

/// Who a key is, if it is known and not revoked, and its host not closed.
pub async fn by_key(conn: &mut Conn, key_id: &str) -> Result<Option<KnownHost>, DbError> {
    let sql = "SELECT h.id, h.tenant_id, t.name AS tenant, h.name FROM host_keys k JOIN hosts h ON h.id = k.host_id \
        JOIN tenants t ON t.id = h.tenant_id WHERE k.key_id = $1 AND k.revoked_secs IS NULL AND h.closed_secs IS NULL";
    let row = conn.row(sql, args![key_id]).await?;
    row.map(|row| {
        Ok(KnownHost {
            host_id: row.int("id")?,
            tenant_id: row.int("tenant_id")?,
            tenant: row.text("tenant")?,
            host: row.text("name")?,
        })
    })
    .transpose()
}

/// Makes a key known as one of a host. One that is known already stays what it is; gives whether it was new.
pub async fn enrol(
    conn: &mut Conn,
    host_id: i64,
    key_id: &str,
    public_key: &str,
    origin: &str,
    now: i64,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO host_keys (key_id, public_key, host_id, origin, created_secs) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (key_id) DO NOTHING";
    Ok(conn.run(sql, args![key_id, public_key, host_id, origin, now]).await? == 1)
}

/// The host of a key, also of one that was revoked.
pub async fn host_of_key(conn: &mut Conn, key_id: &str) -> Result<Option<i64>, DbError> {
    let row = conn.row("SELECT host_id FROM host_keys WHERE key_id = $1", args![key_id]).await?;
    row.map(|row| row.int("host_id")).transpose()
}

/// The keys of a host.
pub async fn keys(conn: &mut Conn, host_id: i64) -> Result<Vec<HostKey>, DbError> {
    let sql = "SELECT key_id, origin, created_secs, revoked_secs FROM host_keys WHERE host_id = $1 ORDER BY created_secs LIMIT 100";
    let rows = conn.rows(sql, args![host_id]).await?;
    rows.iter()
        .map(|row| {
            Ok(HostKey {
                key_id: row.text("key_id")?,
                origin: row.text("origin")?,
                created_secs: row.int("created_secs")?,
                revoked_secs: row.opt_int("revoked_secs")?,
            })
        })
        .collect()
}

/// Takes a key from its host; gives whether there was one to take.
pub async fn revoke_key(conn: &mut Conn, host_id: i64, key_id: &str, now: i64) -> Result<bool, DbError> {
    let sql =
        "UPDATE host_keys SET revoked_secs = $3 WHERE host_id = $1 AND key_id = $2 AND revoked_secs IS NULL";
    Ok(conn.run(sql, args![host_id, key_id, now]).await? == 1)
}
