//! Secrets come from files, and are shown to nobody.

use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A secret is at most so long.
const LIMIT_BYTES: u64 = 64 << 10;

/// Why a secret cannot be used. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("the secret in {path} cannot be read: {error}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is empty, too long, or no line of text.
    #[error("{path} does not hold one line of text with a secret", path = .0.display())]
    Form(PathBuf),
}

/// Reads a secret: one line, without the space around it.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let failed = |error| SecretError::Read { path: path.to_owned(), error };
    let form = || SecretError::Form(path.to_owned());
    if std::fs::metadata(path).map_err(failed)?.len() > LIMIT_BYTES {
        return Err(form());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let line = text.trim();
    if line.is_empty() || line.contains(['\n', '\r']) {
        return Err(form());
    }
    Ok(Zeroizing::new(line.to_owned()))
}
