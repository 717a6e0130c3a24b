//! Sources, their levels, and what rules remember of them.

use super::value::{args, to_json};
use super::{Conn, DbError, Row, Scope, past};
use crate::records::{Held, History, LastRun, LevelFacts, Mark, Reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vow_protocol::report::{Expected, Shape};

/// A source as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// Its number here.
    pub id: i64,
    /// Its host's.
    pub host_id: i64,
    /// Its tenant's.
    pub tenant_id: i64,
    /// Its tenant.
    pub tenant: String,
    /// Its host.
    pub host: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub source_type: String,
    /// What the plan promises.
    pub expected: Option<Expected>,
    /// When it is due next, as the host said.
    pub next_secs: Option<i64>,
    /// Since when it is in no plan any more.
    pub gone_secs: Option<i64>,
    /// The newest run.
    pub last_run_id: Option<i64>,
    /// When that began.
    pub last_started_secs: Option<i64>,
    /// How it ended: `ok`, `partial`, `failed`.
    pub last_outcome: Option<String>,
    /// When the newest run began that made a snapshot.
    pub last_good_secs: Option<i64>,
    /// The worst open ticket.
    pub severity: i64,
    /// Open tickets.
    pub open_tickets: i64,
    /// What people said to be expected.
    pub marks: Vec<Mark>,
    /// When it was first known here.
    pub created_secs: i64,
    /// The usual time between two runs.
    pub usual_gap_secs: Option<i64>,
}

/// What is known of one level of a source.
#[derive(Debug, Clone, Serialize)]
pub struct Level {
    /// The source.
    pub source_id: i64,
    /// Its name in the plan.
    pub name: String,
    /// The vault that serves it.
    pub vault_fingerprint: Option<String>,
    /// Whether the plan still has it.
    pub planned: bool,
    /// Whether its vault is watched: otherwise no receipt is ever seen of it.
    pub watched: bool,
    /// The newest snapshot that the vault has, by its own receipt.
    pub snapshot: Option<String>,
    /// When the vault received it.
    pub received_secs: Option<i64>,
    /// Whether the host's newest report says that it was received.
    pub reported_received: Option<bool>,
    /// Why not, as the host says.
    pub reported_error: Option<String>,
    /// When a drill last proved a snapshot of it: the time since then is the restorability debt.
    pub proven_secs: Option<i64>,
    /// Which one.
    pub proven_snapshot: Option<String>,
    /// When a drill last looked.
    pub drilled_secs: Option<i64>,
    /// What it said.
    pub drill_verdict: Option<String>,
    /// How long restoring took, in seconds.
    pub restore_secs: Option<f64>,
}

const COLUMNS: &str = "s.id, s.host_id, s.tenant_id, t.name AS tenant, h.name AS host, s.name, s.source_type, s.expected, s.next_secs, \
    s.gone_secs, s.last_run_id, s.last_started_secs, s.last_outcome, s.last_good_secs, s.severity, s.open_tickets, s.marks, \
    s.created_secs, s.usual_gap_secs";
const FROM: &str = "sources s JOIN hosts h ON h.id = s.host_id JOIN tenants t ON t.id = s.tenant_id";

fn source(row: &Row) -> Result<Source, DbError> {
    Ok(Source {
        id: row.int("id")?,
        host_id: row.int("host_id")?,
        tenant_id: row.int("tenant_id")?,
        tenant: row.text("tenant")?,
        host: row.text("host")?,
        name: row.text("name")?,
        source_type: row.text("source_type")?,
        expected: row.opt_json("expected")?,
        next_secs: row.opt_int("next_secs")?,
        gone_secs: row.opt_int("gone_secs")?,
        last_run_id: row.opt_int("last_run_id")?,
        last_started_secs: row.opt_int("last_started_secs")?,
        last_outcome: row.opt_text("last_outcome")?,
        last_good_secs: row.opt_int("last_good_secs")?,
        severity: row.int("severity")?,
        open_tickets: row.int("open_tickets")?,
        marks: row.json("marks")?,
        created_secs: row.int("created_secs")?,
        usual_gap_secs: row.opt_int("usual_gap_secs")?,
    })
}

/// One source.
pub async fn get(conn: &mut Conn, scope: Scope, id: i64) -> Result<Option<Source>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE s.id = $1 AND ($2 IS NULL OR s.tenant_id = $2)"
    ));
    conn.row(sql, args![id, scope.tenant()]).await?.as_ref().map(source).transpose()
}

/// The sources of a host, by name; those that are gone last.
pub async fn of_host(conn: &mut Conn, host_id: i64) -> Result<Vec<Source>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE s.host_id = $1 ORDER BY CASE WHEN s.gone_secs IS NULL THEN 0 ELSE 1 END, s.name LIMIT 1000"
    ));
    conn.rows(sql, args![host_id]).await?.iter().map(source).collect()
}

/// The number of a source, which is made when it is new. A type that changed is taken over.
pub async fn source_id(
    conn: &mut Conn,
    (host_id, tenant_id): (i64, i64),
    name: &str,
    source_type: &str,
    now: i64,
) -> Result<i64, DbError> {
    let find = "SELECT id, source_type FROM sources WHERE host_id = $1 AND name = $2";
    if let Some(row) = conn.row(find, args![host_id, name]).await? {
        let id = row.int("id")?;
        if row.text("source_type")? != source_type {
            conn.run("UPDATE sources SET source_type = $2 WHERE id = $1", args![id, source_type]).await?;
        }
        return Ok(id);
    }
    let sql = "INSERT INTO sources (host_id, tenant_id, name, source_type, created_secs) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (host_id, name) DO NOTHING";
    conn.run(sql, args![host_id, tenant_id, name, source_type, now]).await?;
    conn.one(find, args![host_id, name]).await?.int("id")
}

/// The number of a source of a host by name.
pub async fn find(conn: &mut Conn, host_id: i64, name: &str) -> Result<Option<i64>, DbError> {
    let row =
        conn.row("SELECT id FROM sources WHERE host_id = $1 AND name = $2", args![host_id, name]).await?;
    row.map(|row| row.int("id")).transpose()
}

/// What a host's plan promises now. Sources that it does not name any more are gone; those of pings have no plan.
pub async fn plan(
    conn: &mut Conn,
    (host_id, tenant_id): (i64, i64),
    plan: &[Expected],
    now: i64,
) -> Result<(), DbError> {
    let sql = "SELECT s.id, s.name, s.expected, s.gone_secs FROM sources s WHERE s.host_id = $1 AND s.expected IS NOT NULL LIMIT 5000";
    let mut before: BTreeMap<String, (i64, Option<Expected>, bool)> = BTreeMap::new();
    for row in conn.rows(sql, args![host_id]).await? {
        let gone = row.opt_int("gone_secs")?.is_some();
        before.insert(row.text("name")?, (row.int("id")?, row.opt_json("expected")?, gone));
    }
    for expected in plan {
        let known = before.remove(&expected.source);
        if let Some((id, Some(same), false)) = &known
            && (Expected { next_secs: None, ..same.clone() })
                == (Expected { next_secs: None, ..expected.clone() })
        {
            if same.next_secs != expected.next_secs {
                let sql = "UPDATE sources SET next_secs = $2, expected = $3 WHERE id = $1";
                conn.run(sql, args![*id, expected.next_secs, to_json(expected)?]).await?;
            }
            continue;
        }
        let id = source_id(conn, (host_id, tenant_id), &expected.source, &expected.source_type, now).await?;
        let sql = "UPDATE sources SET next_secs = $2, expected = $3, gone_secs = NULL WHERE id = $1";
        conn.run(sql, args![id, expected.next_secs, to_json(expected)?]).await?;
        conn.run("UPDATE source_levels SET planned = 0 WHERE source_id = $1", args![id]).await?;
        for level in &expected.levels {
            let sql = "INSERT INTO source_levels (source_id, level) VALUES ($1, $2) ON CONFLICT (source_id, level) DO UPDATE SET planned = 1";
            conn.run(sql, args![id, level]).await?;
        }
    }
    for (id, _, gone) in before.into_values() {
        if !gone {
            conn.run("UPDATE sources SET gone_secs = $2 WHERE id = $1", args![id, now]).await?;
        }
    }
    Ok(())
}

/// The levels of some sources. Numbers are ours.
pub async fn levels(conn: &mut Conn, sources: &[i64]) -> Result<Vec<Level>, DbError> {
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let list = sources.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT l.*, CAST(CASE WHEN v.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS watched FROM source_levels l \
         LEFT JOIN vaults v ON v.fingerprint = l.vault_fingerprint AND v.removed_secs IS NULL \
         WHERE l.source_id IN ({list}) ORDER BY l.source_id, l.level"
    ));
    let rows = conn.rows(sql, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Level {
                source_id: row.int("source_id")?,
                name: row.text("level")?,
                vault_fingerprint: row.opt_text("vault_fingerprint")?,
                planned: row.flag("planned")?,
                watched: row.flag("watched")?,
                snapshot: row.opt_text("snapshot")?,
                received_secs: row.opt_int("received_secs")?,
                reported_received: row.opt_flag("reported_received")?,
                reported_error: row.opt_text("reported_error")?,
                proven_secs: row.opt_int("proven_secs")?,
                proven_snapshot: row.opt_text("proven_snapshot")?,
                drilled_secs: row.opt_int("drilled_secs")?,
                drill_verdict: row.opt_text("drill_verdict")?,
                restore_secs: row.opt_real("restore_secs")?,
            })
        })
        .collect()
}

/// What the vaults that are watched say of the levels of a source. Of a level whose vault nobody watches nothing is known, however long that lasts.
pub async fn level_facts(conn: &mut Conn, source_id: i64) -> Result<Vec<LevelFacts>, DbError> {
    let sql = "SELECT l.level, l.vault_fingerprint, l.snapshot, l.sequence, l.received_secs, v.answered_secs, v.error \
        FROM source_levels l JOIN vaults v ON v.fingerprint = l.vault_fingerprint AND v.removed_secs IS NULL \
        WHERE l.source_id = $1 AND l.planned = 1 ORDER BY l.level";
    let rows = conn.rows(sql, args![source_id]).await?;
    rows.iter()
        .map(|row| {
            let newest =
                match (row.opt_text("snapshot")?, row.opt_int("sequence")?, row.opt_int("received_secs")?) {
                    (Some(snapshot), Some(sequence), Some(received_secs)) => {
                        Some(Held { snapshot, sequence: u64::try_from(sequence).unwrap_or(0), received_secs })
                    }
                    _ => None,
                };
            Ok(LevelFacts {
                name: row.text("level")?,
                vault: row.opt_text("vault_fingerprint")?,
                newest,
                asked_secs: row.opt_int("answered_secs")?,
                away: row.opt_text("error")?.is_some(),
            })
        })
        .collect()
}

/// A vault has shown the receipt of a snapshot of this source: every level that it serves has it.
pub async fn received(
    conn: &mut Conn,
    source_id: i64,
    vault_fingerprint: &str,
    held: &Held,
) -> Result<Vec<String>, DbError> {
    let sql = "UPDATE source_levels SET snapshot = $3, sequence = $4, received_secs = $5 \
        WHERE source_id = $1 AND vault_fingerprint = $2 AND COALESCE(received_secs, 0) <= $5";
    conn.run(sql, args![source_id, vault_fingerprint, &held.snapshot, held.sequence, held.received_secs])
        .await?;
    let sql = "SELECT level FROM source_levels WHERE source_id = $1 AND vault_fingerprint = $2";
    let rows = conn.rows(sql, args![source_id, vault_fingerprint]).await?;
    rows.iter().map(|row| row.text("level")).collect()
}

/// What the newest run of a source says of a level.
pub async fn reported(
    conn: &mut Conn,
    source_id: i64,
    level: &vow_protocol::report::LevelReport,
    newest: bool,
) -> Result<(), DbError> {
    let sql = match newest {
        true => {
            "INSERT INTO source_levels (source_id, level, vault_fingerprint, reported_received, reported_error) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (source_id, level) DO UPDATE SET vault_fingerprint = COALESCE(excluded.vault_fingerprint, source_levels.vault_fingerprint), \
             reported_received = excluded.reported_received, reported_error = excluded.reported_error"
        }
        false => {
            "INSERT INTO source_levels (source_id, level, vault_fingerprint, reported_received, reported_error) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (source_id, level) DO NOTHING"
        }
    };
    let values = args![source_id, &level.name, level.vault.clone(), level.received, level.error.clone()];
    conn.run(sql, values).await.map(|_| ())
}

/// What a drill says of a level.
pub async fn drilled(
    conn: &mut Conn,
    source_id: i64,
    proof: &vow_protocol::report::ProofReport,
    verdict: &str,
) -> Result<(), DbError> {
    let sql = "INSERT INTO source_levels (source_id, level, vault_fingerprint, planned) VALUES ($1, $2, $3, 0) ON CONFLICT (source_id, level) DO NOTHING";
    conn.run(sql, args![source_id, &proof.level, proof.vault.clone()]).await?;
    let sql = "UPDATE source_levels SET drilled_secs = $3, drill_verdict = $4 \
        WHERE source_id = $1 AND level = $2 AND COALESCE(drilled_secs, 0) <= $3";
    conn.run(sql, args![source_id, &proof.level, proof.started_secs, verdict]).await?;
    if verdict == "proven" {
        let sql = "UPDATE source_levels SET proven_secs = $3, proven_snapshot = $4, restore_secs = $5 \
            WHERE source_id = $1 AND level = $2 AND COALESCE(proven_secs, 0) <= $3";
        let values = args![source_id, &proof.level, proof.started_secs, &proof.snapshot, proof.restore_secs];
        conn.run(sql, values).await?;
    }
    Ok(())
}

/// What a run is compared with beside the past.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Compared {
    shape: Option<Reference<Shape>>,
    objects: Option<Reference<BTreeMap<String, u64>>>,
}

/// What rules remember of a source.
pub async fn history(conn: &mut Conn, source_id: i64) -> Result<History, DbError> {
    let sql = "SELECT past, compared FROM source_memory WHERE source_id = $1";
    let Some(row) = conn.row(sql, args![source_id]).await? else { return Ok(History::default()) };
    let bytes = row.opt_bytes("past")?.unwrap_or_default();
    let compared: Compared = row.json("compared")?;
    Ok(History { past: past::decode(&bytes)?, shape: compared.shape, objects: compared.objects })
}

/// Remembers it.
pub async fn keep_history(conn: &mut Conn, source_id: i64, history: History) -> Result<(), DbError> {
    let (bytes, gap) = (past::encode(&history.past), history.usual_gap_secs());
    conn.run("UPDATE sources SET usual_gap_secs = $2 WHERE id = $1", args![source_id, gap]).await?;
    let compared = to_json(&Compared { shape: history.shape, objects: history.objects })?;
    let sql = "INSERT INTO source_memory (source_id, past, compared) VALUES ($1, $2, $3) \
        ON CONFLICT (source_id) DO UPDATE SET past = excluded.past, compared = excluded.compared";
    conn.run(sql, args![source_id, bytes, compared]).await.map(|_| ())
}

/// Keeps what people said to be expected.
pub async fn keep_marks(conn: &mut Conn, source_id: i64, marks: &[Mark]) -> Result<(), DbError> {
    conn.run("UPDATE sources SET marks = $2 WHERE id = $1", args![source_id, to_json(&marks)?])
        .await
        .map(|_| ())
}

/// Settings of rules for this source alone, as they were written.
pub async fn adjusted(conn: &mut Conn, source_id: i64) -> Result<Option<serde_json::Value>, DbError> {
    let row = conn.one("SELECT adjusted FROM sources WHERE id = $1", args![source_id]).await?;
    row.opt_json("adjusted")
}

/// Adjusts rules for this source.
pub async fn adjust(
    conn: &mut Conn,
    source_id: i64,
    settings: Option<&serde_json::Value>,
) -> Result<(), DbError> {
    let text = settings.map(to_json).transpose()?;
    conn.run("UPDATE sources SET adjusted = $2 WHERE id = $1", args![source_id, text]).await.map(|_| ())
}

/// The newest run of a source, as far as rules about silence need it.
pub async fn last_run(conn: &mut Conn, source_id: i64) -> Result<Option<LastRun>, DbError> {
    let sql = "SELECT r.report, r.started_secs, r.received_secs, d.body FROM sources s JOIN runs r ON r.id = s.last_run_id \
        JOIN run_details d ON d.run_id = r.id WHERE s.id = $1";
    let Some(row) = conn.row(sql, args![source_id]).await? else { return Ok(None) };
    let body: vow_protocol::report::RunReport = row.json("body")?;
    Ok(Some(LastRun {
        report: row.text("report")?,
        started_secs: row.int("started_secs")?,
        received_secs: row.int("received_secs")?,
        duration_secs: body.duration_secs,
        outcome: body.outcome,
        levels: body.levels,
    }))
}

/// A source whose turn it is to be looked at, although nothing came from it.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The source.
    pub source_id: i64,
    /// Its host.
    pub host_id: i64,
}

/// Sources of living hosts that nobody has looked at since `before`, those that waited longest first.
pub async fn due(conn: &mut Conn, before: i64, limit: i64) -> Result<Vec<Due>, DbError> {
    let sql = "SELECT s.id, s.host_id FROM sources s JOIN hosts h ON h.id = s.host_id \
        WHERE s.judged_secs <= $1 AND s.gone_secs IS NULL AND h.closed_secs IS NULL ORDER BY s.judged_secs LIMIT $2";
    let rows = conn.rows(sql, args![before, limit]).await?;
    rows.iter().map(|row| Ok(Due { source_id: row.int("id")?, host_id: row.int("host_id")? })).collect()
}

/// It was looked at.
pub async fn judged(conn: &mut Conn, source_id: i64, now: i64) -> Result<(), DbError> {
    conn.run("UPDATE sources SET judged_secs = $2 WHERE id = $1", args![source_id, now]).await.map(|_| ())
}

/// Numbers of sources: all, with a snapshot proven within the term, never proven.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Proven {
    /// Sources in a plan, of hosts that are not closed.
    pub sources: i64,
    /// With a snapshot that was proven since then, on some level.
    pub proven: i64,
}

/// How many sources were proven since `since`.
pub async fn proven(conn: &mut Conn, scope: Scope, since: i64) -> Result<Proven, DbError> {
    let sql = "SELECT COUNT(*) AS sources, CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM source_levels l \
        WHERE l.source_id = s.id AND l.proven_secs >= $2) THEN 1 ELSE 0 END), 0) AS BIGINT) AS proven \
        FROM sources s JOIN hosts h ON h.id = s.host_id WHERE s.gone_secs IS NULL AND h.closed_secs IS NULL AND ($1 IS NULL OR s.tenant_id = $1)";
    let row = conn.one(sql, args![scope.tenant(), since]).await?;
    Ok(Proven { sources: row.int("sources")?, proven: row.int("proven")? })
}

/// A source with its restorability debt.
#[derive(Debug, Clone, Serialize)]
pub struct Debt {
    /// The source.
    pub source_id: i64,
    /// Its tenant.
    pub tenant: String,
    /// Its host.
    pub host: String,
    /// Its name.
    pub name: String,
    /// The level.
    pub level: String,
    /// When it was last proven.
    pub proven_secs: Option<i64>,
    /// When a drill last looked.
    pub drilled_secs: Option<i64>,
    /// What it said.
    pub drill_verdict: Option<String>,
    /// How long restoring took.
    pub restore_secs: Option<f64>,
}

/// What was not proven for longest, never first. The order is that of an index, so that no more rows are read than are shown.
pub async fn debts(conn: &mut Conn, scope: Scope, limit: i64) -> Result<Vec<Debt>, DbError> {
    let sql = "SELECT s.id, t.name AS tenant, h.name AS host, s.name, l.level, l.proven_secs, l.drilled_secs, l.drill_verdict, l.restore_secs \
        FROM source_levels l JOIN sources s ON s.id = l.source_id JOIN hosts h ON h.id = s.host_id JOIN tenants t ON t.id = s.tenant_id \
        WHERE l.planned = 1 AND s.gone_secs IS NULL AND h.closed_secs IS NULL AND ($1 IS NULL OR s.tenant_id = $1) \
        ORDER BY COALESCE(l.proven_secs, 0), l.source_id, l.level LIMIT $2";
    let rows = conn.rows(sql, args![scope.tenant(), limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Debt {
                source_id: row.int("id")?,
                tenant: row.text("tenant")?,
                host: row.text("host")?,
                name: row.text("name")?,
                level: row.text("level")?,
                proven_secs: row.opt_int("proven_secs")?,
                drilled_secs: row.opt_int("drilled_secs")?,
                drill_verdict: row.opt_text("drill_verdict")?,
                restore_secs: row.opt_real("restore_secs")?,
            })
        })
        .collect()
}
