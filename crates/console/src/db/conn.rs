//! One connection, and what is asked on it.

use super::value::{bind_pg, bind_sqlite};
use super::{DbError, Row, Value};
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, SqlSafeStr, Sqlite, Transaction};

/// A connection that reads, or a transaction that is undone unless it is committed.
pub struct Conn(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTx(SqliteTx),
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

/// A transaction of SQLite. The library's own does not see that SQLite ends a transaction by itself when the disk is full, and would
/// spoil the connection; this one throws a connection away unless its transaction was committed (the flag).
pub(super) struct SqliteTx(PoolConnection<Sqlite>, bool);

impl SqliteTx {
    /// Begins as a writer: one that begins as a reader could be refused in the middle.
    pub(super) async fn begin(conn: PoolConnection<Sqlite>) -> Result<Self, DbError> {
        let mut begun = Self(conn, false);
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *begun.0).await?;
        Ok(begun)
    }

    async fn commit(mut self) -> Result<(), DbError> {
        sqlx::query("COMMIT").execute(&mut *self.0).await?;
        self.1 = true;
        Ok(())
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if !self.1 {
            self.0.close_on_drop();
        }
    }
}

impl Conn {
    /// Every row that a statement gives. What is asked must have a limit of its own.
    pub async fn rows(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Vec<Row>, DbError> {
        Ok(match &mut self.0 {
            Inner::Sqlite(conn) => {
                wrap(bind_sqlite(sqlx::query(sql), values).fetch_all(&mut **conn).await?, Row::Sqlite)
            }
            Inner::SqliteTx(conn) => {
                wrap(bind_sqlite(sqlx::query(sql), values).fetch_all(&mut *conn.0).await?, Row::Sqlite)
            }
            Inner::Postgres(conn) => {
                wrap(bind_pg(sqlx::query(sql), values).fetch_all(&mut **conn).await?, Row::Postgres)
            }
            Inner::PostgresTx(conn) => {
                wrap(bind_pg(sqlx::query(sql), values).fetch_all(&mut **conn).await?, Row::Postgres)
            }
        })
    }

    /// The first row that a statement gives.
    pub async fn row(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Option<Row>, DbError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// The row of a statement that always gives one.
    pub async fn one(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<Row, DbError> {
        self.row(sql, values).await?.ok_or(DbError::Failed(sqlx::Error::RowNotFound))
    }

    /// Runs a statement; the number of rows that it changed.
    pub async fn run(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<u64, DbError> {
        Ok(match &mut self.0 {
            Inner::Sqlite(conn) => {
                bind_sqlite(sqlx::query(sql), values).execute(&mut **conn).await?.rows_affected()
            }
            Inner::SqliteTx(conn) => {
                bind_sqlite(sqlx::query(sql), values).execute(&mut *conn.0).await?.rows_affected()
            }
            Inner::Postgres(conn) => {
                bind_pg(sqlx::query(sql), values).execute(&mut **conn).await?.rows_affected()
            }
            Inner::PostgresTx(conn) => {
                bind_pg(sqlx::query(sql), values).execute(&mut **conn).await?.rows_affected()
            }
        })
    }

    /// Keeps what was done: it is durable when this returns.
    pub async fn commit(self) -> Result<(), DbError> {
        match self.0 {
            Inner::SqliteTx(conn) => conn.commit().await?,
            Inner::PostgresTx(conn) => conn.commit().await?,
            Inner::Sqlite(_) | Inner::Postgres(_) => {}
        }
        Ok(())
    }

    /// Whether it is PostgreSQL: for the few things that have no common form.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.0, Inner::Postgres(_) | Inner::PostgresTx(_))
    }
}

fn wrap<T>(rows: Vec<T>, of: fn(T) -> Row) -> Vec<Row> {
    rows.into_iter().map(of).collect()
}
