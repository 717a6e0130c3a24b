//! What a report of a month is made of.

use super::value::args;
use super::{Conn, DbError, day_of};
use crate::records::Ticket;

/// A source's month.
#[derive(Debug, Clone)]
pub struct SourceMonth {
    /// Its host.
    pub host: String,
    /// Its name.
    pub source: String,
    /// Its type.
    pub source_type: String,
    /// Runs that were whole, not whole, none.
    pub runs: [i64; 3],
    /// Bytes that it had at most.
    pub bytes: i64,
    /// Bytes that were new.
    pub added_bytes: i64,
}

/// The day of the last second before a time: that of a month that has not ended belongs to it.
fn last_day(to: i64) -> i64 {
    day_of(to - 1)
}

/// What the sources of a tenant did between two times.
pub async fn sources(
    conn: &mut Conn,
    tenant_id: i64,
    (from, to): (i64, i64),
    limit: i64,
) -> Result<Vec<SourceMonth>, DbError> {
    let sql = "SELECT h.name AS host, s.name, s.source_type, CAST(COALESCE(SUM(d.ok), 0) AS BIGINT) AS ok, \
        CAST(COALESCE(SUM(d.partial), 0) AS BIGINT) AS partial, CAST(COALESCE(SUM(d.failed), 0) AS BIGINT) AS failed, \
        COALESCE(MAX(d.bytes), 0) AS bytes, CAST(COALESCE(SUM(d.added_bytes), 0) AS BIGINT) AS added \
        FROM sources s JOIN hosts h ON h.id = s.host_id LEFT JOIN source_days d ON d.source_id = s.id AND d.day >= $2 AND d.day <= $3 \
        WHERE s.tenant_id = $1 AND (d.source_id IS NOT NULL OR s.gone_secs IS NULL) GROUP BY s.id, h.name, s.name, s.source_type \
        ORDER BY h.name, s.name LIMIT $4";
    let rows = conn.rows(sql, args![tenant_id, day_of(from), last_day(to), limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(SourceMonth {
                host: row.text("host")?,
                source: row.text("name")?,
                source_type: row.text("source_type")?,
                runs: [row.int("ok")?, row.int("partial")?, row.int("failed")?],
                bytes: row.int("bytes")?,
                added_bytes: row.int("added")?,
            })
        })
        .collect()
}

/// Copies that levels received of a host between two times: host, level, received, refused or lost.
pub async fn copies(
    conn: &mut Conn,
    tenant_id: i64,
    (from, to): (i64, i64),
    limit: i64,
) -> Result<Vec<(String, String, i64, i64)>, DbError> {
    let sql = "SELECT h.name AS host, d.level, CAST(SUM(d.ok) AS BIGINT) AS ok, CAST(SUM(d.failed) AS BIGINT) AS failed \
        FROM host_days d JOIN hosts h ON h.id = d.host_id WHERE h.tenant_id = $1 AND d.day >= $2 AND d.day <= $3 AND d.level <> '' \
        GROUP BY h.id, h.name, d.level ORDER BY h.name, d.level LIMIT $4";
    let rows = conn.rows(sql, args![tenant_id, day_of(from), last_day(to), limit]).await?;
    rows.iter()
        .map(|row| Ok((row.text("host")?, row.text("level")?, row.int("ok")?, row.int("failed")?)))
        .collect()
}

/// Tickets that were open at some time between two times, those that were opened first first.
pub async fn tickets(
    conn: &mut Conn,
    tenant_id: i64,
    (from, to): (i64, i64),
    limit: i64,
) -> Result<Vec<Ticket>, DbError> {
    let sql = "SELECT body FROM tickets WHERE tenant_id = $1 AND since_secs < $3 AND (status = 'open' OR closed_secs >= $2) \
        ORDER BY since_secs, id LIMIT $4";
    conn.rows(sql, args![tenant_id, from, to, limit]).await?.iter().map(|row| row.json("body")).collect()
}
