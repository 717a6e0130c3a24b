//! Whatever else can make snapshots: programs of the user's, without a shell.

use super::{Provider, Taken, unexpected};
use crate::coherence::CoherenceError;
use crate::process::{Launcher, ToolError};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const KIND: &str = "command";
/// The path that a program prints is shorter than this.
const ANSWER_BYTES: usize = 64 << 10;

pub(super) struct Own;

impl Provider for Own {
    fn take(&self, taken: &mut [Taken]) -> Result<(), CoherenceError> {
        for one in taken {
            let said = run(&one.making.take, one)?;
            let line = said.split(|byte| *byte == b'\n').rfind(|line| !line.trim_ascii().is_empty());
            let folder = PathBuf::from(OsString::from_vec(line.unwrap_or_default().to_vec()));
            let program = || one.making.take.first().map_or("", String::as_str).to_owned();
            if !folder.is_absolute() {
                let said = String::from_utf8_lossy(&said).into_owned();
                return Err(unexpected(&program(), &format!("{said:?}, and not the folder of the snapshot")));
            }
            one.from = folder.canonicalize().map_err(|error| {
                unexpected(&program(), &format!("{}, which cannot be found: {error}", folder.display()))
            })?;
        }
        Ok(())
    }

    fn remove(&self, taken: &Taken) -> Result<(), CoherenceError> {
        if taken.drop.is_empty() { Ok(()) } else { run(&taken.drop, taken).map(drop) }
    }

    /// What it has made only its programs know; its record says what to remove.
    fn left_over(&self, _: &Taken, _: &str) -> Result<Vec<Taken>, CoherenceError> {
        Ok(Vec::new())
    }
}

fn run(words: &[String], taken: &Taken) -> Result<Vec<u8>, CoherenceError> {
    let Some((program, arguments)) = words.split_first() else { return Ok(Vec::new()) };
    let launcher = Launcher::default();
    let mut command = launcher.command(Path::new(program));
    command.args(arguments).env("VOW_NAME", &taken.name).env("VOW_VOLUME", &taken.at);
    command.env("VOW_FOLDER", &taken.from);
    let (began, limit) = (Instant::now(), Duration::from_secs(taken.limit_secs));
    let (said, ended) =
        launcher.output(command, ANSWER_BYTES, &|| began.elapsed() > limit).map_err(|e| match e {
            ToolError::Stopped => ToolError::Failed {
                program: program.clone(),
                how: format!("ended after {} s", taken.limit_secs),
                said: "it took longer than hook_secs".to_owned(),
            },
            error => error,
        })?;
    ended.expect_success()?;
    Ok(said)
}
