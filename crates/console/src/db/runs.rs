//! Runs, and the days they add up to.

use super::value::{args, to_json};
use super::{Conn, DbError, Row, Scope, day_of};
use crate::records::Run;
use serde::Serialize;
use vow_protocol::report::{Outcome, RunReport};

/// A run as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct RunRow {
    /// Its number here.
    pub id: i64,
    /// Its host's.
    pub host_id: i64,
    /// Its source's.
    pub source_id: i64,
    /// Its tenant.
    pub tenant: String,
    /// Its host.
    pub host: String,
    /// Its source.
    pub source: String,
    /// The id of its report.
    pub report: String,
    /// The id that all sources of one run share.
    pub run: String,
    /// When it began, by the host's clock.
    pub started_secs: i64,
    /// When the report came.
    pub received_secs: i64,
    /// How long it took.
    pub duration_secs: f64,
    /// `ok`, `partial` or `failed`.
    pub outcome: String,
    /// The snapshot.
    pub snapshot: Option<String>,
    /// Files captured.
    pub files: i64,
    /// Bytes that the source had.
    pub bytes: i64,
    /// Bytes that were new to the vaults.
    pub added_bytes: i64,
    /// What could not be captured.
    pub errors: i64,
    /// Which attempt it was.
    pub attempt: i64,
    /// Whether rules found nothing against its content; absent when none has judged.
    pub healthy: Option<bool>,
    /// Rules that spoke against it, one after the other.
    pub spoke: String,
    /// Why rules are not sure yet.
    pub learning: Option<String>,
}

const COLUMNS: &str = "r.id, r.host_id, r.source_id, t.name AS tenant, h.name AS host, s.name AS source, r.report, r.run, r.started_secs, \
    r.received_secs, r.duration_secs, r.outcome, r.snapshot, r.files, r.bytes, r.added_bytes, r.errors, r.attempt, r.healthy, r.spoke, r.learning";
const FROM: &str = "runs r JOIN hosts h ON h.id = r.host_id JOIN sources s ON s.id = r.source_id JOIN tenants t ON t.id = r.tenant_id";

fn listed(row: &Row) -> Result<RunRow, DbError> {
    Ok(RunRow {
        id: row.int("id")?,
        host_id: row.int("host_id")?,
        source_id: row.int("source_id")?,
        tenant: row.text("tenant")?,
        host: row.text("host")?,
        source: row.text("source")?,
        report: row.text("report")?,
        run: row.text("run")?,
        started_secs: row.int("started_secs")?,
        received_secs: row.int("received_secs")?,
        duration_secs: row.real("duration_secs")?,
        outcome: row.text("outcome")?,
        snapshot: row.opt_text("snapshot")?,
        files: row.int("files")?,
        bytes: row.int("bytes")?,
        added_bytes: row.int("added_bytes")?,
        errors: row.int("errors")?,
        attempt: row.int("attempt")?,
        healthy: row.opt_flag("healthy")?,
        spoke: row.text("spoke")?,
        learning: row.opt_text("learning")?,
    })
}

/// The word of an outcome.
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Partial => "partial",
        Outcome::Failed => "failed",
    }
}

/// Where a run belongs.
#[derive(Debug, Clone, Copy)]
pub struct Of {
    /// Its tenant.
    pub tenant_id: i64,
    /// Its host.
    pub host_id: i64,
    /// Its source.
    pub source_id: i64,
}

/// Stores a run; `None` when it was there already.
pub async fn insert(
    conn: &mut Conn,
    of: Of,
    run: &Run,
    output: Option<&str>,
) -> Result<Option<i64>, DbError> {
    let body = &run.body;
    let sql = "INSERT INTO runs (host_id, source_id, tenant_id, report, run, started_secs, received_secs, duration_secs, outcome, snapshot, \
        sequence, files, dirs, bytes, added_bytes, errors, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
        ON CONFLICT (host_id, report) DO NOTHING RETURNING id";
    let values = args![
        of.host_id,
        of.source_id,
        of.tenant_id,
        &run.report,
        &body.run,
        body.started_secs,
        run.received_secs,
        body.duration_secs,
        outcome_word(body.outcome),
        body.snapshot.clone(),
        body.sequence,
        body.files,
        body.dirs,
        body.bytes,
        body.added_bytes,
        body.errors,
        body.attempt,
    ];
    let Some(row) = conn.row(sql, values).await? else { return Ok(None) };
    let id = row.int("id")?;
    let sql = "INSERT INTO run_details (run_id, body, output) VALUES ($1, $2, $3)";
    conn.run(sql, args![id, to_json(body)?, output]).await?;
    Ok(Some(id))
}

/// Whether a report of a run is there already.
pub async fn is_known(conn: &mut Conn, host_id: i64, report: &str) -> Result<bool, DbError> {
    let sql = "SELECT id FROM runs WHERE host_id = $1 AND report = $2";
    Ok(conn.row(sql, args![host_id, report]).await?.is_some())
}

/// Makes it the newest of its source, if it is; gives whether it is.
pub async fn note_newest(
    conn: &mut Conn,
    source_id: i64,
    run_id: i64,
    body: &RunReport,
) -> Result<bool, DbError> {
    let sql = "UPDATE sources SET last_run_id = $2, last_started_secs = $3, last_outcome = $4, next_secs = COALESCE($5, next_secs) \
        WHERE id = $1 AND (last_started_secs IS NULL OR last_started_secs <= $3)";
    let values = args![source_id, run_id, body.started_secs, outcome_word(body.outcome), body.next_secs];
    let newest = conn.run(sql, values).await? == 1;
    if body.outcome != Outcome::Failed {
        let sql =
            "UPDATE sources SET last_good_secs = $2 WHERE id = $1 AND COALESCE(last_good_secs, 0) <= $2";
        conn.run(sql, args![source_id, body.started_secs]).await?;
    }
    Ok(newest)
}

/// Adds a run to the day of its source.
pub async fn count_day(conn: &mut Conn, source_id: i64, body: &RunReport) -> Result<[i64; 3], DbError> {
    let counts = match body.outcome {
        Outcome::Ok => [1, 0, 0],
        Outcome::Partial => [0, 1, 0],
        Outcome::Failed => [0, 0, 1],
    };
    let made = body.outcome != Outcome::Failed;
    let (files, bytes) = if made { (body.files, body.bytes) } else { (0, 0) };
    // The size of a day is that of its newest snapshot.
    let sql = "INSERT INTO source_days (source_id, day, ok, partial, failed, files, bytes, added_bytes, duration_secs, last_started_secs) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (source_id, day) DO UPDATE SET \
        ok = source_days.ok + excluded.ok, partial = source_days.partial + excluded.partial, failed = source_days.failed + excluded.failed, \
        files = CASE WHEN excluded.failed = 0 AND excluded.last_started_secs >= source_days.last_started_secs THEN excluded.files ELSE source_days.files END, \
        bytes = CASE WHEN excluded.failed = 0 AND excluded.last_started_secs >= source_days.last_started_secs THEN excluded.bytes ELSE source_days.bytes END, \
        added_bytes = source_days.added_bytes + excluded.added_bytes, \
        duration_secs = source_days.duration_secs + excluded.duration_secs, \
        last_started_secs = CASE WHEN excluded.failed = 0 AND excluded.last_started_secs >= source_days.last_started_secs \
        THEN excluded.last_started_secs ELSE source_days.last_started_secs END";
    let last = if made { body.started_secs } else { 0 };
    let values = args![
        source_id,
        day_of(body.started_secs),
        counts[0],
        counts[1],
        counts[2],
        files,
        bytes,
        body.added_bytes,
        body.duration_secs,
        last,
    ];
    conn.run(sql, values).await?;
    Ok(counts)
}

/// What rules said of a run.
pub async fn keep_verdict(
    conn: &mut Conn,
    run_id: i64,
    healthy: bool,
    spoke: &str,
    learning: Option<&str>,
) -> Result<(), DbError> {
    let sql = "UPDATE runs SET healthy = $2, spoke = $3, learning = $4 WHERE id = $1";
    conn.run(sql, args![run_id, healthy, spoke, learning]).await.map(|_| ())
}

/// One run.
pub async fn get(conn: &mut Conn, scope: Scope, id: i64) -> Result<Option<RunRow>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE r.id = $1 AND ($2 IS NULL OR r.tenant_id = $2)"
    ));
    conn.row(sql, args![id, scope.tenant()]).await?.as_ref().map(listed).transpose()
}

/// A run by the id of its report.
pub async fn by_report(conn: &mut Conn, host_id: i64, report: &str) -> Result<Option<(i64, Run)>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, d.body FROM {FROM} JOIN run_details d ON d.run_id = r.id WHERE r.host_id = $1 AND r.report = $2"
    ));
    let Some(row) = conn.row(sql, args![host_id, report]).await? else { return Ok(None) };
    let (id, body) = (row.int("id")?, row.json("body")?);
    let (report, tenant, host) = (row.text("report")?, row.text("tenant")?, row.text("host")?);
    Ok(Some((id, Run { report, tenant, host, received_secs: row.int("received_secs")?, body })))
}

/// The report of a run as it came, and captured output; absent when it was pruned.
pub async fn details(conn: &mut Conn, run_id: i64) -> Result<Option<(RunReport, Option<String>)>, DbError> {
    let row = conn.row("SELECT body, output FROM run_details WHERE run_id = $1", args![run_id]).await?;
    row.map(|row| Ok((row.json("body")?, row.opt_text("output")?))).transpose()
}

/// The newest runs of a source that began before `before`.
pub async fn of_source(
    conn: &mut Conn,
    source_id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<RunRow>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE r.source_id = $1 AND r.started_secs < $2 ORDER BY r.started_secs DESC LIMIT $3"
    ));
    conn.rows(sql, args![source_id, before, limit]).await?.iter().map(listed).collect()
}

/// Runs of the same run, of other sources of the host.
pub async fn siblings(conn: &mut Conn, host_id: i64, run: &RunRow) -> Result<Vec<RunRow>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE r.source_id IN (SELECT id FROM sources WHERE host_id = $1) AND r.started_secs BETWEEN $2 AND $3 \
         AND r.run = $4 AND r.id <> $5 ORDER BY s.name LIMIT 100"
    ));
    let values = args![host_id, run.started_secs - 86_400, run.started_secs + 86_400, &run.run, run.id];
    conn.rows(sql, values).await?.iter().map(listed).collect()
}

/// One day of a source.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SourceDay {
    /// Days since 1970.
    pub day: i64,
    /// Runs that were whole.
    pub ok: i64,
    /// Runs with something missing.
    pub partial: i64,
    /// Runs without a snapshot.
    pub failed: i64,
    /// Files of the newest snapshot.
    pub files: i64,
    /// Its bytes.
    pub bytes: i64,
    /// Bytes that were new, of all runs.
    pub added_bytes: i64,
    /// How long a run took, on average.
    pub duration_secs: f64,
}

/// The days of a source from `first` on.
pub async fn days(conn: &mut Conn, source_id: i64, first: i64) -> Result<Vec<SourceDay>, DbError> {
    let sql = "SELECT day, ok, partial, failed, files, bytes, added_bytes, duration_secs FROM source_days \
        WHERE source_id = $1 AND day >= $2 ORDER BY day LIMIT 1000";
    let rows = conn.rows(sql, args![source_id, first]).await?;
    rows.iter()
        .map(|row| {
            let (ok, partial, failed) = (row.int("ok")?, row.int("partial")?, row.int("failed")?);
            let runs = (ok + partial + failed).max(1);
            Ok(SourceDay {
                day: row.int("day")?,
                ok,
                partial,
                failed,
                files: row.int("files")?,
                bytes: row.int("bytes")?,
                added_bytes: row.int("added_bytes")?,
                duration_secs: row.real("duration_secs")? / runs as f64,
            })
        })
        .collect()
}
