//! Finding PostgreSQL's own programs: those of the server's major version, or newer ones. Older ones refuse to dump.

use crate::process::Launcher;
use std::path::{Path, PathBuf};

/// Folders of one major version, with the number to be put in.
const FOLDERS: &[&str] = &["/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/usr/lib64/pgsql/{}/bin"];
/// Where programs of no particular version may be.
const PLAIN: &[&str] = &["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"];
/// The newest major version that is looked for.
const MAJOR_MAX: u32 = 30;

/// The programs of one version.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Where they are.
    pub folder: PathBuf,
    /// Their major version.
    pub major: u32,
    /// What `pg_dump --version` said.
    pub version: String,
    dump_help: String,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// None is new enough.
    #[error(
        "no pg_dump of version {wanted} or newer was found{looked}; install the client programs of the server's version \
         (on Debian: postgresql-client-{wanted})"
    )]
    None {
        /// The server's major version.
        wanted: u32,
        /// Where.
        looked: String,
    },
    /// There is no psql at all.
    #[error("no psql was found{looked}; install PostgreSQL's client programs (on Debian: postgresql-client)")]
    NoPsql {
        /// Where.
        looked: String,
    },
}

impl Tools {
    /// Those for a server of this major version, in `folder` when the plan names one.
    pub fn find(launcher: &Launcher, folder: Option<&Path>, major: u32) -> Result<Self, ToolsError> {
        let mut folders = Vec::new();
        match folder {
            Some(folder) => folders.push(folder.to_owned()),
            None => {
                let versions = major..=MAJOR_MAX.max(major);
                folders.extend(versions.flat_map(of_version));
                folders.extend(PLAIN.iter().map(PathBuf::from));
            }
        }
        let found =
            folders.into_iter().filter_map(|folder| Self::at(launcher, folder)).find(|t| t.major >= major);
        found.ok_or_else(|| ToolsError::None { wanted: major, looked: looked(folder) })
    }

    fn at(launcher: &Launcher, folder: PathBuf) -> Option<Self> {
        let dump = folder.join("pg_dump");
        if !dump.exists() {
            return None;
        }
        let says = |option: &str| {
            let mut command = launcher.command(&dump);
            command.arg(option);
            let (out, ended) = launcher.output(command, 1 << 20, &|| false).ok()?;
            ended.status.success().then(|| String::from_utf8_lossy(&out).trim().to_owned())
        };
        let version = says("--version")?;
        let major = major_of(&version)?;
        Some(Self { folder, major, version, dump_help: says("--help")? })
    }

    /// One of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether `pg_dump` has this option: distributions port options back, so versions do not say.
    pub fn dumps_with(&self, option: &str) -> bool {
        self.dump_help.contains(&format!("{option}=")) || self.dump_help.contains(&format!("{option} "))
    }
}

/// Any psql: to ask a server for its version.
pub(crate) fn any_psql(folder: Option<&Path>) -> Result<PathBuf, ToolsError> {
    let mut folders: Vec<PathBuf> = Vec::new();
    match folder {
        Some(folder) => folders.push(folder.to_owned()),
        None => {
            folders.extend((9..=MAJOR_MAX).rev().flat_map(of_version));
            folders.extend(PLAIN.iter().map(PathBuf::from));
        }
    }
    let found = folders.into_iter().map(|folder| folder.join("psql")).find(|path| path.exists());
    found.ok_or_else(|| ToolsError::NoPsql { looked: looked(folder) })
}

fn of_version(major: u32) -> impl Iterator<Item = PathBuf> {
    FOLDERS.iter().map(move |pattern| PathBuf::from(pattern.replace("{}", &major.to_string())))
}

fn looked(folder: Option<&Path>) -> String {
    folder.map(|folder| format!(" in {}", folder.display())).unwrap_or_default()
}

/// The major version in what a program says about itself.
fn major_of(text: &str) -> Option<u32> {
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn versions_are_read() {
        for (text, major) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("pg_dump (PostgreSQL) 18beta1", Some(18)),
            ("nothing", None),
        ] {
            assert_eq!(major_of(text), major, "{text}");
        }
    }
}
