//! What can go wrong with a database.

/// Why the database did not do what it was asked. Nothing of the transaction was kept.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Somebody else holds what is needed, or the server is away: the same works later.
    #[error("the database is busy or away: {0}")]
    Busy(String),
    /// There is no room.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// Its tables are of a newer program.
    #[error(
        "the tables of the database are of version {found}, this program knows {known}: use the newer vow"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// It cannot be opened.
    #[error("the database {place} cannot be opened: {reason}")]
    Open {
        /// Where, without any password.
        place: String,
        /// Why.
        reason: String,
    },
    /// What is stored is not what this program stores.
    #[error("{column} of a row cannot be understood: {reason}")]
    Row {
        /// The column.
        column: String,
        /// Why.
        reason: String,
    },
    /// Anything else.
    #[error("the database failed: {0}")]
    Failed(sqlx::Error),
}

impl DbError {
    /// Whether the same may work later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Full(_))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::Io(_) | E::Tls(_) => {
                Self::Busy(error.to_string())
            }
            E::Database(said) => match said.code().as_deref().map(Kind::of) {
                Some(Kind::Busy) => Self::Busy(said.message().to_owned()),
                Some(Kind::Full) => Self::Full(said.message().to_owned()),
                _ => Self::Failed(error),
            },
            _ => Self::Failed(error),
        }
    }
}

enum Kind {
    Busy,
    Full,
    Other,
}

impl Kind {
    /// What a code means: SQLite's are numbers, whose low byte is the kind; PostgreSQL's have five characters.
    fn of(code: &str) -> Self {
        if code.len() == 5 {
            return match code {
                "53100" => Self::Full,
                // Out of connections or memory, shutting down or starting, serialisation, deadlock, lock not available.
                "53200" | "53300" | "53400" | "57P01" | "57P02" | "57P03" | "40001" | "40P01" | "55P03" => {
                    Self::Busy
                }
                code if code.starts_with("08") => Self::Busy,
                _ => Self::Other,
            };
        }
        match code.parse::<i32>().map(|code| code & 0xff) {
            Ok(5 | 6) => Self::Busy,
            Ok(13) => Self::Full,
            _ => Self::Other,
        }
    }
}
