//! The newest documents of a host: what is found on it, and what its audit says.

use crate::db::value::{args, to_json};
use crate::db::{Conn, DbError};

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
