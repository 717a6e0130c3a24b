//! The machine that is looked at: files below a root folder, read with limits; what may not be read is noted.

use serde::Serialize;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Names of one folder that are looked at.
const NAMES_MAX: usize = 50_000;
/// Things noted as not seen.
const UNSEEN_MAX: usize = 100;
/// The longest file that is read, in bytes.
pub(super) const FILE_LIMIT_BYTES: u64 = 64 << 20;

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// A machine: this one, or one whose files lie below a folder.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    unseen: Mutex<Vec<Unseen>>,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        Self::below("/")
    }

    /// One whose files lie below this folder.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), unseen: Mutex::default() }
    }

    /// What could not be looked at so far.
    pub fn unseen(&self) -> Vec<Unseen> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Notes that something could not be looked at.
    pub(super) fn missed(&self, what: impl Into<String>, why: impl Into<String>) {
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = Unseen { what: what.into(), why: why.into() };
        if unseen.len() < UNSEEN_MAX && !unseen.contains(&missed) {
            unseen.push(missed);
        }
    }

    /// Reads a file. One that is not there is nothing; one that may not be read is noted.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let at = self.path(&path);
        let mut bytes = Vec::new();
        // A file that is no file (a FIFO with a name that fits) must not be waited for.
        let read = fs::metadata(&at)
            .and_then(
                |meta| if meta.is_file() { fs::File::open(&at) } else { Err(ErrorKind::NotFound.into()) },
            )
            .and_then(|file| file.take(FILE_LIMIT_BYTES).read_to_end(&mut bytes));
        match read {
            Ok(_) => Some(bytes),
            Err(error) => {
                self.note(path.as_ref(), &error);
                None
            }
        }
    }

    /// Likewise, as text; what is no text in it is replaced.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        self.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder, in order.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<std::ffi::OsString> {
        let entries = match fs::read_dir(self.path(&path)) {
            Ok(entries) => entries,
            Err(error) => {
                self.note(path.as_ref(), &error);
                return Vec::new();
            }
        };
        let mut names: Vec<_> =
            entries.flatten().take(NAMES_MAX + 1).map(|entry| entry.file_name()).collect();
        if names.len() > NAMES_MAX {
            let what = path.as_ref().to_string_lossy();
            self.missed(
                what,
                format!("there are more than {NAMES_MAX} names in it: some were not looked at"),
            );
            names.truncate(NAMES_MAX);
        }
        names.sort();
        names
    }

    /// Whether there is a folder.
    pub(super) fn is_dir(&self, path: impl AsRef<Path>) -> bool {
        fs::metadata(self.path(path)).is_ok_and(|meta| meta.is_dir())
    }

    /// What a symbolic link says.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.path(path)).ok()
    }

    fn note(&self, path: &Path, error: &std::io::Error) {
        // Processes end while they are looked at, and what is not there need not be seen.
        let gone = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
            || error.raw_os_error() == Some(3);
        if !gone {
            self.missed(path.to_string_lossy(), error.to_string());
        }
    }
}

/// A path as text; what is no text in it is replaced.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
