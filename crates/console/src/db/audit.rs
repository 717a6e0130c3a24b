//! Who did what, from where. Entries are added and never changed.

use super::value::args;
use super::{Conn, DbError, Scope};
use serde::Serialize;

/// One entry.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its number here.
    pub id: i64,
    /// When.
    pub at_secs: i64,
    /// Who: `user NAME`, `token NAME`, `host TENANT/NAME`, `command`.
    pub actor: String,
    /// From where.
    pub address: String,
    /// What: `login`, `ticket.close`, ….
    pub action: String,
    /// To what.
    pub object: String,
    /// In which way.
    pub detail: String,
}

/// What is written down.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// Who.
    pub actor: &'a str,
    /// From where.
    pub address: &'a str,
    /// What.
    pub action: &'a str,
    /// To what.
    pub object: &'a str,
    /// In which way.
    pub detail: &'a str,
}

/// Writes it down.
pub async fn note(conn: &mut Conn, tenant_id: Option<i64>, act: Act<'_>, now: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO audit (at_secs, tenant_id, actor, address, action, object, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = args![now, tenant_id, act.actor, act.address, act.action, act.object, act.detail];
    conn.run(sql, values).await.map(|_| ())
}

/// The newest entries before the one with the number `before`.
pub async fn list(conn: &mut Conn, scope: Scope, before: i64, limit: i64) -> Result<Vec<Entry>, DbError> {
    let sql = "SELECT id, at_secs, actor, address, action, object, detail FROM audit WHERE id < $2 AND ($1 IS NULL OR tenant_id = $1) ORDER BY id DESC LIMIT $3";
    let rows = conn.rows(sql, args![scope.tenant(), before, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                id: row.int("id")?,
                at_secs: row.int("at_secs")?,
                actor: row.text("actor")?,
                address: row.text("address")?,
                action: row.text("action")?,
                object: row.text("object")?,
                detail: row.text("detail")?,
            })
        })
        .collect()
}
