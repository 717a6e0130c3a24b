//! Values that several parts of the configuration have: paths, numbers, sizes, where a password comes from.

use super::fault::{Checked, fault};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use vow_base::amount::{BadAmount, Bytes, Rate, Term};
use vow_protocol::client::RATE_LEAST;
use vow_sources::secret::PasswordFrom;

/// Seconds that make sense as a limit: up to a week.
pub(super) const SECS: RangeInclusive<i64> = 1..=604_800;

/// Relative paths are relative to the folder of the configuration.
pub(super) fn absolute(path: &Spanned<String>, folder: &Path) -> Checked<PathBuf> {
    if path.get_ref().is_empty() {
        return Err(fault(path, "a path is empty"));
    }
    if path.get_ref().contains('\0') {
        return Err(fault(path, "a path contains a NUL character"));
    }
    std::path::absolute(folder.join(path.get_ref())).map_err(|e| fault(path, format!("not a path: {e}")))
}

/// A path that may be left out.
pub(super) fn optional_path(path: Option<&Spanned<String>>, folder: &Path) -> Checked<Option<PathBuf>> {
    path.map(|path| absolute(path, folder)).transpose()
}

/// A number within limits.
pub(super) fn number<N: TryFrom<i64>>(
    raw: Option<&Spanned<i64>>,
    default: N,
    allowed: RangeInclusive<i64>,
) -> Checked<N> {
    let Some(raw) = raw else { return Ok(default) };
    let inside = Some(*raw.get_ref()).filter(|number| allowed.contains(number));
    let number = inside.and_then(|number| N::try_from(number).ok());
    number
        .ok_or_else(|| fault(raw, format!("this is a number from {} to {}", allowed.start(), allowed.end())))
}

/// A number of bytes.
pub(super) fn size(raw: &Spanned<String>) -> Checked<u64> {
    raw.get_ref().parse().map(|Bytes(bytes)| bytes).map_err(|why: BadAmount| fault(raw, why.to_string()))
}

/// A length of time.
pub(super) fn term(raw: &Spanned<String>) -> Checked<Duration> {
    raw.get_ref().parse().map(|Term(length)| length).map_err(|why: BadAmount| fault(raw, why.to_string()))
}

/// A length of time in whole seconds.
pub(super) fn secs(raw: &Spanned<String>) -> Checked<u64> {
    Term(term(raw)?).whole_secs().map_err(|why| fault(raw, why.to_string()))
}

/// How fast bytes may be moved, in bytes in a second.
pub(super) fn rate(raw: &Spanned<String>) -> Checked<u64> {
    let Rate(rate) = raw.get_ref().parse().map_err(|why: BadAmount| fault(raw, why.to_string()))?;
    if rate < RATE_LEAST {
        return Err(fault(
            raw,
            format!("{} is too little: a transfer needs {}", Rate(rate), Rate(RATE_LEAST)),
        ));
    }
    Ok(rate)
}

/// Texts, none of which is empty.
pub(super) fn texts(raw: &[Spanned<String>], what: &str) -> Checked<Vec<String>> {
    if let Some(empty) = raw.iter().find(|text| text.get_ref().trim().is_empty()) {
        return Err(fault(empty, format!("{what} is empty")));
    }
    Ok(raw.iter().map(|text| text.get_ref().clone()).collect())
}

/// A program and its arguments.
pub(super) fn program(raw: &Spanned<Vec<Spanned<String>>>, key: &str) -> Checked<Vec<String>> {
    let words: Vec<_> = raw.get_ref().iter().map(|word| word.get_ref().clone()).collect();
    if words.first().is_none_or(String::is_empty) {
        return Err(fault(raw, format!("{key} is a program with its arguments, in a list")));
    }
    if let Some(bad) = raw.get_ref().iter().find(|word| word.get_ref().contains('\0')) {
        return Err(fault(bad, "this contains a NUL character"));
    }
    Ok(words)
}

/// Where a password comes from.
pub(super) fn password(
    file: Option<&Spanned<String>>,
    command: Option<&Spanned<Vec<Spanned<String>>>>,
    folder: &Path,
) -> Checked<PasswordFrom> {
    let from = PasswordFrom {
        file: optional_path(file, folder)?,
        command: command.map(|command| program(command, "password_command")).transpose()?.unwrap_or_default(),
    };
    match command {
        Some(command) if from.file.is_some() => {
            Err(fault(command, "password_command excludes password_file: the password comes from one place"))
        }
        _ => Ok(from),
    }
}
