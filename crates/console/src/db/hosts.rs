//! Hosts: which there are, how bad they are, who holds them. What belongs to them has a file each.

mod days;
mod documents;
mod heard;
mod keys;
mod tenants;

pub use days::{HostDay, count_day, days};
pub use documents::{Document, document, keep_document};
pub use heard::{ahead, alive, due, facts, heard, judged};
pub use keys::{HostKey, KnownHost, by_key, enrol, host_of_key, keys, revoke_key};
pub use tenants::{Tenant, find_tenant, tenant_id, tenants};

use super::value::args;
use super::{Conn, DbError, Row, Scope};
use serde::Serialize;

/// A host as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// Its number here.
    pub id: i64,
    /// Its tenant's.
    pub tenant_id: i64,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// When it was first known here.
    pub created_secs: i64,
    /// When anything last came from it.
    pub heard_secs: Option<i64>,
    /// What it runs.
    pub software: Option<String>,
    /// Until when nothing is expected of it.
    pub quiet_until_secs: Option<i64>,
    /// Since when it is closed.
    pub closed_secs: Option<i64>,
    /// The worst open ticket: 0 none, 1 notice, 2 warning, 3 critical.
    pub severity: i64,
    /// Open tickets.
    pub open_tickets: i64,
}

const COLUMNS: &str = "h.id, h.tenant_id, t.name AS tenant, h.name, h.created_secs, h.heard_secs, h.software, \
    h.quiet_until_secs, h.closed_secs, h.severity, h.open_tickets";

fn host(row: &Row) -> Result<Host, DbError> {
    Ok(Host {
        id: row.int("id")?,
        tenant_id: row.int("tenant_id")?,
        tenant: row.text("tenant")?,
        name: row.text("name")?,
        created_secs: row.int("created_secs")?,
        heard_secs: row.opt_int("heard_secs")?,
        software: row.opt_text("software")?,
        quiet_until_secs: row.opt_int("quiet_until_secs")?,
        closed_secs: row.opt_int("closed_secs")?,
        severity: row.int("severity")?,
        open_tickets: row.int("open_tickets")?,
    })
}

/// The number of a host, which is made when it is new.
pub async fn host_id(conn: &mut Conn, tenant_id: i64, name: &str, now: i64) -> Result<i64, DbError> {
    let find = "SELECT id FROM hosts WHERE tenant_id = $1 AND name = $2";
    if let Some(row) = conn.row(find, args![tenant_id, name]).await? {
        return row.int("id");
    }
    let sql = "INSERT INTO hosts (tenant_id, name, created_secs) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, name) DO NOTHING";
    conn.run(sql, args![tenant_id, name, now]).await?;
    conn.one(find, args![tenant_id, name]).await?.int("id")
}

/// One host.
pub async fn get(conn: &mut Conn, scope: Scope, id: i64) -> Result<Option<Host>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM hosts h JOIN tenants t ON t.id = h.tenant_id WHERE h.id = $1 AND ($2 IS NULL OR h.tenant_id = $2)"
    ));
    conn.row(sql, args![id, scope.tenant()]).await?.as_ref().map(host).transpose()
}

/// Which hosts are listed.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whose name or tenant's name has this in it.
    pub text: String,
    /// With an open ticket at least this bad.
    pub severity: i64,
    /// Closed ones too.
    pub closed: bool,
}

/// Hosts, worst first: those after the first `offset`, at most `limit`.
pub async fn list(
    conn: &mut Conn,
    scope: Scope,
    wanted: &Wanted,
    limit: i64,
    offset: i64,
) -> Result<Vec<Host>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM hosts h JOIN tenants t ON t.id = h.tenant_id WHERE {WANTED} \
         ORDER BY h.severity DESC, h.open_tickets DESC, h.name, h.id LIMIT $5 OFFSET $6"
    ));
    let values = args![scope.tenant(), like(&wanted.text), wanted.severity, wanted.closed, limit, offset];
    conn.rows(sql, values).await?.iter().map(host).collect()
}

/// How many hosts there are in a list.
pub async fn count(conn: &mut Conn, scope: Scope, wanted: &Wanted) -> Result<i64, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT COUNT(*) AS number FROM hosts h JOIN tenants t ON t.id = h.tenant_id WHERE {WANTED}"
    ));
    let values = args![scope.tenant(), like(&wanted.text), wanted.severity, wanted.closed];
    conn.one(sql, values).await?.int("number")
}

const WANTED: &str = "($1 IS NULL OR h.tenant_id = $1) AND ($2 IS NULL OR h.name LIKE $2 ESCAPE '\\' OR t.name LIKE $2 ESCAPE '\\') \
    AND h.severity >= $3 AND ($4 = 1 OR h.closed_secs IS NULL)";

/// A pattern for `LIKE` that finds the text anywhere. Names are in lower case.
fn like(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars().take(100) {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Some(pattern)
}

/// How many hosts are how bad: none, notice, warning, critical.
pub async fn severities(conn: &mut Conn, scope: Scope) -> Result<[i64; 4], DbError> {
    let sql = "SELECT severity, COUNT(*) AS number FROM hosts WHERE closed_secs IS NULL AND ($1 IS NULL OR tenant_id = $1) GROUP BY severity";
    let mut numbers = [0; 4];
    for row in conn.rows(sql, args![scope.tenant()]).await? {
        let at = usize::try_from(row.int("severity")?).unwrap_or(0).min(3);
        numbers[at] += row.int("number")?;
    }
    Ok(numbers)
}

/// How many of those that have no open ticket were never heard of.
pub async fn unheard(conn: &mut Conn, scope: Scope) -> Result<i64, DbError> {
    let sql = "SELECT COUNT(*) AS number FROM hosts WHERE closed_secs IS NULL AND heard_secs IS NULL AND severity = 0 AND ($1 IS NULL OR tenant_id = $1)";
    conn.one(sql, args![scope.tenant()]).await?.int("number")
}

/// Holds hosts for the rest of the transaction: everything about a host is written by whoever holds it, so that two consoles do that one after
/// the other. To be called once, first, with all hosts of the transaction (`db`, "The order of locks").
pub async fn hold(conn: &mut Conn, ids: &[i64]) -> Result<(), DbError> {
    if !conn.is_postgres() || ids.is_empty() {
        return Ok(());
    }
    let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    // As an update locks: whoever only refers to the host does not wait.
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT id FROM hosts WHERE id IN ({list}) ORDER BY id FOR NO KEY UPDATE"
    ));
    conn.rows(sql, args![]).await.map(|_| ())
}

/// Holds every host of a tenant.
pub async fn hold_all(conn: &mut Conn, tenant_id: i64) -> Result<(), DbError> {
    let rows = conn.rows("SELECT id FROM hosts WHERE tenant_id = $1", args![tenant_id]).await?;
    let ids = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
    hold(conn, &ids).await
}

/// Says until when nothing is expected of a host; `None` ends that.
pub async fn quiet(conn: &mut Conn, id: i64, until_secs: Option<i64>) -> Result<(), DbError> {
    conn.run("UPDATE hosts SET quiet_until_secs = $2 WHERE id = $1", args![id, until_secs]).await.map(|_| ())
}

/// Closes a host that is gone for good, or opens it again.
pub async fn close(conn: &mut Conn, id: i64, closed_secs: Option<i64>) -> Result<(), DbError> {
    conn.run("UPDATE hosts SET closed_secs = $2 WHERE id = $1", args![id, closed_secs]).await.map(|_| ())
}
