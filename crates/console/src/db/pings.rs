//! Addresses that other tools ping.

use super::value::args;
use super::{Conn, DbError, Row, Scope};
use serde::Serialize;

/// An address to ping.
#[derive(Debug, Clone, Serialize)]
pub struct Ping {
    /// Its number here.
    pub id: i64,
    /// What stands in the address.
    pub uuid: String,
    /// The source that it stands for.
    pub source_id: i64,
    /// That source's tenant.
    pub tenant_id: i64,
    /// That host's number.
    pub host_id: i64,
    /// The tenant.
    pub tenant: String,
    /// The host.
    pub host: String,
    /// The source.
    pub source: String,
    /// What reads the captured output.
    pub parser: String,
    /// When `/start` was pinged, until the end comes.
    pub started_secs: Option<i64>,
    /// When it was last pinged.
    pub pinged_secs: Option<i64>,
    /// Who made it.
    pub created_by: String,
}

const SELECT: &str = "SELECT p.id, p.uuid, p.source_id, p.tenant_id, s.host_id, t.name AS tenant, h.name AS host, s.name AS source, p.parser, \
    p.started_secs, p.pinged_secs, p.created_by FROM pings p JOIN sources s ON s.id = p.source_id JOIN hosts h ON h.id = s.host_id \
    JOIN tenants t ON t.id = p.tenant_id WHERE p.revoked_secs IS NULL";

fn ping(row: &Row) -> Result<Ping, DbError> {
    Ok(Ping {
        id: row.int("id")?,
        uuid: row.text("uuid")?,
        source_id: row.int("source_id")?,
        tenant_id: row.int("tenant_id")?,
        host_id: row.int("host_id")?,
        tenant: row.text("tenant")?,
        host: row.text("host")?,
        source: row.text("source")?,
        parser: row.text("parser")?,
        started_secs: row.opt_int("started_secs")?,
        pinged_secs: row.opt_int("pinged_secs")?,
        created_by: row.text("created_by")?,
    })
}

/// Makes an address.
pub async fn add(
    conn: &mut Conn,
    uuid: &str,
    (source_id, tenant_id): (i64, i64),
    parser: &str,
    by: &str,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO pings (uuid, source_id, tenant_id, parser, created_by, created_secs) VALUES ($1, $2, $3, $4, $5, $6)";
    conn.run(sql, args![uuid, source_id, tenant_id, parser, by, now]).await.map(|_| ())
}

/// The one with this in its address.
pub async fn by_uuid(conn: &mut Conn, uuid: &str) -> Result<Option<Ping>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} AND p.uuid = $1"));
    conn.row(sql, args![uuid]).await?.as_ref().map(ping).transpose()
}

/// All of them.
pub async fn list(conn: &mut Conn, scope: Scope) -> Result<Vec<Ping>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} AND ($1 IS NULL OR p.tenant_id = $1) ORDER BY t.name, h.name, s.name LIMIT 5000"
    ));
    conn.rows(sql, args![scope.tenant()]).await?.iter().map(ping).collect()
}

/// It was pinged; `started` says since when a run goes on.
pub async fn pinged(conn: &mut Conn, id: i64, started: Option<i64>, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE pings SET started_secs = $2, pinged_secs = $3 WHERE id = $1";
    conn.run(sql, args![id, started, now]).await.map(|_| ())
}

/// What was logged since the last run ended.
pub async fn log(conn: &mut Conn, id: i64) -> Result<String, DbError> {
    conn.one("SELECT log FROM pings WHERE id = $1", args![id]).await?.text("log")
}

/// Keeps that: what belongs to the run that ends next.
pub async fn keep_log(conn: &mut Conn, id: i64, log: &str) -> Result<(), DbError> {
    conn.run("UPDATE pings SET log = $2 WHERE id = $1", args![id, log]).await.map(|_| ())
}

/// A run has ended, and has what was logged; what was logged since that was read belongs to the next.
pub async fn ended(conn: &mut Conn, id: i64, log: &str, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE pings SET started_secs = NULL, pinged_secs = $2, log = CASE WHEN log = $3 THEN '' ELSE log END WHERE id = $1";
    conn.run(sql, args![id, now, log]).await.map(|_| ())
}

/// Ends an address; gives whether there was one in scope.
pub async fn revoke(conn: &mut Conn, scope: Scope, id: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE pings SET revoked_secs = $3 WHERE id = $1 AND ($2 IS NULL OR tenant_id = $2) AND revoked_secs IS NULL";
    Ok(conn.run(sql, args![id, scope.tenant(), now]).await? == 1)
}
