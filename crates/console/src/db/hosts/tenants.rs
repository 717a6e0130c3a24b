//! Tenants, with the numbers of their hosts.

use crate::db::value::args;
use crate::db::{Conn, DbError, Scope};
use serde::Serialize;

/// A tenant with its numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    /// Its number here.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its hosts that are not closed.
    pub hosts: i64,
    /// The worst open ticket of these.
    pub severity: i64,
    /// Open tickets of these.
    pub open_tickets: i64,
}

/// The number of a tenant, which is made when it is new.
pub async fn tenant_id(conn: &mut Conn, name: &str, now: i64) -> Result<i64, DbError> {
    if let Some(id) = find_tenant(conn, name).await? {
        return Ok(id);
    }
    let sql = "INSERT INTO tenants (name, created_secs) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    conn.run(sql, args![name, now]).await?;
    conn.one("SELECT id FROM tenants WHERE name = $1", args![name]).await?.int("id")
}

/// The number of a tenant with this name.
pub async fn find_tenant(conn: &mut Conn, name: &str) -> Result<Option<i64>, DbError> {
    conn.row("SELECT id FROM tenants WHERE name = $1", args![name])
        .await?
        .map(|row| row.int("id"))
        .transpose()
}

/// Tenants with their numbers, worst first.
pub async fn tenants(conn: &mut Conn, scope: Scope) -> Result<Vec<Tenant>, DbError> {
    let sql = "SELECT t.id, t.name, COUNT(h.id) AS hosts, COALESCE(MAX(h.severity), 0) AS severity, \
        CAST(COALESCE(SUM(h.open_tickets), 0) AS BIGINT) AS open_tickets \
        FROM tenants t LEFT JOIN hosts h ON h.tenant_id = t.id AND h.closed_secs IS NULL \
        WHERE ($1 IS NULL OR t.id = $1) GROUP BY t.id, t.name \
        ORDER BY severity DESC, open_tickets DESC, t.name LIMIT 5000";
    let rows = conn.rows(sql, args![scope.tenant()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Tenant {
                id: row.int("id")?,
                name: row.text("name")?,
                hosts: row.int("hosts")?,
                severity: row.int("severity")?,
                open_tickets: row.int("open_tickets")?,
            })
        })
        .collect()
}
