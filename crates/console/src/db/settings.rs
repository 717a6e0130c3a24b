//! What was set, by name, as JSON.

use super::value::{args, to_json};
use super::{Conn, DbError};

/// A setting, if it was ever made.
pub async fn get<T: serde::de::DeserializeOwned>(conn: &mut Conn, name: &str) -> Result<Option<T>, DbError> {
    let row = conn.row("SELECT value FROM settings WHERE name = $1", args![name]).await?;
    row.map(|row| row.json("value")).transpose()
}

/// Makes a setting.
pub async fn set(conn: &mut Conn, name: &str, value: &impl serde::Serialize) -> Result<(), DbError> {
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    conn.run(sql, args![name, to_json(value)?]).await.map(|_| ())
}

/// Takes a setting away and gives what it was: of several who take it at once, one gets it.
pub async fn take<T: serde::de::DeserializeOwned>(conn: &mut Conn, name: &str) -> Result<Option<T>, DbError> {
    let row = conn.row("DELETE FROM settings WHERE name = $1 RETURNING value", args![name]).await?;
    row.map(|row| row.json("value")).transpose()
}

/// Takes every setting away whose name begins so.
pub async fn clear(conn: &mut Conn, prefix: &str) -> Result<(), DbError> {
    conn.run(
        "DELETE FROM settings WHERE substr(name, 1, CAST($2 AS INTEGER)) = $1",
        args![prefix, prefix.len() as i64],
    )
    .await
    .map(|_| ())
}
