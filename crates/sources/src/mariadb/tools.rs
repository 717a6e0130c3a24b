//! Finding the official programs, and what their versions can do: by their help, since distributions port options back.

use crate::process::Launcher;
use std::path::{Path, PathBuf};

/// Whose server and programs: they are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// MariaDB.
    MariaDb,
    /// MySQL proper.
    MySql,
}

/// Where programs are.
const FOLDERS: &[&str] = &[
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/local/mysql/bin",
    "/usr/local/mariadb/bin",
    "/opt/mysql/bin",
];

/// The programs of one flavour.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: Option<PathBuf>,
    /// Whose they are.
    pub flavour: Flavour,
    /// What the dump program's `--version` said.
    pub version: String,
    dump_help: String,
    client_help: String,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// A program is missing.
    #[error("no {names} was found{looked}; install {package}")]
    None {
        /// Its names.
        names: String,
        /// Where.
        looked: String,
        /// What brings it.
        package: &'static str,
    },
    /// Only the other flavour's.
    #[error(
        "the server is {server}, and {found} belongs to {tools}: they must not be mixed; install {package}, or name its folder as tools"
    )]
    Mixed {
        /// The server.
        server: &'static str,
        /// The program.
        found: String,
        /// Whose it is.
        tools: &'static str,
        /// What would bring the right one.
        package: &'static str,
    },
    /// A program does not even say its version.
    #[error("{program} does not say its version: it cannot be used")]
    Broken {
        /// The program.
        program: String,
    },
}

impl Flavour {
    /// By what a server or a program says about itself.
    pub fn of(text: &str) -> Self {
        if text.to_ascii_lowercase().contains("mariadb") { Self::MariaDb } else { Self::MySql }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::MariaDb => "MariaDB's client programs (on Debian: mariadb-client)",
            Self::MySql => "MySQL's own client programs (mysql-community-client)",
        }
    }

    /// What a program is called: MariaDB's old names are tried too.
    fn names(self, program: &'static str) -> Vec<&'static str> {
        let old = match program {
            "mariadb" => "mysql",
            "mariadb-dump" => "mysqldump",
            "mariadb-check" => "mysqlcheck",
            "mariadbd" => "mysqld",
            "mariadb-install-db" => "mysql_install_db",
            "mariadb-backup" => "mariabackup",
            "mariadb-binlog" => "mysqlbinlog",
            other => other,
        };
        match self {
            Self::MariaDb if old != program => vec![program, old],
            Self::MariaDb => vec![program],
            Self::MySql => vec![old],
        }
    }
}

/// Any client: to ask a server what it is.
pub(crate) fn any_client(folder: Option<&Path>) -> Result<PathBuf, ToolsError> {
    let found =
        [Flavour::MariaDb, Flavour::MySql].into_iter().find_map(|flavour| find(folder, flavour, "mariadb"));
    found.ok_or_else(|| missing(folder, Flavour::MariaDb, "mariadb"))
}

impl Tools {
    /// Those for a server of this flavour, in `folder` when the plan names one.
    pub fn find(launcher: &Launcher, folder: Option<&Path>, flavour: Flavour) -> Result<Self, ToolsError> {
        let dump =
            find(folder, flavour, "mariadb-dump").ok_or_else(|| missing(folder, flavour, "mariadb-dump"))?;
        let client = find(folder, flavour, "mariadb").ok_or_else(|| missing(folder, flavour, "mariadb"))?;
        let says = |program: &Path, option: &str| {
            let mut command = launcher.command(program);
            command.arg("--no-defaults").arg(option);
            let (out, ended) = launcher.output(command, 1 << 20, &|| false).ok()?;
            ended.status.success().then(|| String::from_utf8_lossy(&out).trim().to_owned())
        };
        let broken = |program: &Path| ToolsError::Broken { program: program.display().to_string() };
        let version = says(&dump, "--version").ok_or_else(|| broken(&dump))?;
        let theirs = Flavour::of(&version);
        if theirs != flavour {
            return Err(ToolsError::Mixed {
                server: flavour.name(),
                found: dump.display().to_string(),
                tools: theirs.name(),
                package: flavour.package(),
            });
        }
        let dump_help = says(&dump, "--help").ok_or_else(|| broken(&dump))?;
        let client_help = says(&client, "--help").ok_or_else(|| broken(&client))?;
        Ok(Self { folder: folder.map(Path::to_owned), flavour, version, dump_help, client_help })
    }

    /// One of the programs, by MariaDB's name for it.
    pub fn program(&self, name: &'static str) -> Result<PathBuf, ToolsError> {
        let found = find(self.folder.as_deref(), self.flavour, name);
        // A folder of the plan may hold the client programs only.
        found
            .or_else(|| find(None, self.flavour, name))
            .ok_or_else(|| missing(self.folder.as_deref(), self.flavour, name))
    }

    /// Whether the dump program has this option.
    pub fn dumps_with(&self, option: &str) -> bool {
        has(&self.dump_help, option)
    }

    /// Whether the client has this option.
    pub fn client_has(&self, option: &str) -> bool {
        has(&self.client_help, option)
    }
}

fn has(help: &str, option: &str) -> bool {
    help.match_indices(option).any(|(at, _)| {
        let next = help[at + option.len()..].chars().next();
        next.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-')
    })
}

fn find(folder: Option<&Path>, flavour: Flavour, name: &'static str) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = match folder {
        Some(folder) => vec![folder.to_owned()],
        None => FOLDERS.iter().map(PathBuf::from).collect(),
    };
    let names = flavour.names(name);
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.exists()))
}

fn missing(folder: Option<&Path>, flavour: Flavour, name: &'static str) -> ToolsError {
    let package = match (flavour, name) {
        (Flavour::MariaDb, "mariadbd" | "mariadb-install-db") => {
            "the server's package (on Debian: mariadb-server)"
        }
        (Flavour::MariaDb, "mariadb-backup" | "mbstream") => "the package mariadb-backup",
        _ => flavour.package(),
    };
    let looked = folder.map(|folder| format!(" in {}", folder.display())).unwrap_or_default();
    ToolsError::None { names: flavour.names(name).join(" or "), looked, package }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavours_are_told_apart() {
        assert_eq!(Flavour::of("10.11.19-MariaDB-0+deb12u1"), Flavour::MariaDb);
        assert_eq!(
            Flavour::of("mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)"),
            Flavour::MySql
        );
    }

    #[test]
    fn what_brings_a_missing_program_is_said() {
        let why = missing(None, Flavour::MariaDb, "mariadb-backup").to_string();
        assert_eq!(why, "no mariadb-backup or mariabackup was found; install the package mariadb-backup");
    }

    #[test]
    fn options_are_looked_up_in_the_help() {
        let help = "  --master-data[=#]   x\n  --gtid   y\n  --dump-history-x\n";
        assert!(has(help, "--master-data") && has(help, "--gtid"));
        assert!(!has(help, "--dump-history") && !has(help, "--source-data"));
    }
}
