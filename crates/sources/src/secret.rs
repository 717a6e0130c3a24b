//! Passwords: out of a file or of a program, never out of the plan, an argument list or the environment.

mod private;

pub(crate) use private::PrivateFolder;
pub use private::remove_all;

use crate::process::{Launcher, ToolError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest password, in bytes.
const LIMIT_BYTES: usize = 4096;

/// Where a password comes from; neither of the two stands for no password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PasswordFrom {
    /// A file whose first line is the password.
    pub file: Option<PathBuf>,
    /// A program and its arguments; the first line it writes is the password. No shell is used.
    pub command: Vec<String>,
}

/// Why there is no password. No message repeats what was read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the password file {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// It is not a password.
    #[error("the password that was given {0}")]
    Unusable(&'static str),
    /// There are two.
    #[error("password_file and password_command exclude each other")]
    Both,
}

impl PasswordFrom {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.file.is_none() && self.command.is_empty()
    }

    /// The password.
    pub fn read(&self) -> Result<Option<Zeroizing<String>>, SecretError> {
        let bytes = match (&self.file, self.command.as_slice()) {
            (None, []) => return Ok(None),
            (Some(path), []) => {
                let read = fs::read(path);
                Zeroizing::new(read.map_err(|source| SecretError::File { path: path.clone(), source })?)
            }
            (None, [program, arguments @ ..]) => said_by(program, arguments)?,
            (Some(_), _) => return Err(SecretError::Both),
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::Unusable("is not text"))?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() || line.len() > LIMIT_BYTES {
            return Err(SecretError::Unusable("is empty or too long"));
        }
        Ok(Some(Zeroizing::new(line.to_owned())))
    }
}

fn said_by(program: &str, arguments: &[String]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let launcher = Launcher::default();
    let mut command = launcher.command(Path::new(program));
    command.args(arguments);
    let (out, ended) = launcher.output(command, LIMIT_BYTES, &|| false)?;
    let out = Zeroizing::new(out);
    if ended.status.success() {
        return Ok(out);
    }
    // What it said may be the secret.
    let (program, how) = (ended.program, ended.status.to_string());
    Err(ToolError::Failed { program, how, said: "no password was given".into() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &[&str]) -> PasswordFrom {
        PasswordFrom { file: None, command: command.iter().map(|word| (*word).to_owned()).collect() }
    }

    #[test]
    fn the_first_line_counts() {
        let password = of(&["/bin/echo", "one\ntwo"]).read().expect("a password").expect("a password");
        assert!(password.starts_with("one"));
        assert!(PasswordFrom::default().read().expect("none").is_none());
    }

    #[test]
    fn nothing_that_failed_is_a_password() {
        let fails =
            of(&["/bin/sh", "-c", "echo hunter2; echo hunter2 >&2; exit 1"]).read().expect_err("it fails");
        assert!(!fails.to_string().contains("hunter2"), "{fails}");
        assert!(of(&["/bin/true"]).read().is_err());
        let missing = PasswordFrom { file: Some("/nonexistent/pw".into()), command: Vec::new() };
        assert!(missing.read().expect_err("no file").to_string().contains("/nonexistent/pw"));
    }
}
