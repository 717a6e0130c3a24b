//! How many entries each root had when it was last captured, so that an unmounted one is noticed.

use crate::config::Config;
use crate::failure::Failure;
use crate::ui::Ui;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use vow_base::id::hex;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    roots: Vec<Root>,
}

#[derive(Serialize, Deserialize)]
struct Root {
    path: String,
    /// The path in hexadecimal digits, when it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    entries: u64,
}

const VERSION: u32 = 1;

/// What is on record for a source; nothing the first time.
pub(super) fn load(config: &Config, source: &str, ui: Ui) -> Vec<(PathBuf, u64)> {
    let path = file(config, source);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => {
            ui.warn(&format!(
                "{}: an empty or unmounted path would not be noticed",
                Failure::io("read", &path, e).line()
            ));
            return Vec::new();
        }
    };
    match serde_json::from_slice::<Record>(&text) {
        Ok(record) if record.version == VERSION => {
            record.roots.into_iter().filter_map(Root::restore).collect()
        }
        _ => {
            ui.warn(&format!(
                "{} is not what was written there: an empty or unmounted path would not be noticed in this run",
                path.display()
            ));
            Vec::new()
        }
    }
}

/// Records the counts of a snapshot that was accepted.
pub(super) fn save(config: &Config, source: &str, counts: &[(PathBuf, u64)], ui: Ui) {
    let path = file(config, source);
    let record = Record {
        version: VERSION,
        roots: counts.iter().map(|(path, entries)| Root::of(path, *entries)).collect(),
    };
    if let Err(e) = write(&path, &serde_json::to_vec(&record).unwrap_or_default()) {
        // The snapshot is safe; only the next run knows less.
        ui.warn(&Failure::io("write", &path, e).line());
    }
}

fn file(config: &Config, source: &str) -> PathBuf {
    config.state.join("roots").join(format!("{source}.json"))
}

pub(super) fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::File::create(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
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
        for bytes in [&b"/etc"[..], b"/srv/\xff\x00x"] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            assert_eq!(Root::of(&path, 7).restore(), Some((path, 7)));
        }
    }
}
