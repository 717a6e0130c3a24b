//! Days of hosts, as the fleet shows them.

use crate::db::value::args;
use crate::db::{Conn, DbError};
use serde::Serialize;

/// A day of a host: of its runs (level ``), or of what one level received.
#[derive(Debug, Clone, Serialize)]
pub struct HostDay {
    /// The host.
    pub host_id: i64,
    /// Days since 1970.
    pub day: i64,
    /// The level; empty for runs.
    pub level: String,
    /// Whole.
    pub ok: i64,
    /// Something missing.
    pub partial: i64,
    /// None.
    pub failed: i64,
}

/// The days of some hosts from `first` on. Numbers are ours.
pub async fn days(conn: &mut Conn, hosts: &[i64], first: i64) -> Result<Vec<HostDay>, DbError> {
    if hosts.is_empty() {
        return Ok(Vec::new());
    }
    let list = hosts.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT host_id, day, level, ok, partial, failed FROM host_days WHERE host_id IN ({list}) AND day >= $1 ORDER BY host_id, level, day"
    ));
    let rows = conn.rows(sql, args![first]).await?;
    rows.iter()
        .map(|row| {
            Ok(HostDay {
                host_id: row.int("host_id")?,
                day: row.int("day")?,
                level: row.text("level")?,
                ok: row.int("ok")?,
                partial: row.int("partial")?,
                failed: row.int("failed")?,
            })
        })
        .collect()
}

/// Counts one more on a day of a host.
pub async fn count_day(
    conn: &mut Conn,
    host_id: i64,
    day: i64,
    level: &str,
    counts: [i64; 3],
) -> Result<(), DbError> {
    let sql = "INSERT INTO host_days (host_id, day, level, ok, partial, failed) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (host_id, day, level) DO UPDATE SET ok = host_days.ok + excluded.ok, \
        partial = host_days.partial + excluded.partial, failed = host_days.failed + excluded.failed";
    conn.run(sql, args![host_id, day, level, counts[0], counts[1], counts[2]]).await.map(|_| ())
}
