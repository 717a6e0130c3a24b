//! Leases: whose turn a piece of work is, between consoles that share a database.

use super::value::args;
use super::{Db, DbError};

/// Takes a lease, or renews one's own; gives whether it is ours until `until`.
pub async fn take(db: &Db, name: &str, holder: &str, now: i64, until: i64) -> Result<bool, DbError> {
    let mut conn = db.write().await?;
    let sql = "INSERT INTO leases (name, holder, until_secs) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET \
        holder = excluded.holder, until_secs = excluded.until_secs WHERE leases.until_secs <= $4 OR leases.holder = excluded.holder";
    let taken = conn.run(sql, args![name, holder, until, now]).await? == 1;
    conn.commit().await?;
    Ok(taken)
}

/// Gives a lease back before its end.
pub async fn give_back(db: &Db, name: &str, holder: &str) -> Result<(), DbError> {
    let mut conn = db.write().await?;
    conn.run("DELETE FROM leases WHERE name = $1 AND holder = $2", args![name, holder]).await?;
    conn.commit().await
}
