//! Proofs: what drills say.

use super::runs::Of;
use super::value::{args, to_json};
use super::{Conn, DbError, Row, Scope};
use crate::records::Proof;
use serde::Serialize;
use vow_protocol::report::{ProofReport, Verdict};

/// A proof as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct ProofRow {
    /// Its number here.
    pub id: i64,
    /// Its source's.
    pub source_id: i64,
    /// Its tenant.
    pub tenant: String,
    /// Its host.
    pub host: String,
    /// Its source.
    pub source: String,
    /// When the report came.
    pub received_secs: i64,
    /// What it says.
    pub body: ProofReport,
}

/// The word of a verdict.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "proven",
        Verdict::Failed => "failed",
        Verdict::Blocked => "blocked",
        Verdict::Broken => "broken",
    }
}

/// Stores a proof; gives whether it was new.
pub async fn insert(conn: &mut Conn, of: Of, proof: &Proof) -> Result<bool, DbError> {
    let body = &proof.body;
    let sql = "INSERT INTO proofs (host_id, source_id, tenant_id, report, received_secs, started_secs, snapshot, level, verdict, restore_secs, compare_secs, body) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (host_id, report) DO NOTHING";
    let values = args![
        of.host_id,
        of.source_id,
        of.tenant_id,
        &proof.report,
        proof.received_secs,
        body.started_secs,
        &body.snapshot,
        &body.level,
        verdict_word(body.verdict),
        body.restore_secs,
        body.compare_secs,
        to_json(body)?,
    ];
    Ok(conn.run(sql, values).await? == 1)
}

/// What rules want to know: the newest of each level, and the newest proven of each level; oldest first.
pub async fn facts(conn: &mut Conn, source_id: i64) -> Result<Vec<Proof>, DbError> {
    let sql = "SELECT p.report, p.received_secs, p.body FROM proofs p WHERE p.source_id = $1 AND p.id IN (\
        SELECT MAX(id) FROM proofs WHERE source_id = $1 GROUP BY level UNION \
        SELECT MAX(id) FROM proofs WHERE source_id = $1 AND verdict = 'proven' GROUP BY level) ORDER BY p.started_secs, p.id";
    let rows = conn.rows(sql, args![source_id]).await?;
    rows.iter()
        .map(|row| {
            Ok(Proof {
                report: row.text("report")?,
                received_secs: row.int("received_secs")?,
                body: row.json("body")?,
            })
        })
        .collect()
}

const SELECT: &str = "SELECT p.id, p.source_id, t.name AS tenant, h.name AS host, s.name AS source, p.received_secs, p.body FROM proofs p \
    JOIN sources s ON s.id = p.source_id JOIN hosts h ON h.id = p.host_id JOIN tenants t ON t.id = p.tenant_id";

fn listed(row: &Row) -> Result<ProofRow, DbError> {
    Ok(ProofRow {
        id: row.int("id")?,
        source_id: row.int("source_id")?,
        tenant: row.text("tenant")?,
        host: row.text("host")?,
        source: row.text("source")?,
        received_secs: row.int("received_secs")?,
        body: row.json("body")?,
    })
}

/// The newest proofs.
pub async fn list(conn: &mut Conn, scope: Scope, limit: i64) -> Result<Vec<ProofRow>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE ($1 IS NULL OR p.tenant_id = $1) ORDER BY p.started_secs DESC, p.id DESC LIMIT $2"
    ));
    conn.rows(sql, args![scope.tenant(), limit]).await?.iter().map(listed).collect()
}

/// One proof.
pub async fn get(conn: &mut Conn, scope: Scope, id: i64) -> Result<Option<ProofRow>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE p.id = $1 AND ($2 IS NULL OR p.tenant_id = $2)"));
    conn.row(sql, args![id, scope.tenant()]).await?.as_ref().map(listed).transpose()
}

/// The newest proofs of a source.
pub async fn of_source(conn: &mut Conn, source_id: i64, limit: i64) -> Result<Vec<ProofRow>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE p.source_id = $1 ORDER BY p.started_secs DESC, p.id DESC LIMIT $2"
    ));
    conn.rows(sql, args![source_id, limit]).await?.iter().map(listed).collect()
}

/// Proofs of a tenant whose drills began between two times, oldest first.
pub async fn between(
    conn: &mut Conn,
    tenant_id: i64,
    (from, to): (i64, i64),
    limit: i64,
) -> Result<Vec<ProofRow>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE p.tenant_id = $1 AND p.started_secs >= $2 AND p.started_secs < $3 ORDER BY p.started_secs, p.id LIMIT $4"
    ));
    conn.rows(sql, args![tenant_id, from, to, limit]).await?.iter().map(listed).collect()
}
