//! Opening a database: pools, and the settings of each kind.

use super::conn::{Conn, Inner, SqliteTx};
use super::{DbError, migrate};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where a database is.
#[derive(Clone)]
pub enum Place {
    /// SQLite in this file.
    File(PathBuf),
    /// PostgreSQL.
    Postgres {
        /// `postgres://…`, without a password.
        url: String,
        /// The password, when there is one.
        password: Option<Zeroizing<String>>,
        /// Authorities (PEM): with them the server must prove its name by a certificate, whatever the URL says.
        ca: Option<PathBuf>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres { url, .. } => f.write_str(url),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

/// An open database. Clones share its connections.
#[derive(Clone)]
pub struct Db(Pools);

#[derive(Clone)]
enum Pools {
    // SQLite has one writer; whoever else wants to write waits for it here rather than in the file.
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres(PgPool),
}

/// How long a statement waits for another process that writes to the same file, or a request for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 12;
/// Pages that a connection keeps in memory, in KiB (negative: SQLite's way of saying so).
const READER_CACHE_KIB: &str = "-16000";
const WRITER_CACHE_KIB: &str = "-48000";

impl Db {
    /// Opens a database and brings its tables up to date.
    pub async fn open(place: &Place) -> Result<Self, DbError> {
        let failed =
            |error: sqlx::Error| DbError::Open { place: place.to_string(), reason: error.to_string() };
        let pools = match place {
            Place::File(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    // What was answered is on the disk.
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(PATIENCE);
                let write = SqlitePoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(PATIENCE)
                    .connect_with(options.clone().pragma("cache_size", WRITER_CACHE_KIB))
                    .await
                    .map_err(failed)?;
                let read = SqlitePoolOptions::new()
                    .max_connections(SQLITE_READERS)
                    .acquire_timeout(PATIENCE)
                    .connect_lazy_with(
                        options.pragma("cache_size", READER_CACHE_KIB).pragma("query_only", "1"),
                    );
                Pools::Sqlite { read, write }
            }
            Place::Postgres { url, password, ca } => {
                let mut options = PgConnectOptions::from_str(url).map_err(failed)?;
                if let Some(password) = password {
                    options = options.password(password);
                }
                if let Some(ca) = ca {
                    let read = std::fs::read(ca);
                    let authorities = read.map_err(|error| DbError::Open {
                        place: place.to_string(),
                        reason: format!("{}: {error}", ca.display()),
                    })?;
                    options = options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(authorities);
                }
                let pool = PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
                    .acquire_timeout(PATIENCE)
                    .connect_with(options.application_name("vow console"))
                    .await
                    .map_err(failed)?;
                Pools::Postgres(pool)
            }
        };
        let db = Self(pools);
        migrate::run(&db).await?;
        Ok(db)
    }

    /// A connection to read with.
    pub async fn read(&self) -> Result<Conn, DbError> {
        Ok(Conn(match &self.0 {
            Pools::Sqlite { read, .. } => Inner::Sqlite(read.acquire().await?),
            Pools::Postgres(pool) => Inner::Postgres(pool.acquire().await?),
        }))
    }

    /// A transaction.
    pub async fn write(&self) -> Result<Conn, DbError> {
        Ok(Conn(match &self.0 {
            Pools::Sqlite { write, .. } => Inner::SqliteTx(SqliteTx::begin(write.acquire().await?).await?),
            Pools::Postgres(pool) => Inner::PostgresTx(pool.begin().await?),
        }))
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match &self.0 {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Pools::Sqlite { .. } => "Db(SQLite)",
            Pools::Postgres(_) => "Db(PostgreSQL)",
        })
    }
}
