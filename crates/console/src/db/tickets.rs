//! Tickets and their history, as the engine of tickets keeps them and as pages show them.

use super::value::{args, to_json};
use super::{Conn, Db, DbError, Row, Scope, hosts, sources};
use crate::records::{Change, Key, Severity, Status, Subject, Ticket, TicketEvent};
use crate::tickets::store::{Committed, StoreError, TicketStore};
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// How bad it is, as a number that sorts.
pub fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Notice => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

/// What a ticket is about, without its rule; a level counts to its source. No name has this character in it.
fn about(tenant: &str, subject: &Subject) -> String {
    let parts: Vec<&str> = match subject {
        Subject::Host { host } => vec!["host", host],
        Subject::Source { host, source } | Subject::Level { host, source, .. } => {
            vec!["source", host, source]
        }
        Subject::Vault { vault } => vec!["vault", vault],
        Subject::Channel { channel } => vec!["channel", channel],
        Subject::Console => vec!["console"],
        Subject::Audit { host } | Subject::Finding { host, .. } => vec!["audit", host],
        Subject::Tenant | Subject::Policy { .. } => vec!["policy"],
    };
    format!("{tenant}\u{1f}{}", parts.join("\u{1f}"))
}

/// The numbers of what a key names.
struct Place {
    tenant_id: Option<i64>,
    host_id: Option<i64>,
    source_id: Option<i64>,
}

async fn place(conn: &mut Conn, key: &Key) -> Result<Place, DbError> {
    let mut place = Place { tenant_id: None, host_id: None, source_id: None };
    if key.tenant.is_empty() {
        return Ok(place);
    }
    place.tenant_id = hosts::find_tenant(conn, &key.tenant).await?;
    if let (Some(tenant_id), Some(host)) = (place.tenant_id, key.subject.host()) {
        let sql = "SELECT id FROM hosts WHERE tenant_id = $1 AND name = $2";
        place.host_id = conn.row(sql, args![tenant_id, host]).await?.map(|row| row.int("id")).transpose()?;
    }
    if let (Some(host_id), Some(source)) = (place.host_id, key.subject.source()) {
        place.source_id = sources::find(conn, host_id, source).await?;
    }
    Ok(place)
}

async fn read_about(conn: &mut Conn, tenant: &str, subject: &Subject) -> Result<Vec<Ticket>, DbError> {
    let sql = "SELECT body FROM tickets t WHERE about = $1 AND opened_secs = (SELECT MAX(opened_secs) FROM tickets o WHERE o.problem = t.problem)";
    let mut newest: BTreeMap<String, Ticket> = BTreeMap::new();
    for row in conn.rows(sql, args![about(tenant, subject)]).await? {
        let ticket: Ticket = row.json("body")?;
        if subject.covers(&ticket.key.subject) {
            newest.insert(ticket.key.to_string(), ticket);
        }
    }
    Ok(newest.into_values().collect())
}

async fn read_ticket(conn: &mut Conn, id: &str) -> Result<Option<Ticket>, DbError> {
    conn.row("SELECT body FROM tickets WHERE id = $1", args![id])
        .await?
        .map(|row| row.json("body"))
        .transpose()
}

async fn read_ticking(conn: &mut Conn) -> Result<Vec<Ticket>, DbError> {
    let rows = conn
        .rows(
            "SELECT body FROM tickets WHERE status = 'open' OR flapping = 1 ORDER BY id LIMIT 100000",
            args![],
        )
        .await?;
    rows.iter().map(|row| row.json("body")).collect()
}

async fn write(conn: &mut Conn, change: &Change) -> Result<Committed, DbError> {
    let ticket = &change.ticket;
    let key = ticket.key.to_string();
    let place = place(conn, &ticket.key).await?;
    // Whoever has it already does not wait.
    hosts::hold(conn, place.host_id.as_slice()).await?;
    let status = match ticket.status {
        Status::Open => "open",
        Status::Closed => "closed",
    };
    let done = match change.from_revision {
        None => {
            let sql = "INSERT INTO tickets (id, revision, tenant_id, host_id, source_id, about, problem, rule, status, severity, sentence, opened_secs, \
                since_secs, seen_secs, closed_secs, owner, acknowledged_by, snoozed_until_secs, flapping, body) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING";
            let mut values = args![
                &ticket.id,
                ticket.revision,
                place.tenant_id,
                place.host_id,
                place.source_id,
                about(&ticket.key.tenant, &ticket.key.subject),
                &key,
                ticket.key.rule.word(),
            ];
            values.extend(changing(ticket, status)?);
            conn.run(sql, values).await?
        }
        Some(revision) => {
            let sql = "SELECT id FROM tickets WHERE problem = $1 AND status = 'open' AND id <> $2";
            if status == "open" && conn.row(sql, args![&key, &ticket.id]).await?.is_some() {
                return Ok(Committed::Conflict);
            }
            let sql = "UPDATE tickets SET status = $4, severity = $5, sentence = $6, opened_secs = $7, since_secs = $8, seen_secs = $9, closed_secs = $10, \
                owner = $11, acknowledged_by = $12, snoozed_until_secs = $13, flapping = $14, body = $15, revision = $3 WHERE id = $1 AND revision = $2";
            let mut values = args![&ticket.id, revision, ticket.revision];
            values.extend(changing(ticket, status)?);
            conn.run(sql, values).await?
        }
    };
    if done == 0 {
        return Ok(Committed::Conflict);
    }
    if let Some(event) = &change.event {
        let sql = "INSERT INTO ticket_events (ticket, revision, at_secs, body) VALUES ($1, $2, $3, $4) ON CONFLICT (ticket, revision) DO NOTHING";
        conn.run(sql, args![&event.ticket, event.revision, event.at_secs, to_json(event)?]).await?;
    }
    for outgoing in &change.outgoing {
        super::outbox::put(conn, outgoing).await?;
    }
    if let Some(host_id) = place.host_id {
        for (table, column, id) in
            [("hosts", "host_id", Some(host_id)), ("sources", "source_id", place.source_id)]
        {
            let Some(id) = id else { continue };
            let sql = format!(
                "UPDATE {table} SET severity = (SELECT COALESCE(MAX(severity), 0) FROM tickets WHERE {column} = $1 AND status = 'open'), \
                 open_tickets = (SELECT COUNT(*) FROM tickets WHERE {column} = $1 AND status = 'open') WHERE id = $1"
            );
            conn.run(sqlx::AssertSqlSafe(sql), args![id]).await?;
        }
    }
    Ok(Committed::Stored)
}

/// The columns that change with every step, in the order of the statements above.
fn changing(ticket: &Ticket, status: &str) -> Result<Vec<super::Value>, DbError> {
    Ok(args![
        status,
        rank(ticket.severity),
        &ticket.sentence,
        ticket.opened_secs,
        ticket.since_secs,
        ticket.seen_secs,
        ticket.closed_secs,
        ticket.owner.clone(),
        ticket.acknowledged_by.clone(),
        ticket.snoozed_until_secs,
        ticket.flapping,
        to_json(ticket)?,
    ])
}

/// Tickets within a transaction that does other things too: nothing is kept unless that is committed.
pub struct InTransaction {
    conn: Mutex<Conn>,
    failed: Mutex<Option<DbError>>,
}

impl InTransaction {
    /// Begins a transaction about these hosts; tickets of others are not to be touched in it.
    pub async fn begin(db: &Db, hosts: &[i64]) -> Result<Self, DbError> {
        let mut conn = db.write().await?;
        hosts::hold(&mut conn, hosts).await?;
        Ok(Self { conn: Mutex::new(conn), failed: Mutex::new(None) })
    }

    /// The connection, for everything else that belongs to the transaction. Not to be held while tickets are worked on.
    pub async fn lock(&self) -> tokio::sync::MutexGuard<'_, Conn> {
        self.conn.lock().await
    }

    /// Gives it back.
    pub fn into_conn(self) -> Conn {
        self.conn.into_inner()
    }

    /// What a [`StoreError`] was, before it became a text.
    pub async fn cause(&self, error: StoreError) -> DbError {
        let StoreError::Storage(text) = error;
        self.failed.lock().await.take().unwrap_or(DbError::Busy(text))
    }

    async fn failed(&self, error: DbError) -> StoreError {
        let text = error.to_string();
        *self.failed.lock().await = Some(error);
        StoreError::Storage(text)
    }
}

impl TicketStore for InTransaction {
    async fn about(&self, tenant: &str, subject: &Subject) -> Result<Vec<Ticket>, StoreError> {
        let read = read_about(&mut *self.conn.lock().await, tenant, subject).await;
        match read {
            Ok(tickets) => Ok(tickets),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn ticket(&self, id: &str) -> Result<Option<Ticket>, StoreError> {
        let read = read_ticket(&mut *self.conn.lock().await, id).await;
        match read {
            Ok(ticket) => Ok(ticket),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn ticking(&self) -> Result<Vec<Ticket>, StoreError> {
        let read = read_ticking(&mut *self.conn.lock().await).await;
        match read {
            Ok(tickets) => Ok(tickets),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn commit(&self, change: &Change) -> Result<Committed, StoreError> {
        let written = write(&mut *self.conn.lock().await, change).await;
        match written {
            Ok(committed) => Ok(committed),
            Err(error) => Err(self.failed(error).await),
        }
    }
}

fn storage(error: DbError) -> StoreError {
    StoreError::Storage(error.to_string())
}

impl TicketStore for Db {
    async fn about(&self, tenant: &str, subject: &Subject) -> Result<Vec<Ticket>, StoreError> {
        read_about(&mut self.read().await.map_err(storage)?, tenant, subject).await.map_err(storage)
    }

    async fn ticket(&self, id: &str) -> Result<Option<Ticket>, StoreError> {
        read_ticket(&mut self.read().await.map_err(storage)?, id).await.map_err(storage)
    }

    async fn ticking(&self) -> Result<Vec<Ticket>, StoreError> {
        read_ticking(&mut self.read().await.map_err(storage)?).await.map_err(storage)
    }

    async fn commit(&self, change: &Change) -> Result<Committed, StoreError> {
        let mut conn = self.write().await.map_err(storage)?;
        let committed = write(&mut conn, change).await.map_err(storage)?;
        // Without a commit, a conflict leaves nothing behind.
        if committed == Committed::Stored {
            conn.commit().await.map_err(storage)?;
        }
        Ok(committed)
    }
}

/// Which tickets are listed.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Closed ones instead of open ones.
    pub closed: bool,
    /// Of this host.
    pub host_id: Option<i64>,
    /// Of this source.
    pub source_id: Option<i64>,
    /// With this owner.
    pub owner: Option<String>,
}

/// Tickets, worst and oldest first; closed ones newest first.
pub async fn list(
    conn: &mut Conn,
    scope: Scope,
    wanted: &Wanted,
    limit: i64,
    offset: i64,
) -> Result<Vec<Ticket>, DbError> {
    let (status, order) = match wanted.closed {
        false => ("open", "severity DESC, since_secs, id"),
        true => ("closed", "closed_secs DESC, id"),
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT body FROM tickets WHERE {WANTED} ORDER BY {order} LIMIT $6 OFFSET $7"
    ));
    let mut values = wanted_values(scope, wanted, status);
    values.extend(args![limit, offset]);
    conn.rows(sql, values).await?.iter().map(|row: &Row| row.json("body")).collect()
}

/// How many tickets there are in a list.
pub async fn count(conn: &mut Conn, scope: Scope, wanted: &Wanted) -> Result<i64, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) AS number FROM tickets WHERE {WANTED}"));
    let status = if wanted.closed { "closed" } else { "open" };
    conn.one(sql, wanted_values(scope, wanted, status)).await?.int("number")
}

const WANTED: &str = "status = $1 AND ($2 IS NULL OR tenant_id = $2) AND ($3 IS NULL OR host_id = $3) AND ($4 IS NULL OR source_id = $4) \
    AND ($5 IS NULL OR owner = $5)";

fn wanted_values(scope: Scope, wanted: &Wanted, status: &str) -> Vec<super::Value> {
    args![status, scope.tenant(), wanted.host_id, wanted.source_id, wanted.owner.clone()]
}

/// Open tickets about a vault, worst first. `tenant` is the one that the vault is for, empty when it is shared.
pub async fn of_vault(
    conn: &mut Conn,
    scope: Scope,
    tenant: &str,
    vault: &str,
) -> Result<Vec<Ticket>, DbError> {
    let sql = "SELECT body FROM tickets WHERE about = $1 AND status = 'open' AND ($2 IS NULL OR tenant_id = $2) \
        ORDER BY severity DESC, since_secs, id LIMIT 100";
    let about = about(tenant, &Subject::Vault { vault: vault.to_owned() });
    conn.rows(sql, args![about, scope.tenant()]).await?.iter().map(|row| row.json("body")).collect()
}

/// How many open tickets are how bad: notices, warnings, critical ones.
pub async fn severities(conn: &mut Conn, scope: Scope) -> Result<[i64; 3], DbError> {
    let sql = "SELECT severity, COUNT(*) AS number FROM tickets WHERE status = 'open' AND ($1 IS NULL OR tenant_id = $1) GROUP BY severity";
    let mut numbers = [0; 3];
    for row in conn.rows(sql, args![scope.tenant()]).await? {
        let at = usize::try_from(row.int("severity")? - 1).unwrap_or(0).min(2);
        numbers[at] += row.int("number")?;
    }
    Ok(numbers)
}

/// Where a ticket leads.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Leads {
    /// Its tenant; absent for what belongs to whoever runs the console.
    pub tenant_id: Option<i64>,
    /// Its host.
    pub host_id: Option<i64>,
    /// Its source.
    pub source_id: Option<i64>,
}

/// The ids that begin like this, two at most: whoever types one need not type all of it.
pub async fn beginning(conn: &mut Conn, prefix: &str) -> Result<Vec<String>, DbError> {
    if prefix.is_empty() || !prefix.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(Vec::new());
    }
    let rows = conn
        .rows("SELECT id FROM tickets WHERE id LIKE $1 ORDER BY id LIMIT 2", args![format!("{prefix}%")])
        .await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// One ticket, and where it leads.
pub async fn get(conn: &mut Conn, scope: Scope, id: &str) -> Result<Option<(Ticket, Leads)>, DbError> {
    let sql = "SELECT body, tenant_id, host_id, source_id FROM tickets WHERE id = $1 AND ($2 IS NULL OR tenant_id = $2)";
    let Some(row) = conn.row(sql, args![id, scope.tenant()]).await? else { return Ok(None) };
    let leads = Leads {
        tenant_id: row.opt_int("tenant_id")?,
        host_id: row.opt_int("host_id")?,
        source_id: row.opt_int("source_id")?,
    };
    Ok(Some((row.json("body")?, leads)))
}

/// What happened to a ticket, newest first.
pub async fn events(conn: &mut Conn, id: &str, limit: i64) -> Result<Vec<TicketEvent>, DbError> {
    let sql = "SELECT body FROM ticket_events WHERE ticket = $1 ORDER BY revision DESC LIMIT $2";
    let rows = conn.rows(sql, args![id, limit]).await?;
    rows.iter().map(|row| row.json("body")).collect()
}
