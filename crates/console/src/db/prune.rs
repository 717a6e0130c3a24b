//! What is no longer kept. In small pieces, so that reports need not wait.

use super::value::args;
use super::{Db, DbError, day_of, hosts, settings};

/// How long things are kept, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Runs that were whole, and that nothing was found against.
    pub runs_secs: i64,
    /// Other runs.
    pub problems_secs: i64,
    /// Days.
    pub days_secs: i64,
}

const PIECE: i64 = 2_000;
const MONTH_SECS: i64 = 30 * 86_400;
/// Up to when healthy runs were removed already, so that what is kept among them is not looked at again and again.
const MARK: &str = "pruned_to_secs";

/// Removes what is over; gives how many rows.
pub async fn all(db: &Db, terms: Terms, now: i64) -> Result<u64, DbError> {
    let mut removed = 0;
    loop {
        let piece = runs(db, terms, now).await?;
        removed += piece;
        if piece == 0 {
            break;
        }
    }
    removed += problems(db, terms, now).await?;
    removed += snapshots(db, now).await?;
    removed += days(db, terms, now).await?;
    let mut conn = db.write().await?;
    removed += conn.run("DELETE FROM sessions WHERE ends_secs < $1", args![now]).await?;
    removed += conn.run("DELETE FROM attempts WHERE slot < $1", args![now - 86_400]).await?;
    let sql = "DELETE FROM outbox WHERE state IN ('delivered', 'refused') AND settled_secs < $1";
    removed += conn.run(sql, args![now - 3 * MONTH_SECS]).await?;
    // Of channels that were taken out of the settings: whoever serves a channel gives up much earlier.
    let sql = "DELETE FROM outbox WHERE state = 'waiting' AND put_secs < $1";
    removed += conn.run(sql, args![now - 3 * MONTH_SECS]).await?;
    conn.commit().await?;
    Ok(removed)
}

/// A piece of the runs that were whole. The newest of each source stays: rules about silence need it.
async fn runs(db: &Db, terms: Terms, now: i64) -> Result<u64, DbError> {
    let mut conn = db.write().await?;
    let from: i64 = settings::get(&mut conn, MARK).await?.unwrap_or(0);
    let before = now - terms.runs_secs;
    let sql = "SELECT r.id, r.received_secs, CASE WHEN r.outcome = 'ok' AND r.spoke = '' AND r.id <> COALESCE(s.last_run_id, 0) THEN r.id ELSE NULL END AS over \
        FROM runs r JOIN sources s ON s.id = r.source_id WHERE r.received_secs >= $1 AND r.received_secs < $2 ORDER BY r.received_secs LIMIT $3";
    let rows = conn.rows(sql, args![from, before, PIECE]).await?;
    let Some(last) = rows.last() else { return Ok(0) };
    // Of the last second there may be more than fit into this piece.
    let last_secs = last.int("received_secs")?;
    let full = rows.len() as i64 == PIECE;
    let mark = if full && last_secs > from { last_secs } else { last_secs + 1 };
    let mut over = Vec::new();
    for row in &rows {
        over.extend(row.opt_int("over")?);
    }
    remove_runs(&mut conn, &over).await?;
    settings::set(&mut conn, MARK, &mark).await?;
    conn.commit().await?;
    Ok(rows.len() as u64)
}

/// Runs that were kept longer because something was wrong.
async fn problems(db: &Db, terms: Terms, now: i64) -> Result<u64, DbError> {
    let mut removed = 0;
    loop {
        let mut conn = db.write().await?;
        let sql = "SELECT r.id FROM runs r JOIN sources s ON s.id = r.source_id WHERE r.received_secs < $1 AND r.id <> COALESCE(s.last_run_id, 0) \
            ORDER BY r.received_secs LIMIT $2";
        let rows = conn.rows(sql, args![now - terms.problems_secs, PIECE]).await?;
        let over = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
        if over.is_empty() {
            return Ok(removed);
        }
        removed += remove_runs(&mut conn, &over).await?;
        conn.commit().await?;
    }
}

async fn remove_runs(conn: &mut super::Conn, over: &[i64]) -> Result<u64, DbError> {
    if over.is_empty() {
        return Ok(0);
    }
    let list = over.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let details = sqlx::AssertSqlSafe(format!("DELETE FROM run_details WHERE run_id IN ({list})"));
    let runs = sqlx::AssertSqlSafe(format!("DELETE FROM runs WHERE id IN ({list})"));
    conn.run(details, args![]).await?;
    conn.run(runs, args![]).await
}

/// Snapshots that no vault keeps any more.
async fn snapshots(db: &Db, now: i64) -> Result<u64, DbError> {
    let gone = now - MONTH_SECS;
    let mut conn = db.write().await?;
    let sql = "SELECT DISTINCT host_id FROM (SELECT host_id FROM snapshots WHERE gone_secs < $1 ORDER BY gone_secs LIMIT $2) AS part";
    let rows = conn.rows(sql, args![gone, PIECE]).await?;
    let of = rows.iter().map(|row| row.int("host_id")).collect::<Result<Vec<_>, _>>()?;
    hosts::hold(&mut conn, &of).await?;
    let sql = "SELECT id, host_id FROM snapshots WHERE gone_secs < $1 ORDER BY gone_secs LIMIT $2";
    let mut over = Vec::new();
    for row in conn.rows(sql, args![gone, PIECE]).await? {
        // Of another host another time: its row is not held.
        if of.contains(&row.int("host_id")?) {
            over.push(row.int("id")?.to_string());
        }
    }
    if over.is_empty() {
        return Ok(0);
    }
    let list = over.join(",");
    let copies = sqlx::AssertSqlSafe(format!("DELETE FROM copies WHERE snapshot_id IN ({list})"));
    let snapshots = sqlx::AssertSqlSafe(format!("DELETE FROM snapshots WHERE id IN ({list})"));
    let removed = conn.run(copies, args![]).await? + conn.run(snapshots, args![]).await?;
    conn.commit().await?;
    Ok(removed)
}

/// Days, a stretch of sources and hosts at a time: their tables are ordered by these.
async fn days(db: &Db, terms: Terms, now: i64) -> Result<u64, DbError> {
    let first = day_of(now - terms.days_secs);
    let mut removed = 0;
    for (newest, remove) in [
        (
            "SELECT COALESCE(MAX(id), 0) AS newest FROM sources",
            "DELETE FROM source_days WHERE source_id >= $1 AND source_id < $2 AND day < $3",
        ),
        (
            "SELECT COALESCE(MAX(id), 0) AS newest FROM hosts",
            "DELETE FROM host_days WHERE host_id >= $1 AND host_id < $2 AND day < $3",
        ),
        (
            "SELECT COALESCE(MAX(id), 0) AS newest FROM vaults",
            "DELETE FROM vault_days WHERE vault_id >= $1 AND vault_id < $2 AND day < $3",
        ),
    ] {
        let newest = db.read().await?.one(newest, args![]).await?.int("newest")?;
        for from in (0..=newest).step_by(500) {
            let mut conn = db.write().await?;
            removed += conn.run(remove, args![from, from + 500, first]).await?;
            conn.commit().await?;
        }
    }
    Ok(removed)
}
