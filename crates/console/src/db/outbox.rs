//! Messages that wait for their receivers.

use super::value::{args, to_json};
use super::{Conn, Db, DbError, Row};
use crate::notify::outbox::{Backlog, Outbox, OutboxError, Settled};
use crate::records::{Delivery, Outgoing, State};

/// Puts a message, once.
pub(super) async fn put(conn: &mut Conn, outgoing: &Outgoing) -> Result<(), DbError> {
    let sql = "INSERT INTO outbox (id, ticket, number, channel, message, put_secs, due_secs, attempts, error, state) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting') ON CONFLICT (id) DO NOTHING";
    let values = args![
        &outgoing.id,
        &outgoing.message.ticket,
        outgoing.message.number,
        &outgoing.channel,
        to_json(&outgoing.message)?,
        outgoing.put_secs,
        outgoing.due_secs,
        outgoing.attempts,
        outgoing.error.clone(),
    ];
    conn.run(sql, values).await.map(|_| ())
}

fn outgoing(row: &Row) -> Result<Outgoing, DbError> {
    let (at_secs, until_secs) =
        (row.opt_int("settled_secs")?.unwrap_or(0), row.opt_int("until_secs")?.unwrap_or(0));
    let error = row.opt_text("error")?;
    let state = match row.text("state")?.as_str() {
        "leased" => State::Leased { lease: row.opt_text("lease")?.unwrap_or_default(), until_secs },
        "delivered" => State::Delivered {
            at_secs,
            delivery: Delivery { receipt: row.opt_text("receipt")?, confirmed: row.flag("confirmed")? },
        },
        "refused" => State::Refused { at_secs, error: error.clone().unwrap_or_default() },
        _ => State::Waiting,
    };
    Ok(Outgoing {
        id: row.text("id")?,
        channel: row.text("channel")?,
        message: row.json("message")?,
        put_secs: row.int("put_secs")?,
        due_secs: row.int("due_secs")?,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        error,
        state,
    })
}

async fn claim(
    db: &Db,
    channel: &str,
    lease: &str,
    now: i64,
    until: i64,
    limit: usize,
) -> Result<Vec<Outgoing>, DbError> {
    let mut conn = db.write().await?;
    let sql = "SELECT o.id FROM outbox o WHERE o.channel = $1 AND ((o.state = 'waiting' AND o.due_secs <= $2) OR (o.state = 'leased' AND o.until_secs <= $2)) \
        AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.ticket = o.ticket AND e.channel = o.channel AND e.number < o.number AND e.state IN ('waiting', 'leased')) \
        ORDER BY o.put_secs, o.number, o.id LIMIT $3";
    let ids = conn.rows(sql, args![channel, now, limit as u64]).await?;
    let mut claimed = Vec::new();
    for id in ids {
        // Said again, as another console may have been quicker.
        let sql = "UPDATE outbox SET state = 'leased', lease = $2, until_secs = $4, attempts = attempts + 1 WHERE id = $1 \
            AND ((state = 'waiting' AND due_secs <= $3) OR (state = 'leased' AND until_secs <= $3)) RETURNING *";
        let row = conn.row(sql, args![id.text("id")?, lease, now, until]).await?;
        claimed.extend(row.as_ref().map(outgoing).transpose()?);
    }
    conn.commit().await?;
    Ok(claimed)
}

async fn settle(db: &Db, id: &str, lease: &str, settled: &Settled) -> Result<bool, DbError> {
    let mut conn = db.write().await?;
    let (state, at_secs, receipt, confirmed) = match &settled.state {
        State::Waiting | State::Leased { .. } => ("waiting", None, None, false),
        State::Delivered { at_secs, delivery } => {
            ("delivered", Some(*at_secs), delivery.receipt.clone(), delivery.confirmed)
        }
        State::Refused { at_secs, .. } => ("refused", Some(*at_secs), None, false),
    };
    let error = match &settled.state {
        State::Refused { error, .. } => Some(error.clone()),
        _ => settled.error.clone(),
    };
    let sql = "UPDATE outbox SET state = $3, due_secs = $4, error = $5, settled_secs = $6, receipt = $7, confirmed = $8, lease = NULL, until_secs = NULL \
        WHERE id = $1 AND lease = $2 AND state = 'leased'";
    let values = args![id, lease, state, settled.due_secs, error, at_secs, receipt, confirmed];
    let done = conn.run(sql, values).await? == 1;
    conn.commit().await?;
    Ok(done)
}

/// Every message of a ticket, oldest first.
pub async fn of_ticket(conn: &mut Conn, ticket: &str) -> Result<Vec<Outgoing>, DbError> {
    let sql = "SELECT * FROM outbox WHERE ticket = $1 ORDER BY number, channel LIMIT 1000";
    conn.rows(sql, args![ticket]).await?.iter().map(outgoing).collect()
}

/// How each channel does that ever had a message.
pub async fn backlog(conn: &mut Conn) -> Result<Vec<Backlog>, DbError> {
    let sql = "SELECT channel, CAST(SUM(CASE WHEN state IN ('waiting', 'leased') THEN 1 ELSE 0 END) AS BIGINT) AS waiting, \
        MIN(CASE WHEN state IN ('waiting', 'leased') THEN put_secs ELSE NULL END) AS oldest_put_secs, \
        MAX(CASE WHEN state = 'delivered' THEN settled_secs ELSE NULL END) AS delivered_secs FROM outbox GROUP BY channel ORDER BY channel";
    let mut backlogs = Vec::new();
    for row in conn.rows(sql, args![]).await? {
        let channel = row.text("channel")?;
        let delivered_secs = row.opt_int("delivered_secs")?;
        let sql = "SELECT error FROM outbox WHERE channel = $1 AND state IN ('waiting', 'leased') ORDER BY put_secs, number LIMIT 1";
        let oldest = conn.row(sql, args![&channel]).await?;
        let error = oldest.map(|row| row.opt_text("error")).transpose()?.flatten();
        let sql = "SELECT error FROM outbox WHERE channel = $1 AND state = 'refused' AND settled_secs >= $2 ORDER BY settled_secs DESC LIMIT 1000";
        let refused = conn.rows(sql, args![&channel, delivered_secs.unwrap_or(0)]).await?;
        let reason = refused.first().map(|row| row.opt_text("error")).transpose()?.flatten();
        backlogs.push(Backlog {
            channel,
            waiting: row.count("waiting")?,
            oldest_put_secs: row.opt_int("oldest_put_secs")?,
            error,
            delivered_secs,
            refused: reason.map(|reason| (refused.len() as u64, reason)),
        });
    }
    Ok(backlogs)
}

fn storage(error: DbError) -> OutboxError {
    OutboxError::Storage(error.to_string())
}

impl Outbox for Db {
    async fn claim(
        &self,
        channel: &str,
        lease: &str,
        now_secs: i64,
        until_secs: i64,
        limit: usize,
    ) -> Result<Vec<Outgoing>, OutboxError> {
        claim(self, channel, lease, now_secs, until_secs, limit).await.map_err(storage)
    }

    async fn settle(&self, id: &str, lease: &str, settled: &Settled) -> Result<bool, OutboxError> {
        settle(self, id, lease, settled).await.map_err(storage)
    }

    async fn of_ticket(&self, ticket: &str) -> Result<Vec<Outgoing>, OutboxError> {
        of_ticket(&mut self.read().await.map_err(storage)?, ticket).await.map_err(storage)
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, OutboxError> {
        backlog(&mut self.read().await.map_err(storage)?).await.map_err(storage)
    }
}
