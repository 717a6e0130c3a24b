//! What receivers of logs have in common: a program that runs on and writes into a private folder of ours, which knows whose log it is
//! and what of it was captured, and the capture of what is finished there.

use crate::adapter::{Begun, Run, Stop};
use crate::process::{Launcher, Running, one_line};
use crate::spooled::Files;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vow_base::disk::DiskError;

/// How long a look lasts.
const LOOK: Duration = Duration::from_millis(500);
/// How long a program may take to end.
const END: Duration = Duration::from_secs(5);
/// Where the folder says what of it was captured.
const CAPTURED: &str = "captured";

/// The folder.
#[derive(Debug)]
pub(crate) struct LogSpool {
    pub(crate) folder: PathBuf,
    /// Which server the log is of.
    pub(crate) identifier: String,
}

/// Why the folder cannot be used.
#[derive(Debug)]
pub(crate) enum SpoolError {
    /// A file of it failed.
    Disk(DiskError),
    /// The account of the programs does not get there.
    NoWay(String),
}

impl From<DiskError> for SpoolError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// What was captured last, as the next capture wants to know it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Memo {
    identifier: String,
    /// The last piece.
    pub(crate) last: String,
    /// What the next piece must go on from, in the words of its kind, where it has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
}

impl LogSpool {
    /// Makes the folder; the account of the programs must get there. `key` names another place in the plan.
    pub(crate) fn prepare(&self, launcher: &Launcher, key: &str) -> Result<(), SpoolError> {
        let folder = &self.folder;
        if !folder.exists() {
            let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(folder);
            made.and_then(|()| launcher.give(folder)).map_err(DiskError::at("make the spool", folder))?;
        }
        let account = launcher.account();
        match account.cannot_enter(folder) {
            None => Ok(()),
            Some(above) => Err(SpoolError::NoWay(format!(
                "the account {} cannot get into {}, where the log would be received; name another place with {key}",
                account.name,
                above.display()
            ))),
        }
    }

    /// Every name in it.
    pub(crate) fn names(&self) -> Result<Vec<String>, SpoolError> {
        let list = || {
            let names = fs::read_dir(&self.folder)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect::<std::io::Result<Vec<_>>>()
        };
        Ok(list().map_err(DiskError::at("read", &self.folder))?)
    }

    /// The last piece that was captured, as far as the folder knows.
    pub(crate) fn captured(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(CAPTURED)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn set_captured(&self, last: &str) -> std::io::Result<()> {
        let (path, temporary) = (self.folder.join(CAPTURED), self.folder.join("captured.new"));
        fs::write(&temporary, last)?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, &path)
    }

    /// What was captured is of no use any more.
    pub(crate) fn forget_captured(&self) -> Result<(), SpoolError> {
        let path = self.folder.join(CAPTURED);
        Ok(fs::remove_file(&path).map_err(DiskError::at("remove", &path))?)
    }

    /// Removes a piece.
    pub(crate) fn remove(&self, name: &str) -> Result<(), SpoolError> {
        let path = self.folder.join(name);
        Ok(fs::remove_file(&path).map_err(DiskError::at("remove", &path))?)
    }

    /// That another server answers than the one that was captured before, as a sentence.
    pub(crate) fn other_server(&self, before: &Memo) -> Option<String> {
        (before.identifier != self.identifier).then(|| {
            format!(
                "another server answers: its system identifier is {}, and the log before was of {}",
                self.identifier, before.identifier
            )
        })
    }

    /// The capture of these pieces, in the order of a listing. That `last` was captured, with its end, is remembered when it was.
    pub(crate) fn begin(
        self: &Arc<Self>,
        names: Vec<String>,
        last: Option<(String, Option<String>)>,
        problem: Option<String>,
    ) -> Begun {
        let memo = last.map(|(last, end)| Memo { identifier: self.identifier.clone(), last, end });
        let spool = Arc::clone(self);
        let remember = Box::new(move || {
            let memo = memo.as_ref()?;
            // Said here first: captured twice is no harm, removed without having been captured would be.
            spool.set_captured(&memo.last).ok()?;
            serde_json::to_string(memo).ok()
        });
        let source = Box::new(Files::new(self.folder.clone(), names, problem.into_iter().collect()));
        Begun { source, warnings: Vec::new(), remember }
    }
}

impl Memo {
    /// What an earlier capture of `what` has left.
    pub(crate) fn of(run: &Run, what: &str) -> Result<Option<Self>, String> {
        let read = run.remembered.as_deref().map(serde_json::from_str).transpose();
        read.map_err(|error| format!("the record of {what}: {error}"))
    }
}

/// Waits for as long as a look lasts.
pub(crate) fn pause(stop: Stop<'_>) {
    let began = Instant::now();
    while began.elapsed() < LOOK && !stop() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the program said at its end, when it is not there any more.
pub(crate) fn ended(running: &mut Option<Running>) -> Option<String> {
    if running.as_mut().is_some_and(|running| !running.has_ended()) {
        return None;
    }
    Some(match running.take().map(|running| running.wait_at_most(END)) {
        Some(Ok(ended)) if !ended.said.is_empty() => one_line(&ended.said),
        _ => "it said nothing".to_owned(),
    })
}
