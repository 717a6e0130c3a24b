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
