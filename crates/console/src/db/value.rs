//! Values that go into statements, and rows that come out.

use super::DbError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

/// One argument of a statement. Each has its type also when it is NULL: PostgreSQL asks for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number, or a truth as 0 or 1.
    Int(Option<i64>),
    /// Any other number.
    Real(Option<f64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

/// The arguments of a statement, in the order of `$1`, `$2`, ….
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Value::from($value)),*] };
}
pub(super) use args;

macro_rules! from {
    ($($type:ty => $variant:ident, |$value:ident| $convert:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self { Self::$variant($convert) }
        }
    )*};
}

from! {
    i64 => Int, |value| Some(value);
    Option<i64> => Int, |value| value;
    u32 => Int, |value| Some(i64::from(value));
    u64 => Int, |value| Some(whole(value));
    Option<u64> => Int, |value| value.map(whole);
    bool => Int, |value| Some(i64::from(value));
    Option<bool> => Int, |value| value.map(i64::from);
    f64 => Real, |value| Some(value);
    Option<f64> => Real, |value| value;
    &str => Text, |value| Some(value.to_owned());
    &String => Text, |value| Some(value.clone());
    String => Text, |value| Some(value);
    Option<&str> => Text, |value| value.map(str::to_owned);
    Option<String> => Text, |value| value;
    Vec<u8> => Bytes, |value| Some(value);
}

/// Databases have no unsigned numbers; nothing real is above the largest signed one.
fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

type SqliteQuery<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;
type PgQuery<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

pub(super) fn bind_sqlite(mut query: SqliteQuery<'_>, values: Vec<Value>) -> SqliteQuery<'_> {
    for value in values {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Real(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        };
    }
    query
}

pub(super) fn bind_pg(mut query: PgQuery<'_>, values: Vec<Value>) -> PgQuery<'_> {
    for value in values {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Real(value) => query.bind(value),
            // PostgreSQL has no NUL in texts; nobody misses them.
            Value::Text(value) => query.bind(value.map(|text| text.replace('\0', "\u{fffd}"))),
            Value::Bytes(value) => query.bind(value),
        };
    }
    query
}

/// A row that a statement gave. Columns are read by name.
pub enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    fn get<T>(&self, column: &str) -> Result<T, DbError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(DbError::from)
    }

    /// A whole number.
    pub fn int(&self, column: &str) -> Result<i64, DbError> {
        self.get(column)
    }

    /// A whole number or NULL.
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, DbError> {
        self.get(column)
    }

    /// A count: a whole number that is never below 0.
    pub fn count(&self, column: &str) -> Result<u64, DbError> {
        Ok(u64::try_from(self.int(column)?).unwrap_or(0))
    }

    /// A truth.
    pub fn flag(&self, column: &str) -> Result<bool, DbError> {
        Ok(self.int(column)? != 0)
    }

    /// A truth or NULL.
    pub fn opt_flag(&self, column: &str) -> Result<Option<bool>, DbError> {
        Ok(self.opt_int(column)?.map(|value| value != 0))
    }

    /// Any number.
    pub fn real(&self, column: &str) -> Result<f64, DbError> {
        self.get(column)
    }

    /// Any number or NULL.
    pub fn opt_real(&self, column: &str) -> Result<Option<f64>, DbError> {
        self.get(column)
    }

    /// A text.
    pub fn text(&self, column: &str) -> Result<String, DbError> {
        self.get(column)
    }

    /// A text or NULL.
    pub fn opt_text(&self, column: &str) -> Result<Option<String>, DbError> {
        self.get(column)
    }

    /// Bytes or NULL.
    pub fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, DbError> {
        self.get(column)
    }

    /// A value that is stored as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, DbError> {
        parse(column, &self.text(column)?)
    }

    /// A value that is stored as JSON, or NULL.
    pub fn opt_json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<Option<T>, DbError> {
        self.opt_text(column)?.map(|text| parse(column, &text)).transpose()
    }
}

fn parse<T: serde::de::DeserializeOwned>(column: &str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|e| DbError::Row { column: column.to_owned(), reason: e.to_string() })
}

/// A value as it is stored as JSON.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String, DbError> {
    serde_json::to_string(value)
        .map_err(|e| DbError::Row { column: "a value".to_owned(), reason: e.to_string() })
}
