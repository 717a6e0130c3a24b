//! The binary log over what a scratch server has, up to a moment.

use super::super::error::MariaDbError;
use super::super::scratch::Scratch;
use super::super::session::Stop;
use super::super::stored::{Stored, feed};
use super::after::After;
use super::spool::names_in;
use crate::adapter::Replay;
use crate::process::{Input, Launcher, ToolError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use vow_store::archive::ArchiveError;

/// Its help is short.
const HELP_LIMIT_BYTES: usize = 1 << 20;
/// Lets logs be replayed whose GTIDs do not grow, as servers write them that are not strict about that.
const NOT_STRICT: &str = "gtid-strict-mode";

/// Replays what goes on from the snapshot.
pub(crate) fn replay(
    stored: &Stored<'_>,
    scratch: &Scratch,
    replay: &Replay,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    let Some(folder) = &replay.log else { return Ok(()) };
    let after = After::of(stored)?;
    let position = stored.facts.position.as_ref().map_or(4, |position| position.offset);
    let access = &scratch.access;
    // Times are written in the zone of the program.
    let launcher = access.launcher.clone().with("TZ", "UTC");
    give(folder, &launcher).map_err(MariaDbError::io("give away", folder))?;
    let program = access.tools.program("mariadb-binlog")?;
    let mut command = launcher.command(&program);
    command.arg("--no-defaults");
    if has(&launcher, &program, NOT_STRICT, stop)? {
        command.arg(format!("--skip-{NOT_STRICT}"));
    }
    command.arg(format!("--start-position={position}"));
    if let Some(until) = &replay.until {
        command.arg(format!("--stop-datetime={}", datetime(until)));
    }
    let files = names_in(folder)?.into_iter().filter(|name| after.has(name));
    command.args(files.map(|name| folder.join(name.to_string()))).stdout(Stdio::piped());
    let mut running = launcher.start(command)?;
    let mut from = running.stdout()?;
    let applied = feed(&access.launcher, access.loader()?, stop, |out| pump(&mut from, out, stop));
    drop(from);
    match applied {
        Ok(()) => {}
        Err(MariaDbError::Sql { code, message, .. }) => {
            return Err(MariaDbError::Sql { doing: "replaying the binary log".into(), code, message });
        }
        Err(error) => return Err(error),
    }
    // What was not read to its end must not look like a moment that was reached.
    running.wait(stop)?.expect_success()?;
    Ok(())
}

/// As the program reads it: `2026-11-20 10:00:00`. It knows no parts of a second for events, and stops before the first one of that
/// second.
fn datetime(until: &str) -> &str {
    until.split(['+', '.']).next().unwrap_or(until)
}

fn pump(from: &mut ChildStdout, out: &mut Input<'_>, stop: Stop<'_>) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; 256 << 10];
    while !stop() {
        match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Its program fails as well, and says why.
            Err(_) | Ok(0) => return Ok(()),
            Ok(read) => out.write_all(&buffer[..read]).map_err(ArchiveError::Write)?,
        }
    }
    Ok(())
}

fn has(launcher: &Launcher, program: &Path, option: &str, stop: Stop<'_>) -> Result<bool, ToolError> {
    let mut command = launcher.command(program);
    command.args(["--no-defaults", "--help"]);
    let (out, _) = launcher.output(command, HELP_LIMIT_BYTES, stop)?;
    Ok(String::from_utf8_lossy(&out).contains(option))
}

/// The log is read by the account that the scratch server runs as.
fn give(folder: &Path, launcher: &Launcher) -> io::Result<()> {
    launcher.give(folder)?;
    for entry in std::fs::read_dir(folder)? {
        launcher.give(&entry?.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_are_written_as_the_program_reads_them() {
        assert_eq!(super::datetime("2026-11-20 10:00:00+00"), "2026-11-20 10:00:00");
        assert_eq!(super::datetime("2026-11-20 10:00:00.25+00"), "2026-11-20 10:00:00");
    }
}
