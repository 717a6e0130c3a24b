//! The private folder that a binary log is received into, and what is finished there as a source.

use super::super::error::MariaDbError;
use super::events::{Ending, ending};
use super::names::{LogName, missing};
use crate::adapter::{Begun, Capture, Discovered, Memory, Run};
use crate::receiving::{LogSpool, Memo};
use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Files in one snapshot: a spool that filled while no vault was there is sent in several.
const FILES_AT_ONCE: usize = 64;
/// What to do about a log that does not go on.
const ADVICE: &str = "no moment after it can be gone back to from an earlier snapshot; make a new one";

/// The folder.
#[derive(Debug)]
pub(super) struct Spool {
    pub(super) log: Arc<LogSpool>,
    /// What the server's files are called now. Files of another name are of before: nothing comes after them any more.
    base: String,
    /// Files that were looked through, with their lengths then.
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// The length of a file when it was looked through, and what came of that.
type Seen = (u64, Result<Ending, String>);

/// What is in it.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Finished and not captured, in their order.
    pub(super) finished: Vec<LogName>,
    /// The first one that is not whole, and why.
    pub(super) broken: Option<(LogName, String)>,
}

impl Spool {
    pub(super) fn new(log: LogSpool, base: String) -> Self {
        Self { log: Arc::new(log), base, seen: Mutex::default() }
    }

    /// Every file of a log in it, in order.
    pub(super) fn names(&self) -> Result<Vec<LogName>, MariaDbError> {
        names_in(&self.log.folder)
    }

    /// What is finished: a file is when there is a later one, and when it is whole. `sizes` are those that the server says. Files from
    /// before the server called them otherwise come first, on their own.
    pub(super) fn look(&self, sizes: &BTreeMap<String, u64>) -> Result<Inside, MariaDbError> {
        let captured = self.captured();
        let mut names = self.names()?;
        names.retain(|name| {
            captured.as_ref().is_none_or(|last| name.base != last.base || name.number > last.number)
        });
        match names.iter().find(|name| name.base != self.base).map(|name| name.base.clone()) {
            Some(before) => names.retain(|name| name.base == before),
            // The newest one still grows.
            None => drop(names.pop()),
        }
        let mut inside = Inside::default();
        for name in names {
            match self.whole(&name, sizes)? {
                None => inside.finished.push(name),
                Some(why) => {
                    inside.broken = Some((name, why));
                    // What follows it goes on from nothing.
                    break;
                }
            }
        }
        Ok(inside)
    }

    /// Why a file is not whole.
    fn whole(&self, name: &LogName, sizes: &BTreeMap<String, u64>) -> Result<Option<String>, MariaDbError> {
        let path = self.log.folder.join(name.to_string());
        let file = fs::File::open(&path).map_err(MariaDbError::io("open", &path))?;
        let length = file.metadata().map_err(MariaDbError::io("look at", &path))?.len();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.get(&name.to_string()).filter(|(before, _)| *before == length).cloned();
        let (_, ending) = known.unwrap_or_else(|| {
            let looked = (length, ending(BufReader::with_capacity(256 << 10, file)));
            seen.insert(name.to_string(), looked.clone());
            looked
        });
        Ok(match (ending, sizes.get(&name.to_string())) {
            (Err(why), _) => Some(why),
            (Ok(_), Some(size)) if *size == length => None,
            (Ok(_), Some(size)) => Some(format!("has {length} bytes, and the server has {size}")),
            (Ok(ending), None) if ending.is_closed => None,
            // A server that crashed ends a file so; but then it would still have it.
            (Ok(_), None) => {
                Some("does not end as a server ends one, and the server does not have it any more".into())
            }
        })
    }

    /// That a file does not go on where the one before it ends, as a sentence. `before` is the last one that was captured.
    fn anew(&self, before: Option<(LogName, Ending)>, finished: &[LogName]) -> Option<String> {
        let mut last = before;
        for name in finished {
            let now = self.ending(name)?;
            if let Some((last, _)) = last.filter(|(_, last)| !last.is_followed_by(&now)) {
                return Some(format!(
                    "the binary log begins anew: {name} does not go on where {last} ends: {ADVICE}"
                ));
            }
            last = Some((name.clone(), now));
        }
        None
    }

    fn ending(&self, name: &LogName) -> Option<Ending> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, Ok(ending))) = seen.get(&name.to_string()) {
            return Some(ending.clone());
        }
        drop(seen);
        let file = fs::File::open(self.log.folder.join(name.to_string())).ok()?;
        ending(BufReader::with_capacity(256 << 10, file)).ok()
    }

    /// Whether the server itself ended a file that is here.
    pub(super) fn is_closed(&self, name: &LogName) -> bool {
        self.ending(name).is_some_and(|ending| ending.is_closed)
    }

    /// The last file that was captured, as far as the spool knows.
    pub(super) fn captured(&self) -> Option<LogName> {
        LogName::parse(&self.log.captured()?)
    }

    /// The server has begun its numbers anew: what is here is of before.
    pub(super) fn begin_anew(&self) -> Result<(), MariaDbError> {
        self.names()?.iter().try_for_each(|name| self.remove(name))?;
        Ok(self.log.forget_captured()?)
    }

    /// Removes what was captured.
    pub(super) fn forget(&self) -> Result<(), MariaDbError> {
        let Some(captured) = self.captured() else { return Ok(()) };
        for name in self.names()?.into_iter().filter(|name| name.base == captured.base) {
            if name.number <= captured.number {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &LogName) -> Result<(), MariaDbError> {
        Ok(self.log.remove(&name.to_string())?)
    }
}

/// Every file of a binary log in a folder, in order.
pub(super) fn names_in(folder: &Path) -> Result<Vec<LogName>, MariaDbError> {
    let list = || {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<std::io::Result<Vec<_>>>()
    };
    let all = list().map_err(MariaDbError::io("read", folder))?;
    let mut names: Vec<_> = all.iter().filter_map(|name| LogName::parse(name)).collect();
    names.sort();
    Ok(names)
}

/// Finished files as a source.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) spool: Arc<Spool>,
    pub(super) sizes: BTreeMap<String, u64>,
}

impl Capture for Finished {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let Inside { mut finished, .. } = self.spool.look(&self.sizes).map_err(|e| e.to_string())?;
        finished.truncate(FILES_AT_ONCE);
        let before = Memo::of(run, "the binary log")?;
        let ended = before.as_ref().and_then(|before| {
            Some((LogName::parse(&before.last)?, Ending::remembered(before.end.as_deref()?)?))
        });
        let problem = before
            .and_then(|before| gap(&self.spool, &before, &finished))
            .or_else(|| self.spool.anew(ended, &finished));
        let last = finished.last().map(LogName::to_string);
        let end = finished.last().and_then(|last| self.spool.ending(last)?.to_remember());
        let mut names: Vec<_> = finished.iter().map(LogName::to_string).collect();
        // The order of a listing; numbers can have more digits one day.
        names.sort();
        Ok(self.spool.log.begin(names, last.map(|last| (last, end)), problem))
    }

    fn covers(&self, _found: &Discovered) -> bool {
        false
    }

    fn memory(&self) -> Memory {
        Memory::Helps("a gap in the binary log before this would not be noticed now, but at a restore")
    }
}

/// What is missing between the last capture and this one, as a sentence.
fn gap(spool: &Spool, before: &Memo, finished: &[LogName]) -> Option<String> {
    if let Some(other) = spool.log.other_server(before) {
        return Some(format!("{other}: {ADVICE}"));
    }
    let last = LogName::parse(&before.last)?;
    let first = finished.first()?;
    if first.base != last.base || first.number <= last.number {
        return Some(format!("the binary log begins anew: {first} comes after {last}: {ADVICE}"));
    }
    missing(&last.with(last.number + 1), finished).map(|gap| format!("{gap}: {ADVICE}"))
}

#[cfg(test)]
mod tests {
    use super::super::events::whole_file;
    use super::*;

    #[test]
    fn what_is_left_of_a_log_of_another_name_comes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, is_closed| {
            fs::write(folder.path().join(name), whole_file(is_closed)).expect("written")
        };
        for (name, is_closed) in [("zz-old.000008", true), ("zz-old.000009", true), ("aa-new.000001", true)] {
            put(name, is_closed);
        }
        // The one that still grows.
        put("aa-new.000002", false);
        let log = LogSpool { folder: folder.path().to_owned(), identifier: "s".into() };
        let spool = Spool::new(log, "aa-new".into());
        let sizes = BTreeMap::from([("aa-new.000001".to_owned(), whole_file(true).len() as u64)]);
        let look = || {
            let Inside { finished, broken } = spool.look(&sizes).expect("looked");
            (
                finished.iter().map(LogName::to_string).collect::<Vec<_>>(),
                broken.map(|(name, _)| name.to_string()),
            )
        };
        assert_eq!(look(), (vec!["zz-old.000008".into(), "zz-old.000009".into()], None));
        fs::write(folder.path().join("captured"), "zz-old.000009").expect("written");
        spool.forget().expect("forgotten");
        assert_eq!(look(), (vec!["aa-new.000001".into()], None));
        assert!(!folder.path().join("zz-old.000009").exists());
        // What the server no longer has and did not end itself is not whole.
        put("zz-old.000010", false);
        assert_eq!(look(), (Vec::new(), Some("zz-old.000010".into())));
    }
}
