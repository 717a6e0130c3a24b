//! What comes from a host, and what rules about silence and clocks want to know of it.

use crate::db::value::{args, to_json};
use crate::db::{Conn, DbError};
use crate::records::{ClockSample, HostFacts};
use vow_protocol::report::Alive;

const CLOCK_SAMPLES: usize = 10;

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
