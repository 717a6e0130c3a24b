//! How many entries each root had, as text that the next run is given.

use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use vow_base::id::hex;

#[derive(Serialize, Deserialize)]
struct Root {
    path: String,
    /// The path in hexadecimal digits, when it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    entries: u64,
}

/// The counts as text.
pub(crate) fn text(counts: &[(PathBuf, u64)]) -> Option<String> {
    let roots: Vec<_> = counts.iter().map(|(path, entries)| Root::of(path, *entries)).collect();
    serde_json::to_string(&roots).ok()
}

/// What [`text`] wrote.
pub(crate) fn parse(text: &str) -> Result<Vec<(PathBuf, u64)>, String> {
    let not_ours = || "what this source remembers of its last run is not what was written there".to_owned();
    let roots: Vec<Root> = serde_json::from_str(text).map_err(|_| not_ours())?;
    roots.into_iter().map(|root| root.restore().ok_or_else(not_ours)).collect()
}

impl Root {
    fn of(path: &Path, entries: u64) -> Self {
        let path_hex = path.to_str().is_none().then(|| hex(path.as_os_str().as_bytes()));
        Self { path: path.to_string_lossy().into_owned(), path_hex, entries }
    }

    fn restore(self) -> Option<(PathBuf, u64)> {
        let Some(digits) = self.path_hex else { return Some((PathBuf::from(self.path), self.entries)) };
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
        Some((PathBuf::from(OsString::from_vec(bytes?)), self.entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_not_text_survive() {
        let counts = [&b"/etc"[..], b"/srv/\xff\x00x"]
            .map(|bytes| (PathBuf::from(OsString::from_vec(bytes.to_vec())), 7));
        let written = text(&counts).expect("text");
        assert_eq!(parse(&written).as_deref(), Ok(&counts[..]));
        assert!(parse("{}").is_err());
    }
}
