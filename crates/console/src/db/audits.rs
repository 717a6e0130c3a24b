//! What audits need and leave: policies, records, findings with their history, days, proofs of recovery identities.

use super::value::{args, to_json};
use super::{Conn, DbError, Row, Scope};
use crate::audit::{Checked, HostRecord, VaultRecord};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept of a tenant's audit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Kept {
    /// What was agreed; absent when nothing was.
    pub policy: Option<serde_json::Value>,
    /// What people wrote down.
    pub records: Option<serde_json::Value>,
    /// When it was last audited.
    pub audited_secs: Option<i64>,
    /// What that said.
    pub result: Option<Audited>,
}

/// What an audit of a tenant said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audited {
    /// 0 to 100; absent without hosts.
    pub score: Option<i64>,
    /// Points by host.
    pub points: BTreeMap<String, i64>,
    /// Every answer.
    pub checked: Vec<Checked>,
}

/// What is kept of a tenant's audit.
pub async fn kept(conn: &mut Conn, tenant_id: i64) -> Result<Kept, DbError> {
    let sql = "SELECT policy, records, audited_secs, result FROM tenant_audits WHERE tenant_id = $1";
    let Some(row) = conn.row(sql, args![tenant_id]).await? else { return Ok(Kept::default()) };
    Ok(Kept {
        policy: row.opt_json("policy")?,
        records: row.opt_json("records")?,
        audited_secs: row.opt_int("audited_secs")?,
        result: row.opt_json("result")?,
    })
}

/// Agrees on a policy; `None` takes it away.
pub async fn set_policy(
    conn: &mut Conn,
    tenant_id: i64,
    policy: Option<&impl Serialize>,
) -> Result<(), DbError> {
    let text = policy.map(to_json).transpose()?;
    let sql = "INSERT INTO tenant_audits (tenant_id, policy) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET policy = excluded.policy";
    conn.run(sql, args![tenant_id, text]).await.map(|_| ())
}

/// Writes records down.
pub async fn set_records(conn: &mut Conn, tenant_id: i64, records: &impl Serialize) -> Result<(), DbError> {
    let sql = "INSERT INTO tenant_audits (tenant_id, records) VALUES ($1, $2) ON CONFLICT (tenant_id) DO UPDATE SET records = excluded.records";
    conn.run(sql, args![tenant_id, to_json(records)?]).await.map(|_| ())
}

/// Keeps what an audit of a tenant said.
pub async fn keep_result(conn: &mut Conn, tenant_id: i64, result: &Audited, now: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO tenant_audits (tenant_id, audited_secs, result) VALUES ($1, $2, $3) \
        ON CONFLICT (tenant_id) DO UPDATE SET audited_secs = excluded.audited_secs, result = excluded.result";
    conn.run(sql, args![tenant_id, now, to_json(result)?]).await.map(|_| ())
}

/// What was written down about the hosts of a tenant, by host.
pub async fn host_records(conn: &mut Conn, tenant_id: i64) -> Result<BTreeMap<i64, HostRecord>, DbError> {
    let sql = "SELECT r.host_id, r.body FROM host_records r JOIN hosts h ON h.id = r.host_id WHERE h.tenant_id = $1";
    let rows = conn.rows(sql, args![tenant_id]).await?;
    rows.iter().map(|row| Ok((row.int("host_id")?, row.json("body")?))).collect()
}

/// What was written down about a host.
pub async fn host_record(conn: &mut Conn, host_id: i64) -> Result<HostRecord, DbError> {
    let row = conn.row("SELECT body FROM host_records WHERE host_id = $1", args![host_id]).await?;
    Ok(row.map(|row| row.json("body")).transpose()?.unwrap_or_default())
}

/// Writes something down about a host.
pub async fn set_host_record(conn: &mut Conn, host_id: i64, record: &HostRecord) -> Result<(), DbError> {
    let sql = "INSERT INTO host_records (host_id, body) VALUES ($1, $2) ON CONFLICT (host_id) DO UPDATE SET body = excluded.body";
    conn.run(sql, args![host_id, to_json(record)?]).await.map(|_| ())
}

/// What was written down about vaults, by vault.
pub async fn vault_records(conn: &mut Conn) -> Result<BTreeMap<i64, VaultRecord>, DbError> {
    let rows = conn.rows("SELECT vault_id, body FROM vault_records", args![]).await?;
    rows.iter().map(|row| Ok((row.int("vault_id")?, row.json("body")?))).collect()
}

/// Writes something down about a vault.
pub async fn set_vault_record(conn: &mut Conn, vault_id: i64, record: &VaultRecord) -> Result<(), DbError> {
    let sql = "INSERT INTO vault_records (vault_id, body) VALUES ($1, $2) ON CONFLICT (vault_id) DO UPDATE SET body = excluded.body";
    conn.run(sql, args![vault_id, to_json(record)?]).await.map(|_| ())
}

/// Who found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A host's own audit.
    Host,
    /// The checks of a tenant's policy.
    Policy,
}

impl Origin {
    fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Policy => "policy",
        }
    }
}

/// A finding, as it is kept.
#[derive(Debug, Clone)]
pub struct NewFinding {
    /// The host that it is about.
    pub host_id: Option<i64>,
    /// What it is called.
    pub name: String,
    /// How bad it is, as [`super::tickets::rank`] counts.
    pub severity: i64,
    /// Whether it was accepted.
    pub waived: bool,
    /// What is wrong.
    pub sentence: String,
    /// Everything else.
    pub body: serde_json::Value,
}

/// A finding with its history.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Its number.
    pub id: i64,
    /// The host that it is about.
    pub host_id: Option<i64>,
    /// That host's name.
    pub host: Option<String>,
    /// `host` or `policy`.
    pub origin: String,
    /// What it is called.
    pub name: String,
    /// 1 notice, 2 warning, 3 critical.
    pub severity: i64,
    /// Whether it was accepted.
    pub waived: bool,
    /// What is wrong.
    pub sentence: String,
    /// Everything else: next step, offer, waiver.
    pub body: serde_json::Value,
    /// Since when.
    pub since_secs: i64,
    /// When it was last seen.
    pub seen_secs: i64,
    /// When it was over.
    pub closed_secs: Option<i64>,
}

/// Makes the open findings of one origin be exactly these: of one host, or of a tenant's policy. What is not among them is over.
pub async fn keep_findings(
    conn: &mut Conn,
    (tenant_id, host_id): (i64, Option<i64>),
    origin: Origin,
    found: &[NewFinding],
    now: i64,
) -> Result<(), DbError> {
    let sql = "SELECT what FROM findings WHERE tenant_id = $1 AND origin = $2 AND closed_secs IS NULL AND ($3 IS NULL OR host_id = $3)";
    let rows = conn.rows(sql, args![tenant_id, origin.word(), host_id]).await?;
    let mut before: std::collections::BTreeSet<String> =
        rows.iter().map(|row| row.text("what")).collect::<Result<_, _>>()?;
    for one in found {
        let what = format!("{}\u{1f}{}\u{1f}{}", origin.word(), one.host_id.unwrap_or(0), one.name);
        let body = to_json(&one.body)?;
        if before.remove(&what) {
            let sql = "UPDATE findings SET severity = $3, waived = $4, sentence = $5, body = $6, seen_secs = $7 \
                WHERE tenant_id = $1 AND what = $2 AND closed_secs IS NULL";
            conn.run(sql, args![tenant_id, what, one.severity, one.waived, &one.sentence, body, now]).await?;
        } else {
            let sql = "INSERT INTO findings (tenant_id, host_id, origin, what, name, severity, waived, sentence, body, since_secs, seen_secs) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT DO NOTHING";
            let values = args![
                tenant_id,
                one.host_id,
                origin.word(),
                what,
                &one.name,
                one.severity,
                one.waived,
                &one.sentence,
                body,
                now
            ];
            conn.run(sql, values).await?;
        }
    }
    for what in before {
        let sql =
            "UPDATE findings SET closed_secs = $3 WHERE tenant_id = $1 AND what = $2 AND closed_secs IS NULL";
        conn.run(sql, args![tenant_id, what, now]).await?;
    }
    Ok(())
}

fn finding(row: &Row) -> Result<Finding, DbError> {
    Ok(Finding {
        id: row.int("id")?,
        host_id: row.opt_int("host_id")?,
        host: row.opt_text("host")?,
        origin: row.text("origin")?,
        name: row.text("name")?,
        severity: row.int("severity")?,
        waived: row.flag("waived")?,
        sentence: row.text("sentence")?,
        body: row.json("body")?,
        since_secs: row.int("since_secs")?,
        seen_secs: row.int("seen_secs")?,
        closed_secs: row.opt_int("closed_secs")?,
    })
}

/// Which findings are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Of this host.
    pub host_id: Option<i64>,
    /// Those that are over, instead of those that are open.
    pub closed: bool,
    /// Of those that are over, only since then.
    pub since_secs: i64,
}

/// Findings, worst first; those that are over newest first.
pub async fn findings(
    conn: &mut Conn,
    scope: Scope,
    wanted: Wanted,
    limit: i64,
) -> Result<Vec<Finding>, DbError> {
    let (which, order) = match wanted.closed {
        false => ("f.closed_secs IS NULL", "f.waived, f.severity DESC, f.since_secs, f.id"),
        true => ("f.closed_secs IS NOT NULL", "f.closed_secs DESC, f.id"),
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT f.id, f.host_id, h.name AS host, f.origin, f.name, f.severity, f.waived, f.sentence, f.body, f.since_secs, f.seen_secs, f.closed_secs \
         FROM findings f LEFT JOIN hosts h ON h.id = f.host_id WHERE {which} AND ($1 IS NULL OR f.tenant_id = $1) \
         AND ($2 IS NULL OR f.host_id = $2) AND COALESCE(f.closed_secs, $3) >= $3 ORDER BY {order} LIMIT $4"
    ));
    let rows = conn.rows(sql, args![scope.tenant(), wanted.host_id, wanted.since_secs, limit]).await?;
    rows.iter().map(finding).collect()
}

/// A day of a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AuditDay {
    /// Days since 1970.
    pub day: i64,
    /// The score, 0 to 100.
    pub score: Option<i64>,
    /// Hosts that count.
    pub hosts: i64,
    /// Checks that passed.
    pub passed: i64,
    /// Findings.
    pub found: i64,
    /// Critical ones among these.
    pub critical: i64,
    /// Checks that could not judge.
    pub unknown: i64,
    /// Accepted findings.
    pub waived: i64,
}

/// Keeps the day of a tenant.
pub async fn keep_day(conn: &mut Conn, tenant_id: i64, day: AuditDay) -> Result<(), DbError> {
    let sql = "INSERT INTO audit_days (tenant_id, day, score, hosts, passed, found, critical, unknown, waived) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
        ON CONFLICT (tenant_id, day) DO UPDATE SET score = excluded.score, hosts = excluded.hosts, passed = excluded.passed, found = excluded.found, \
        critical = excluded.critical, unknown = excluded.unknown, waived = excluded.waived";
    let values = args![
        tenant_id,
        day.day,
        day.score,
        day.hosts,
        day.passed,
        day.found,
        day.critical,
        day.unknown,
        day.waived
    ];
    conn.run(sql, values).await.map(|_| ())
}

/// The days of a tenant from one to another, oldest first.
pub async fn days(conn: &mut Conn, tenant_id: i64, first: i64, last: i64) -> Result<Vec<AuditDay>, DbError> {
    let sql = "SELECT day, score, hosts, passed, found, critical, unknown, waived FROM audit_days \
        WHERE tenant_id = $1 AND day >= $2 AND day <= $3 ORDER BY day LIMIT 1000";
    let rows = conn.rows(sql, args![tenant_id, first, last]).await?;
    rows.iter()
        .map(|row| {
            Ok(AuditDay {
                day: row.int("day")?,
                score: row.opt_int("score")?,
                hosts: row.int("hosts")?,
                passed: row.int("passed")?,
                found: row.int("found")?,
                critical: row.int("critical")?,
                unknown: row.int("unknown")?,
                waived: row.int("waived")?,
            })
        })
        .collect()
}

/// Tenants that were not audited since `before`, those that waited longest first.
pub async fn due(conn: &mut Conn, before: i64, limit: i64) -> Result<Vec<(i64, String)>, DbError> {
    let sql = "SELECT t.id, t.name FROM tenants t LEFT JOIN tenant_audits a ON a.tenant_id = t.id \
        WHERE COALESCE(a.audited_secs, 0) <= $1 ORDER BY COALESCE(a.audited_secs, 0), t.id LIMIT $2";
    let rows = conn.rows(sql, args![before, limit]).await?;
    rows.iter().map(|row| Ok((row.int("id")?, row.text("name")?))).collect()
}

/// An identity opened a challenge. The same report twice counts once.
pub async fn keep_key_proof(
    conn: &mut Conn,
    (tenant_id, host_id): (i64, i64),
    recipient: &str,
    proven_secs: i64,
    report: &str,
) -> Result<(), DbError> {
    let sql = "INSERT INTO key_proofs (tenant_id, recipient, proven_secs, host_id, report) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (tenant_id, recipient, report) DO NOTHING";
    conn.run(sql, args![tenant_id, recipient, proven_secs, host_id, report]).await.map(|_| ())
}

/// When each identity of a tenant was last proven.
pub async fn key_proofs(conn: &mut Conn, tenant_id: i64) -> Result<BTreeMap<String, i64>, DbError> {
    let sql = "SELECT recipient, MAX(proven_secs) AS proven_secs FROM key_proofs WHERE tenant_id = $1 GROUP BY recipient";
    let rows = conn.rows(sql, args![tenant_id]).await?;
    rows.iter().map(|row| Ok((row.text("recipient")?, row.int("proven_secs")?))).collect()
}
