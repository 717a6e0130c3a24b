//! Snapshots and their copies: told by a host's report, by a vault's receipt, or by both, in any order.

use super::runs::outcome_word;
use super::value::args;
use super::{Conn, DbError, Row, Scope};
use serde::Serialize;
use vow_protocol::report::RunReport;

/// A snapshot as it is listed, with how far it has come.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// Its number here.
    pub id: i64,
    /// Its host's.
    pub host_id: i64,
    /// Its source's; absent until a report says whose it is.
    pub source_id: Option<i64>,
    /// The id of its manifest.
    pub manifest: String,
    /// The host's number of it.
    pub sequence: i64,
    /// When its run began.
    pub captured_secs: Option<i64>,
    /// When the first vault received it.
    pub first_received_secs: Option<i64>,
    /// The run that made it.
    pub run_id: Option<i64>,
    /// `ok` or `partial`.
    pub outcome: Option<String>,
    /// Whether rules found nothing against it.
    pub healthy: Option<bool>,
    /// Its bytes.
    pub bytes: Option<i64>,
    /// Bytes that were new.
    pub added_bytes: Option<i64>,
    /// Since when no vault keeps it.
    pub gone_secs: Option<i64>,
    /// Where it lies, or lay.
    pub copies: Vec<Copy>,
    /// When it was last proven, and on which level.
    pub proven: Option<(i64, String)>,
}

/// A copy of a snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct Copy {
    /// The vault's number.
    pub vault_id: i64,
    /// The vault.
    pub vault: String,
    /// The fingerprint of its key.
    pub fingerprint: String,
    /// When it was received, by the vault's clock.
    pub received_secs: i64,
    /// Since when it is no longer kept.
    pub gone_secs: Option<i64>,
    /// When everything on that vault was last read again after this was received.
    pub scrubbed_secs: Option<i64>,
}

/// The number of a snapshot, which is made when it is new.
pub async fn id_of(
    conn: &mut Conn,
    (host_id, tenant_id): (i64, i64),
    manifest: &str,
    sequence: i64,
) -> Result<i64, DbError> {
    let find = "SELECT id FROM snapshots WHERE host_id = $1 AND manifest = $2";
    if let Some(row) = conn.row(find, args![host_id, manifest]).await? {
        return row.int("id");
    }
    let sql = "INSERT INTO snapshots (host_id, tenant_id, manifest, sequence) VALUES ($1, $2, $3, $4) ON CONFLICT (host_id, manifest) DO NOTHING";
    conn.run(sql, args![host_id, tenant_id, manifest, sequence]).await?;
    conn.one(find, args![host_id, manifest]).await?.int("id")
}

/// A host's report says whose a snapshot is.
pub async fn reported(
    conn: &mut Conn,
    id: i64,
    source_id: i64,
    run_id: i64,
    body: &RunReport,
) -> Result<(), DbError> {
    let sql = "UPDATE snapshots SET source_id = $2, run_id = $3, captured_secs = $4, outcome = $5, files = $6, bytes = $7, added_bytes = $8 WHERE id = $1";
    let values = args![
        id,
        source_id,
        run_id,
        body.started_secs,
        outcome_word(body.outcome),
        body.files,
        body.bytes,
        body.added_bytes
    ];
    conn.run(sql, values).await.map(|_| ())
}

/// Whether rules found nothing against it.
pub async fn judged(conn: &mut Conn, id: i64, healthy: bool) -> Result<(), DbError> {
    conn.run("UPDATE snapshots SET healthy = $2 WHERE id = $1", args![id, healthy]).await.map(|_| ())
}

/// A vault has shown its receipt of a snapshot; gives whether that was news.
pub async fn received(
    conn: &mut Conn,
    id: i64,
    vault_id: i64,
    position: u64,
    received_secs: i64,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO copies (snapshot_id, vault_id, position, received_secs) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (snapshot_id, vault_id) DO NOTHING";
    let news = conn.run(sql, args![id, vault_id, position, received_secs]).await? == 1;
    if news {
        let sql = "UPDATE snapshots SET first_received_secs = $2, gone_secs = NULL WHERE id = $1 \
            AND (first_received_secs IS NULL OR first_received_secs > $2)";
        conn.run(sql, args![id, received_secs]).await?;
    }
    Ok(news)
}

/// The source of a snapshot, and the counts that its host reported.
pub async fn source_of(conn: &mut Conn, id: i64) -> Result<Option<i64>, DbError> {
    conn.one("SELECT source_id FROM snapshots WHERE id = $1", args![id]).await?.opt_int("source_id")
}

/// A copy that a vault has, found by the host's snapshot.
#[derive(Debug, Clone)]
pub struct HeldCopy {
    /// The snapshot.
    pub manifest: String,
    /// The fingerprint of the vault's key.
    pub fingerprint: String,
    /// When it was received.
    pub received_secs: i64,
    /// The host's number of it.
    pub sequence: i64,
}

/// The copies of a snapshot that are there.
pub async fn copies_of(conn: &mut Conn, id: i64) -> Result<Vec<HeldCopy>, DbError> {
    let sql = "SELECT n.manifest, v.fingerprint, c.received_secs, n.sequence FROM copies c JOIN vaults v ON v.id = c.vault_id \
        JOIN snapshots n ON n.id = c.snapshot_id WHERE c.snapshot_id = $1 AND c.gone_secs IS NULL";
    let rows = conn.rows(sql, args![id]).await?;
    rows.iter()
        .map(|row| {
            Ok(HeldCopy {
                manifest: row.text("manifest")?,
                fingerprint: row.text("fingerprint")?,
                received_secs: row.int("received_secs")?,
                sequence: row.int("sequence")?,
            })
        })
        .collect()
}

/// A vault keeps exactly these snapshots of a host, as of its ledger's entry `position`: other copies up to there are gone.
/// Gives how many went.
pub async fn keep_only(
    conn: &mut Conn,
    vault_id: i64,
    host_id: i64,
    kept: &std::collections::BTreeSet<String>,
    position: u64,
    now: i64,
) -> Result<u64, DbError> {
    let sql = "SELECT n.id, n.manifest FROM copies c JOIN snapshots n ON n.id = c.snapshot_id \
        WHERE n.host_id = $1 AND c.vault_id = $2 AND c.gone_secs IS NULL AND c.position <= $3";
    let mut gone = 0;
    for row in conn.rows(sql, args![host_id, vault_id, position]).await? {
        if kept.contains(&row.text("manifest")?) {
            continue;
        }
        let id = row.int("id")?;
        let sql = "UPDATE copies SET gone_secs = $3 WHERE snapshot_id = $1 AND vault_id = $2";
        gone += conn.run(sql, args![id, vault_id, now]).await?;
        let sql = "UPDATE snapshots SET gone_secs = $2 WHERE id = $1 AND NOT EXISTS \
            (SELECT 1 FROM copies WHERE snapshot_id = $1 AND gone_secs IS NULL)";
        conn.run(sql, args![id, now]).await?;
    }
    Ok(gone)
}

const COLUMNS: &str = "n.id, n.host_id, n.source_id, n.manifest, n.sequence, n.captured_secs, n.first_received_secs, n.run_id, n.outcome, \
    n.healthy, n.bytes, n.added_bytes, n.gone_secs";

fn listed(row: &Row) -> Result<Snapshot, DbError> {
    Ok(Snapshot {
        id: row.int("id")?,
        host_id: row.int("host_id")?,
        source_id: row.opt_int("source_id")?,
        manifest: row.text("manifest")?,
        sequence: row.int("sequence")?,
        captured_secs: row.opt_int("captured_secs")?,
        first_received_secs: row.opt_int("first_received_secs")?,
        run_id: row.opt_int("run_id")?,
        outcome: row.opt_text("outcome")?,
        healthy: row.opt_flag("healthy")?,
        bytes: row.opt_int("bytes")?,
        added_bytes: row.opt_int("added_bytes")?,
        gone_secs: row.opt_int("gone_secs")?,
        copies: Vec::new(),
        proven: None,
    })
}

/// The newest snapshots of a source that some vault keeps or that nobody has received yet.
pub async fn of_source(conn: &mut Conn, source_id: i64, limit: i64) -> Result<Vec<Snapshot>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM snapshots n WHERE n.source_id = $1 AND n.gone_secs IS NULL ORDER BY n.captured_secs DESC, n.id DESC LIMIT $2"
    ));
    let rows = conn.rows(sql, args![source_id, limit]).await?;
    let mut snapshots = rows.iter().map(listed).collect::<Result<Vec<_>, _>>()?;
    complete(conn, &mut snapshots).await?;
    Ok(snapshots)
}

/// The snapshot of a host with this manifest.
pub async fn by_manifest(
    conn: &mut Conn,
    scope: Scope,
    host_id: i64,
    manifest: &str,
) -> Result<Option<Snapshot>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM snapshots n WHERE n.host_id = $1 AND n.manifest = $2 AND ($3 IS NULL OR n.tenant_id = $3)"
    ));
    let row = conn.row(sql, args![host_id, manifest, scope.tenant()]).await?;
    let Some(snapshot) = row.as_ref().map(listed).transpose()? else { return Ok(None) };
    let mut snapshots = vec![snapshot];
    complete(conn, &mut snapshots).await?;
    Ok(snapshots.pop())
}

/// Adds copies and proofs.
async fn complete(conn: &mut Conn, snapshots: &mut [Snapshot]) -> Result<(), DbError> {
    if snapshots.is_empty() {
        return Ok(());
    }
    let list = snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect::<Vec<_>>().join(",");
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT c.snapshot_id, c.vault_id, v.name, v.fingerprint, c.received_secs, c.gone_secs, v.scrubbed_secs FROM copies c \
         JOIN vaults v ON v.id = c.vault_id WHERE c.snapshot_id IN ({list}) ORDER BY v.name"
    ));
    for row in conn.rows(sql, args![]).await? {
        let id = row.int("snapshot_id")?;
        let received_secs = row.int("received_secs")?;
        let copy = Copy {
            vault_id: row.int("vault_id")?,
            vault: row.text("name")?,
            fingerprint: row.text("fingerprint")?,
            received_secs,
            gone_secs: row.opt_int("gone_secs")?,
            scrubbed_secs: row.opt_int("scrubbed_secs")?.filter(|scrubbed| *scrubbed > received_secs),
        };
        if let Some(snapshot) = snapshots.iter_mut().find(|snapshot| snapshot.id == id) {
            snapshot.copies.push(copy);
        }
    }
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT n.id, p.started_secs, p.level FROM snapshots n JOIN proofs p ON p.source_id = n.source_id AND p.snapshot = n.manifest \
         WHERE n.id IN ({list}) AND p.verdict = 'proven' ORDER BY p.started_secs"
    ));
    for row in conn.rows(sql, args![]).await? {
        let (id, proven) = (row.int("id")?, (row.int("started_secs")?, row.text("level")?));
        if let Some(snapshot) = snapshots.iter_mut().find(|snapshot| snapshot.id == id) {
            snapshot.proven = Some(proven);
        }
    }
    Ok(())
}

/// Whether a vault with this key is watched.
pub async fn is_watched(conn: &mut Conn, fingerprint: &str) -> Result<bool, DbError> {
    let sql = "SELECT id FROM vaults WHERE fingerprint = $1 AND removed_secs IS NULL";
    Ok(conn.row(sql, args![fingerprint]).await?.is_some())
}
