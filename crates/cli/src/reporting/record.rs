//! The last run of each source, as it was reported: for people on this host, and for the agent, to see whether a run spoke for itself.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use vow_protocol::report::RunReport;

/// Remembers a run as the last one of its source.
pub(crate) fn remember_run(state: &Path, run: &RunReport) -> std::io::Result<()> {
    let path = file(state, &run.source);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(state))?;
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file =
        fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    file.write_all(&serde_json::to_vec(run)?)?;
    fs::rename(&unfinished, &path)
}

/// The last run of a source.
pub(crate) fn last_run(state: &Path, source: &str) -> Option<RunReport> {
    serde_json::from_slice(&fs::read(file(state, source)).ok()?).ok()
}

fn file(state: &Path, source: &str) -> PathBuf {
    state.join("runs").join(format!("{source}.json"))
}
