//! What every scratch server is in the end: a process, and a private folder that goes away after it.

use crate::process::{Ended, Running, ToolError};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// How long it may take to end.
const END: Duration = Duration::from_secs(10);

/// A server that is thrown away with its value: nothing in it is worth keeping.
pub(crate) struct Throwaway {
    running: Option<Running>,
    folder: Option<TempDir>,
    /// What ends such a server, with all its processes, at once.
    signal: Signal,
}

impl Throwaway {
    pub(crate) fn new(running: Running, folder: TempDir, signal: Signal) -> Self {
        Self { running: Some(running), folder: Some(folder), signal }
    }

    /// Its private folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("/nonexistent"), |folder| folder.path())
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.running.as_mut().is_none_or(Running::has_ended)
    }

    /// What it said, when it has ended by itself.
    pub(crate) fn said(&mut self) -> String {
        let ended = self.running.take().map(|running| running.wait_at_most(END));
        ended.and_then(Result::ok).map(|ended| ended.said).unwrap_or_default()
    }

    /// Waits for the end of one that was asked to end in an orderly way.
    pub(crate) fn wait(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<Ended>, ToolError> {
        self.running.take().map(|running| running.wait(stop)).transpose()
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            if let Some(pid) = i32::try_from(running.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, self.signal);
            }
            let _ = running.wait_at_most(END);
        }
        if let Some(folder) = self.folder.take() {
            let _ = folder.close();
        }
    }
}
