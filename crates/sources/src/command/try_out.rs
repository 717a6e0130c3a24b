//! Restoring and proving an output, with the programs that the plan names.

use super::capture::CommandOptions;
use super::truth::{TRUTH, TRUTH_FORMAT, Truth, VERSION};
use crate::adapter::{AdapterError, Blame, Proof, Restored, Stop};
use crate::process::{Launcher, one_line};
use crate::stored::{self, StoredError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use vow_base::id::{Sha256Stream, hex};
use vow_store::archive::{ArchiveError, Snapshot};

/// Gives the output to the plan's `restore_command`.
pub(crate) fn restore(
    options: &CommandOptions,
    snapshot: &Snapshot,
    stop: Stop<'_>,
) -> Result<Restored, AdapterError> {
    if options.restore_command.is_empty() {
        return Err(AdapterError::Unsupported(
            "the plan has no restore_command for this source: restore the output with --target DIR",
        ));
    }
    let truth = truth(snapshot)?;
    let launcher = options.launcher().map_err(|why| AdapterError::Failed(why.into()))?;
    let said = run(&launcher, &options.restore_command, &truth, snapshot, Path::new("/"), stop)?;
    let mut restored = Restored {
        databases: vec![(truth.file.clone(), options.restore_command.join(" "))],
        ..Restored::default()
    };
    restored.notes.extend(Some(said).filter(|said| !said.is_empty()));
    Ok(restored)
}

/// Reads the output again, and gives it to the plan's `prove_command`. Without a plan the content stays unproven.
pub(crate) fn prove(
    options: Option<&CommandOptions>,
    snapshot: &Snapshot,
    place: &Path,
    stop: Stop<'_>,
) -> Result<Proof, AdapterError> {
    let truth = truth(snapshot)?;
    let mut proof = Proof { bytes: truth.bytes, ..Proof::default() };
    let mut seen = Seen { sha256: Sha256Stream::default(), bytes: 0, stop };
    let entry = snapshot.entry(truth.file.as_bytes()).map_err(AdapterError::of)?;
    match snapshot.content(&entry, &mut seen) {
        Ok(_) => {}
        Err(ArchiveError::Write(_)) => return Err(AdapterError::Stopped),
        Err(error) => return Err(AdapterError::of(error)),
    }
    if seen.bytes != truth.bytes || hex(&seen.sha256.finish()) != truth.sha256 {
        proof.problems.push(format!("{} is not what the program wrote", truth.file));
        return Ok(proof);
    }
    proof.compared += 1;
    let Some(options) = options.filter(|options| !options.prove_command.is_empty()) else {
        proof.blocked.push(
            "what the output is worth is for a prove_command in the plan to say, and there is none here"
                .into(),
        );
        return Ok(proof);
    };
    let launcher = options.launcher().map_err(|why| AdapterError::Failed(why.into()))?;
    let folder = tempfile::Builder::new().prefix("vow-command-").tempdir_in(place).map_err(machine)?;
    let prepared = std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700));
    prepared.and_then(|()| launcher.give(folder.path())).map_err(machine)?;
    match run(&launcher, &options.prove_command, &truth, snapshot, folder.path(), stop) {
        Ok(said) => {
            proof.compared += 1;
            proof.notes.extend(Some(said).filter(|said| !said.is_empty()));
        }
        Err(AdapterError::Stopped) => return Err(AdapterError::Stopped),
        Err(error) => proof.problems.push(format!("prove_command: {error}")),
    }
    Ok(proof)
}

fn machine(error: io::Error) -> AdapterError {
    AdapterError::blamed(Blame::Machine, error)
}

fn truth(snapshot: &Snapshot) -> Result<Truth, AdapterError> {
    stored::document(snapshot, TRUTH, TRUTH_FORMAT, VERSION).map_err(AdapterError::of)
}

/// Runs a program of the plan with the output on its input; gives what it says.
fn run(
    launcher: &Launcher,
    words: &[String],
    truth: &Truth,
    snapshot: &Snapshot,
    folder: &Path,
    stop: Stop<'_>,
) -> Result<String, AdapterError> {
    let Some((program, arguments)) = words.split_first() else { return Ok(String::new()) };
    let mut command = launcher.command(Path::new(program));
    command.args(arguments).current_dir(folder).stdout(Stdio::null());
    let ended = stored::feed(snapshot, truth.file.as_bytes(), launcher, command, stop);
    let ended = ended.map_err(|error: StoredError| match error.is_stopped() {
        true => AdapterError::Stopped,
        false => AdapterError::of(error),
    })?;
    Ok(one_line(&ended.said))
}

struct Seen<'s> {
    sha256: Sha256Stream,
    bytes: u64,
    stop: Stop<'s>,
}

impl Write for Seen<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("interrupted"));
        }
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
