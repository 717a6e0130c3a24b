//! Tenants, hosts and their keys.

use super::value::{args, to_json};
use super::{Conn, DbError, Row, Scope};
use crate::records::{ClockSample, HostFacts};
use serde::Serialize;
use vow_protocol::report::Alive;

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

/// A tenant with its numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Tenant {
    /// Its number here.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its hosts that are not closed.
    pub hosts: i64,
    /// The worst open ticket of these.
    pub severity: i64,
    /// Open tickets of these.
    pub open_tickets: i64,
}

/// Who a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHost {
    /// The host's number.
    pub host_id: i64,
    /// Its tenant's.
    pub tenant_id: i64,
    /// Its tenant.
    pub tenant: String,
    /// Its name.
    pub host: String,
}

/// One key of a host.
#[derive(Debug, Clone, Serialize)]
pub struct HostKey {
    /// SHA-256 of the key, 64 hexadecimal digits.
    pub key_id: String,
    /// `token` or `vault NAME`.
    pub origin: String,
    /// Since when.
    pub created_secs: i64,
    /// Since when no more.
    pub revoked_secs: Option<i64>,
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

/// The number of a tenant, which is made when it is new.
pub async fn tenant_id(conn: &mut Conn, name: &str, now: i64) -> Result<i64, DbError> {
    if let Some(id) = find_tenant(conn, name).await? {
        return Ok(id);
    }
    let sql = "INSERT INTO tenants (name, created_secs) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    conn.run(sql, args![name, now]).await?;
    conn.one("SELECT id FROM tenants WHERE name = $1", args![name]).await?.int("id")
}

/// The number of a tenant with this name.
pub async fn find_tenant(conn: &mut Conn, name: &str) -> Result<Option<i64>, DbError> {
    conn.row("SELECT id FROM tenants WHERE name = $1", args![name])
        .await?
        .map(|row| row.int("id"))
        .transpose()
}

/// Tenants with their numbers, worst first.
pub async fn tenants(conn: &mut Conn, scope: Scope) -> Result<Vec<Tenant>, DbError> {
    let sql = "SELECT t.id, t.name, COUNT(h.id) AS hosts, COALESCE(MAX(h.severity), 0) AS severity, \
        CAST(COALESCE(SUM(h.open_tickets), 0) AS BIGINT) AS open_tickets \
        FROM tenants t LEFT JOIN hosts h ON h.tenant_id = t.id AND h.closed_secs IS NULL \
        WHERE ($1 IS NULL OR t.id = $1) GROUP BY t.id, t.name \
        ORDER BY severity DESC, open_tickets DESC, t.name LIMIT 5000";
    let rows = conn.rows(sql, args![scope.tenant()]).await?;
    rows.iter()
        .map(|row| {
            Ok(Tenant {
                id: row.int("id")?,
                name: row.text("name")?,
                hosts: row.int("hosts")?,
                severity: row.int("severity")?,
                open_tickets: row.int("open_tickets")?,
            })
        })
        .collect()
}

/// Who a key is, if it is known and not revoked, and its host not closed.
pub async fn by_key(conn: &mut Conn, key_id: &str) -> Result<Option<KnownHost>, DbError> {
    let sql = "SELECT h.id, h.tenant_id, t.name AS tenant, h.name FROM host_keys k JOIN hosts h ON h.id = k.host_id \
        JOIN tenants t ON t.id = h.tenant_id WHERE k.key_id = $1 AND k.revoked_secs IS NULL AND h.closed_secs IS NULL";
    let row = conn.row(sql, args![key_id]).await?;
    row.map(|row| {
        Ok(KnownHost {
            host_id: row.int("id")?,
            tenant_id: row.int("tenant_id")?,
            tenant: row.text("tenant")?,
            host: row.text("name")?,
        })
    })
    .transpose()
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

/// Makes a key known as one of a host. One that is known already stays what it is; gives whether it was new.
pub async fn enrol(
    conn: &mut Conn,
    host_id: i64,
    key_id: &str,
    public_key: &str,
    origin: &str,
    now: i64,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO host_keys (key_id, public_key, host_id, origin, created_secs) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (key_id) DO NOTHING";
    Ok(conn.run(sql, args![key_id, public_key, host_id, origin, now]).await? == 1)
}

/// The host of a key, also of one that was revoked.
pub async fn host_of_key(conn: &mut Conn, key_id: &str) -> Result<Option<i64>, DbError> {
    let row = conn.row("SELECT host_id FROM host_keys WHERE key_id = $1", args![key_id]).await?;
    row.map(|row| row.int("host_id")).transpose()
}

/// The keys of a host.
pub async fn keys(conn: &mut Conn, host_id: i64) -> Result<Vec<HostKey>, DbError> {
    let sql = "SELECT key_id, origin, created_secs, revoked_secs FROM host_keys WHERE host_id = $1 ORDER BY created_secs LIMIT 100";
    let rows = conn.rows(sql, args![host_id]).await?;
    rows.iter()
        .map(|row| {
            Ok(HostKey {
                key_id: row.text("key_id")?,
                origin: row.text("origin")?,
                created_secs: row.int("created_secs")?,
                revoked_secs: row.opt_int("revoked_secs")?,
            })
        })
        .collect()
}

/// Takes a key from its host; gives whether there was one to take.
pub async fn revoke_key(conn: &mut Conn, host_id: i64, key_id: &str, now: i64) -> Result<bool, DbError> {
    let sql =
        "UPDATE host_keys SET revoked_secs = $3 WHERE host_id = $1 AND key_id = $2 AND revoked_secs IS NULL";
    Ok(conn.run(sql, args![host_id, key_id, now]).await? == 1)
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

/// Something came from a host.
pub async fn heard(conn: &mut Conn, host_id: i64, software: &str, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE hosts SET heard_secs = $2, software = $3 WHERE id = $1";
    conn.run(sql, args![host_id, now, software]).await.map(|_| ())
}

/// A host's newest sign of life; an older one changes nothing but the samples of its clock.
pub async fn alive(
    conn: &mut Conn,
    host_id: i64,
    alive: &Alive,
    sample: ClockSample,
) -> Result<bool, DbError> {
    let row = conn.one("SELECT clock FROM hosts WHERE id = $1", args![host_id]).await?;
    let mut clock: Vec<ClockSample> = row.json("clock")?;
    let newest = clock.iter().all(|known| known.made_secs < sample.made_secs);
    if clock.iter().any(|known| known.made_secs == sample.made_secs) {
        return Ok(false);
    }
    clock.push(sample);
    clock.sort_by_key(|sample| sample.received_secs);
    let surplus = clock.len().saturating_sub(CLOCK_SAMPLES);
    clock.drain(..surplus);
    let clock = to_json(&clock)?;
    match newest {
        true => {
            let sql = "UPDATE hosts SET clock = $2, alive = $3 WHERE id = $1";
            conn.run(sql, args![host_id, clock, to_json(alive)?]).await?;
        }
        false => {
            conn.run("UPDATE hosts SET clock = $2 WHERE id = $1", args![host_id, clock]).await?;
        }
    }
    Ok(newest)
}

const CLOCK_SAMPLES: usize = 10;

/// What is found on a host (`inventory`), or what an audit found there (`audit`).
#[derive(Debug, Clone, Copy)]
pub enum Document {
    /// Of `vow discover`.
    Inventory,
    /// Of `vow audit`.
    Audit,
}

impl Document {
    fn word(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Audit => "audit",
        }
    }
}

/// Keeps a document of a host, when it is newer than the one that is there; gives whether it was.
pub async fn keep_document(
    conn: &mut Conn,
    host_id: i64,
    which: Document,
    made_secs: i64,
    document: &serde_json::Value,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO host_documents (host_id, kind, made_secs, body) VALUES ($1, $2, $3, $4) ON CONFLICT (host_id, kind) DO UPDATE SET \
        made_secs = excluded.made_secs, body = excluded.body WHERE host_documents.made_secs <= excluded.made_secs";
    Ok(conn.run(sql, args![host_id, which.word(), made_secs, to_json(document)?]).await? == 1)
}

/// A document of a host, and when it was made.
pub async fn document(
    conn: &mut Conn,
    host_id: i64,
    which: Document,
) -> Result<Option<(i64, serde_json::Value)>, DbError> {
    let sql = "SELECT made_secs, body FROM host_documents WHERE host_id = $1 AND kind = $2";
    let row = conn.row(sql, args![host_id, which.word()]).await?;
    row.map(|row| Ok((row.int("made_secs")?, row.json("body")?))).transpose()
}

/// A sample of a host's clock that no waiting explains: what it sent is from the future.
pub async fn ahead(conn: &mut Conn, host_id: i64, sample: ClockSample) -> Result<(), DbError> {
    let row = conn.one("SELECT clock FROM hosts WHERE id = $1", args![host_id]).await?;
    let mut clock: Vec<ClockSample> = row.json("clock")?;
    clock.push(sample);
    let surplus = clock.len().saturating_sub(CLOCK_SAMPLES);
    clock.drain(..surplus);
    conn.run("UPDATE hosts SET clock = $2 WHERE id = $1", args![host_id, to_json(&clock)?]).await.map(|_| ())
}

/// Hosts that are not closed and that nobody has looked at since `before`, those that waited longest first.
pub async fn due(conn: &mut Conn, before: i64, limit: i64) -> Result<Vec<i64>, DbError> {
    let sql =
        "SELECT id FROM hosts WHERE judged_secs <= $1 AND closed_secs IS NULL ORDER BY judged_secs LIMIT $2";
    conn.rows(sql, args![before, limit]).await?.iter().map(|row| row.int("id")).collect()
}

/// It was looked at.
pub async fn judged(conn: &mut Conn, host_id: i64, now: i64) -> Result<(), DbError> {
    conn.run("UPDATE hosts SET judged_secs = $2 WHERE id = $1", args![host_id, now]).await.map(|_| ())
}

/// What rules want to know of a host.
pub async fn facts(conn: &mut Conn, host_id: i64) -> Result<HostFacts, DbError> {
    let sql = "SELECT t.name AS tenant, h.name, h.created_secs, h.heard_secs, h.clock, h.software, h.alive, h.quiet_until_secs, h.closed_secs \
        FROM hosts h JOIN tenants t ON t.id = h.tenant_id WHERE h.id = $1";
    let row = conn.one(sql, args![host_id]).await?;
    Ok(HostFacts {
        tenant: row.text("tenant")?,
        host: row.text("name")?,
        since_secs: row.int("created_secs")?,
        heard_secs: row.opt_int("heard_secs")?,
        clock: row.json("clock")?,
        software: row.opt_text("software")?,
        alive: row.opt_json("alive")?,
        quiet_until_secs: row.opt_int("quiet_until_secs")?,
        closed: row.opt_int("closed_secs")?.is_some(),
    })
}

/// Says until when nothing is expected of a host; `None` ends that.
pub async fn quiet(conn: &mut Conn, id: i64, until_secs: Option<i64>) -> Result<(), DbError> {
    conn.run("UPDATE hosts SET quiet_until_secs = $2 WHERE id = $1", args![id, until_secs]).await.map(|_| ())
}

/// Closes a host that is gone for good, or opens it again.
pub async fn close(conn: &mut Conn, id: i64, closed_secs: Option<i64>) -> Result<(), DbError> {
    conn.run("UPDATE hosts SET closed_secs = $2 WHERE id = $1", args![id, closed_secs]).await.map(|_| ())
}

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
