//! `mariadb-backup`: whether it fits the server, what it may do, how it is called, and what it says at its end.

use super::super::access::Access;
use super::super::error::MariaDbError;
use super::super::server::numbers;
use super::super::session::{Session, Stop};
use super::super::tools::{Flavour, Tools};
use crate::process::{Ended, Launcher, one_line};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The program.
pub(super) const PROGRAM: &str = "mariadb-backup";
/// How its last line ends when all went well: it has failed with status 0 before.
const END: &str = "completed OK!";
const SAID_LIMIT_BYTES: usize = 1 << 20;

/// Privileges on everything that it needs, and others that stand for them.
const NEEDED: &[(&str, &[&str])] = &[
    ("RELOAD", &[]),
    ("PROCESS", &[]),
    ("LOCK TABLES", &[]),
    // Without it the copy fails at its very end.
    ("BINLOG MONITOR", &["REPLICATION CLIENT", "SUPER"]),
];

/// What the program says its version is. It must be of the server's series: another one reads the log of InnoDB wrongly.
pub(super) fn version(
    tools: &Tools,
    launcher: &Launcher,
    server: &str,
    stop: Stop<'_>,
) -> Result<String, MariaDbError> {
    let program = tools.program(PROGRAM)?;
    let mut command = launcher.command(&program);
    command.args(["--no-defaults", "--version"]);
    let (out, ended) = launcher.output(command, SAID_LIMIT_BYTES, stop)?;
    // Some say it on one output, some on the other.
    let said = format!("{}\n{}", String::from_utf8_lossy(&out), ended.said);
    let line = said.lines().find(|line| line.contains("based on MariaDB server"));
    let Some(line) = line else {
        return Err(MariaDbError::Refused(format!(
            "{} does not say which version of MariaDB it is for: it cannot be used",
            program.display()
        )));
    };
    let its = line.rsplit("server").next().unwrap_or_default().trim();
    let (tool, wanted) = (numbers(its), numbers(server));
    if (tool.0, tool.1) != (wanted.0, wanted.1) {
        let series = format!("{}.{}", wanted.0, wanted.1);
        return Err(MariaDbError::Blocked(format!(
            "{} is of version {}.{}, and the server is {series} ({server}): a copy is made and restored by the tools of its own series \
             only; install mariadb-backup {series}, or name its folder as tools",
            program.display(),
            tool.0,
            tool.1
        )));
    }
    Ok(line.trim().to_owned())
}

/// Insists on the privileges.
pub(super) fn check_privileges(privileges: &BTreeSet<String>) -> Result<(), MariaDbError> {
    let lacks = |(name, others): &&(&str, &[&str])| {
        !privileges.contains(*name) && !others.iter().any(|other| privileges.contains(*other))
    };
    let lacking: Vec<_> = NEEDED.iter().filter(lacks).map(|(name, _)| *name).collect();
    match lacking.is_empty() {
        true => Ok(()),
        false => Err(MariaDbError::Refused(format!(
            "the account lacks what mariadb-backup needs on *.*: GRANT {} ON *.* to it",
            lacking.join(", ")
        ))),
    }
}

/// Where files of tables are named: the view and its column are others before version 10.6.
const PLACES: &str = "SELECT LOWER(column_name), LOWER(table_name) FROM information_schema.columns WHERE table_schema = 'information_schema' \
    AND (table_name, column_name) IN (('INNODB_SYS_TABLESPACES', 'FILENAME'), ('INNODB_SYS_DATAFILES', 'PATH')) LIMIT 1";

/// Refuses a server whose files cannot be copied from here, or not be brought back.
pub(super) fn check_place(
    access: &Access,
    session: &mut Session,
    data: &str,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    if access.tools.flavour == Flavour::MySql {
        return Err(MariaDbError::Refused(
            "the server is MySQL, which mariadb-backup cannot copy, and physical backups by XtraBackup are not built: use \
             method = \"logical\""
                .into(),
        ));
    }
    let is_here = access.url.get("host").is_none_or(|host| matches!(host, "localhost" | "127.0.0.1" | "::1"));
    if !is_here || !Path::new(data).exists() {
        return Err(MariaDbError::Refused(format!(
            "mariadb-backup copies files, so it must run on the machine of the server: {data} of the server at {} is not here; run vow \
             there, or use method = \"logical\"",
            access.url
        )));
    }
    let doing = "looking for tables that lie elsewhere";
    let row = session.row(doing, PLACES, stop)?;
    let [column, view] = <[String; 2]>::try_from(row)
        .map_err(|_| MariaDbError::Answer { doing: doing.into(), why: "not two values".into() })?;
    let sql = format!("SELECT {column} FROM information_schema.{view} WHERE {column} LIKE '/%' LIMIT 3");
    let places: Vec<_> = session.query(doing, &sql, stop)?.into_iter().flatten().collect();
    match places.is_empty() {
        true => Ok(()),
        false => Err(MariaDbError::Refused(format!(
            "tables lie outside the data directory (DATA DIRECTORY): {}; a server started from a copy would open these very files: use \
             method = \"logical\"",
            places.join(", ")
        ))),
    }
}

/// The program as it makes a copy onto its output. It writes nothing else: `folder` is a private one for what it must have.
pub(super) fn backup(access: &Access, folder: &Path) -> Result<Command, MariaDbError> {
    let mut command = access.launcher.ending_with_us(&access.tools.program(PROGRAM)?);
    access.add_options(&mut command);
    command.args(["--backup", "--stream=mbstream"]).arg(format!("--target-dir={}", folder.display()));
    command.arg(format!("--tmpdir={}", folder.display()));
    Ok(command)
}

/// Insists that it ended well, and said so.
pub(super) fn ended_well(ended: &Ended) -> Result<(), String> {
    let last = ended.said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if ended.status.success() && last.trim_end().ends_with(END) {
        return Ok(());
    }
    // It tells of every file; why it failed stands at the end.
    let lines: Vec<_> = ended.said.lines().filter(|line| !line.trim().is_empty()).collect();
    let wrong = lines.iter().filter(|line| {
        let lower = line.to_ascii_lowercase();
        ["error", "fatal", "failed", "denied"].iter().any(|word| lower.contains(word))
    });
    let mut said: Vec<_> = wrong.copied().collect();
    if said.is_empty() {
        said = lines;
    }
    let said = said[said.len().saturating_sub(3)..].join("\n");
    let how = if ended.status.success() {
        "it did not say that it is complete".to_owned()
    } else {
        ended.status.to_string()
    };
    Err(format!("{PROGRAM} failed ({how}): {}", one_line(&said)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn only_its_own_last_words_count() {
        let ended = |code: i32, said: &str| Ended {
            program: PROGRAM.into(),
            status: ExitStatus::from_raw(code << 8),
            said: said.into(),
        };
        assert_eq!(ended_well(&ended(0, "x\n[00] 2026-11-28 05:00:50 completed OK!\n\n")), Ok(()));
        let why = ended_well(&ended(0, "completed OK!\nstreaming x\n")).expect_err("more was said");
        assert!(why.contains("did not say that it is complete"), "{why}");
        let why = ended_well(&ended(1, "copying a\n[00] FATAL ERROR: no\ncopying b\ncompleted OK!"))
            .expect_err("status");
        assert!(why.contains("FATAL ERROR: no") && !why.contains("copying"), "{why}");
    }

    #[test]
    fn privileges_are_insisted_on() {
        let all: BTreeSet<_> = ["RELOAD", "PROCESS", "LOCK TABLES", "SUPER"].map(str::to_owned).into();
        assert!(check_privileges(&all).is_ok());
        let few: BTreeSet<_> = ["RELOAD", "PROCESS"].map(str::to_owned).into();
        let why = check_privileges(&few).expect_err("two are missing").to_string();
        assert!(why.contains("LOCK TABLES, BINLOG MONITOR") && !why.contains("RELOAD"), "{why}");
    }
}
