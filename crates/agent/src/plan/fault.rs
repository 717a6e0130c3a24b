//! What is wrong with a configuration, and where; and reading a part of it so that the place is known.

use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, Deserializer, Error};

/// A fault and where it is.
pub(super) struct Fault {
    pub(super) at: Option<Range<usize>>,
    pub(super) text: String,
}

/// What was read and checked.
pub(super) type Checked<T> = Result<T, Fault>;

/// A fault of this value.
pub(super) fn fault<T>(at: &Spanned<T>, text: impl Into<String>) -> Fault {
    Fault { at: Some(at.span()), text: text.into() }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        // Only the first line: the others may quote the file.
        let text = error.message().lines().next().unwrap_or("not TOML").to_owned();
        Self { at: error.span(), text }
    }
}

/// Reads a table of the file as what it should be.
pub(super) fn read<'t, T: Deserialize<'t>>(table: Spanned<DeTable<'t>>) -> Checked<T> {
    Ok(T::deserialize(Deserializer::from(table))?)
}

/// Line and column, counted from 1, of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
