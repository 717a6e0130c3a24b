//! A data directory out of the stream of a snapshot: unpacked, and its log applied.

use super::super::error::MariaDbError;
use super::super::session::Stop;
use super::super::stored::Stored;
use super::super::tools::Tools;
use super::capture::STREAM;
use super::mbstream::Reading;
use super::tool;
use crate::process::Launcher;
use crate::stored::feed_checked;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Stdio;

/// What the program writes about the settings that the files need.
const OPTIONS: &str = "backup-my.cnf";
/// Those of them that a server which starts from the files must have.
const NEEDED: &[&str] = &["innodb_checksum_algorithm", "innodb_data_file_path", "innodb_page_size"];

/// Makes a data directory at `data`, which must not exist, that belongs to the account of the launcher.
pub(crate) fn unpack(
    stored: &Stored<'_>,
    tools: &Tools,
    launcher: &Launcher,
    data: &Path,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    tool::version(tools, launcher, &stored.facts.server_version, stop)?;
    fs::DirBuilder::new().mode(0o700).create(data).map_err(MariaDbError::io("make", data))?;
    launcher.give(data).map_err(MariaDbError::io("give away", data))?;
    let mut command = launcher.command(&tools.program("mbstream")?);
    command.arg("-x").arg("-C").arg(data).stdout(Stdio::null());
    // The stream comes from a host that may be somebody else's by now: no path of it may lead out of the folder.
    let mut reading = Reading::default();
    let mut check = |bytes: &[u8]| reading.feed(bytes).map_err(|why| format!("the stream {why}"));
    feed_checked(stored.snapshot(), STREAM.as_bytes(), (launcher, command), &mut check, stop)?;
    reading.finish().map_err(|why| MariaDbError::content(STREAM, format!("the stream {why}")))?;
    let mut command = launcher.command(&tools.program(tool::PROGRAM)?);
    command.args(["--no-defaults", "--prepare"]).arg(format!("--target-dir={}", data.display()));
    // The folder for temporary files of the machine may be full, or closed to this account.
    command.arg(format!("--tmpdir={}", data.display()));
    command.stdout(Stdio::null());
    let ended = launcher.start_watched(command, |_| {})?.wait(stop)?;
    tool::ended_well(&ended)
        .map_err(|why| MariaDbError::content(STREAM, format!("it cannot be prepared: {why}")))
}

/// Lines of an option file for a server that starts from these files.
pub(crate) fn settings(data: &Path) -> Result<String, MariaDbError> {
    let path = data.join(OPTIONS);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(needed(&text)),
        // A server that was made here has none.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(MariaDbError::io("read", &path)(error)),
    }
}

fn needed(text: &str) -> String {
    let wanted = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        // A path would lead to the files of another server.
        NEEDED.contains(&name) && !line.contains('/')
    };
    text.lines().filter(wanted).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_settings_of_the_files_are_taken() {
        let text = "[mysqld]\ninnodb_data_file_path=ibdata1:12M:autoextend\ninnodb_undo_directory=/elsewhere\ninnodb_page_size=16384\n\
            plugin_load=evil\ninnodb_data_file_path=/elsewhere/ibdata1:12M\n";
        assert_eq!(
            super::needed(text),
            "innodb_data_file_path=ibdata1:12M:autoextend\ninnodb_page_size=16384\n"
        );
    }
}
