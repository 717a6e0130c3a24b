//! Bringing about one moment, and ending it whatever happens.

use super::hook::{self, Heard, Result as Went, Told};
use super::provider::{How, PREFIX, Taken, announce, provider};
use super::record::{Held, Record, recorded};
use super::volumes::{self, Found};
use super::{CoherenceError, Group};
use crate::adapter::Reads;
use crate::files::View;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vow_base::clock::{Clock, Nanos, SystemClock};
use vow_base::id::hex;

/// What is to be begun.
pub struct Begin<'b> {
    /// The group.
    pub group: &'b Group,
    /// Where records of what is open are kept.
    pub folder: &'b Path,
    /// Marks snapshots as those of this host: its public key.
    pub host: &'b [u8],
    /// The run.
    pub run: &'b [u8; 16],
    /// Sources that are read file by file.
    pub reads: Vec<(&'b str, Reads<'b>)>,
}

/// What was left behind by a run that was killed, and closed now; or what became of one that could not be begun.
#[derive(Debug, Default)]
pub struct Left {
    /// The group.
    pub group: String,
    /// Hooks that were run.
    pub heard: Vec<Heard>,
    /// What could not be closed, and stays on record.
    pub problems: Vec<String>,
    /// Snapshots that were removed.
    pub removed: Vec<String>,
}

/// A moment that is held.
pub struct Gathering {
    open: Mutex<Open>,
    told: Told,
    /// Random: the same for everything captured at this moment.
    pub id: [u8; 16],
    /// The moment: everything that changed since may not be in it. Nanoseconds since 1970.
    pub moment: Nanos,
    /// What the hooks before it said, and what was found left behind.
    pub begun: Left,
    /// Where files are to be read.
    pub views: Vec<View>,
    /// Sources, and what of them is not of the moment.
    pub problems: Vec<(String, String)>,
}

/// What is on record, by whoever holds the group.
struct Open {
    held: Held,
    record: Record,
}

/// Closes what runs that were killed have left open: hooks first. Groups that other runs hold are theirs.
pub fn settle(folder: &Path) -> Vec<Left> {
    let problem = |group: &str, error: &CoherenceError| Left {
        group: group.to_owned(),
        problems: vec![format!("what a killed run has left open cannot be closed: {error}")],
        ..Left::default()
    };
    let groups = match recorded(folder) {
        Ok(groups) => groups,
        Err(source) => {
            return vec![problem("", &CoherenceError::Record { path: folder.to_owned(), source })];
        }
    };
    let one = |group: &String| match Held::take(folder, group) {
        Ok(None) => None,
        Ok(Some(held)) => match held.read() {
            Ok(None) => None,
            Ok(Some(record)) => Some(Open { held, record }.settle()),
            Err(error) => Some(problem(group, &error)),
        },
        Err(error) => Some(problem(group, &error)),
    };
    groups.iter().filter_map(one).collect()
}

impl Open {
    fn settle(mut self) -> Left {
        let told = Told {
            group: self.record.group.clone(),
            sources: self.record.sources.clone(),
            run: self.record.run.clone(),
            result: Some(Went::LeftOpen),
            snapshots: Vec::new(),
        };
        self.close(&told)
    }

    fn close(&mut self, told: &Told) -> Left {
        let (heard, problem) = self.release(told);
        let mut left = Left { group: self.record.group.clone(), heard, ..Left::default() };
        left.problems.extend(problem);
        let mut stay = Vec::new();
        for taken in std::mem::take(&mut self.record.taken).into_iter().rev() {
            let removed = provider(&taken.kind).map_or(Ok(()), |provider| provider.remove(&taken));
            match removed {
                Ok(()) => left.removed.push(format!("{} of {}", taken.name, taken.at.display())),
                Err(error) => {
                    let (name, at) = (&taken.name, taken.at.display());
                    left.problems.push(format!("the snapshot {name} of {at} cannot be removed: {error}"));
                    stay.push(taken);
                }
            }
        }
        stay.reverse();
        self.record.taken = stay;
        left.problems.extend(self.held.write(&self.record).err().map(|error| error.to_string()));
        left
    }

    /// Runs the hooks after it, once.
    fn release(&mut self, told: &Told) -> (Vec<Heard>, Option<String>) {
        let Some(hooks) = self.record.hooks.clone() else { return (Vec::new(), None) };
        let heard = hook::run_after(&hooks, told);
        self.record.hooks = None;
        (heard, self.held.write(&self.record).err().map(|error| error.to_string()))
    }

    /// Makes the snapshots that were announced: those behind so many that are there.
    fn take(&mut self, there: usize) -> Result<(), CoherenceError> {
        let mut kinds: Vec<String> = Vec::new();
        for taken in &self.record.taken[there..] {
            if !kinds.contains(&taken.kind) {
                kinds.push(taken.kind.clone());
            }
        }
        for kind in kinds {
            let Some(provider) = provider(&kind) else { continue };
            let announced = self.record.taken[there..].iter();
            let mut of_kind: Vec<Taken> = announced.filter(|taken| taken.kind == kind).cloned().collect();
            let made = provider.take(&mut of_kind);
            for taken in of_kind {
                if let Some(known) = self.record.taken.iter_mut().find(|known| known.name == taken.name) {
                    *known = taken;
                }
            }
            made?;
        }
        self.held.write(&self.record)
    }
}

impl Gathering {
    /// Runs the hooks before it and takes the snapshots. When that fails everything is closed again.
    ///
    /// # Errors
    /// Why it failed, and what became of what had been begun.
    pub fn begin(begin: &Begin<'_>, stop: &dyn Fn() -> bool) -> Result<Self, Box<(CoherenceError, Left)>> {
        let mut left = Left { group: begin.group.name.clone(), ..Left::default() };
        match attempt(begin, stop, &mut left) {
            Ok(gathering) => Ok(gathering),
            Err(error) => Err(Box::new((error, left))),
        }
    }

    /// Runs the hooks after it: from now on programs go on. Only the first call does anything.
    pub fn release(&self, went: Went, snapshots: Vec<String>) -> Left {
        let told = Told { result: Some(went), snapshots, ..self.told.clone() };
        let mut open = self.open();
        let (heard, problem) = open.release(&told);
        let problems = problem.into_iter().collect();
        Left { group: told.group, heard, problems, ..Left::default() }
    }

    /// Ends it: hooks, if they were not run yet, and the snapshots. Only the first call does anything.
    pub fn close(&self, went: Went) -> Left {
        let told = Told { result: Some(went), ..self.told.clone() };
        self.open().close(&told)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        // Closed already, unless something ended that was not meant to.
        self.close(Went::Failed);
    }
}

fn attempt(begin: &Begin<'_>, stop: &dyn Fn() -> bool, left: &mut Left) -> Result<Gathering, CoherenceError> {
    let group = begin.group;
    let mut id = [0; 16];
    let seed = vow_base::sign::random_run_id().map_err(|error| CoherenceError::Random(error.to_string()))?;
    id.copy_from_slice(&seed);
    let Some(held) = Held::take(begin.folder, &group.name)? else {
        return Err(CoherenceError::Busy(group.name.clone()));
    };
    if let Some(record) = held.read()? {
        let mut open = Open { held, record };
        let told = Told { result: Some(Went::LeftOpen), ..told(begin) };
        let closed = open.close(&told);
        left.heard.extend(closed.heard);
        left.problems.extend(closed.problems);
        return prepared(begin, open.held, open.record.taken, id, stop, left);
    }
    prepared(begin, held, Vec::new(), id, stop, left)
}

fn told(begin: &Begin<'_>) -> Told {
    Told {
        group: begin.group.name.clone(),
        sources: begin.group.sources.clone(),
        run: hex(begin.run),
        ..Told::default()
    }
}

/// Goes on with a group that nothing is open of but `stuck`: snapshots that could not be removed.
fn prepared(
    begin: &Begin<'_>,
    held: Held,
    stuck: Vec<Taken>,
    id: [u8; 16],
    stop: &dyn Fn() -> bool,
    left: &mut Left,
) -> Result<Gathering, CoherenceError> {
    let (group, told) = (begin.group, told(begin));
    // Whatever takes long is done while programs still go on.
    let (found, announced) = match &group.snapshot {
        Some(how) => plan(begin, how, &id, left)?,
        None => (Found::default(), Vec::new()),
    };
    let mut record = Record::new(&group.name, &group.sources, &told.run, group.hooks.clone());
    record.hooks = record.hooks.filter(|hooks| !hooks.is_empty());
    record.taken = stuck;
    let stuck = record.taken.len();
    let mut open = Open { held, record };
    open.held.write(&open.record)?;
    let mut heard = Vec::new();
    let begun = hook::run_before(&group.hooks, &told, stop, &mut heard);
    let moment = SystemClock.now();
    let begun = begun.and_then(|()| {
        open.record.taken.extend(announced);
        open.held.write(&open.record)?;
        open.take(stuck)
    });
    let begun = begun.and_then(|()| if stop() { Err(CoherenceError::Stopped) } else { Ok(()) });
    if let Err(error) = begun {
        let went = if matches!(error, CoherenceError::Stopped) { Went::Interrupted } else { Went::Failed };
        let closed = open.close(&Told { result: Some(went), ..told });
        left.heard.extend(heard.into_iter().chain(closed.heard));
        left.problems.extend(closed.problems);
        return Err(error);
    }
    let held = open.record.taken[stuck..].iter();
    let mut views: Vec<_> =
        held.map(|taken| View { at: taken.at.clone(), from: taken.from.clone(), held: true }).collect();
    views.extend(found.live.into_iter().map(|(at, held)| View { from: at.clone(), at, held }));
    left.heard.append(&mut heard);
    let begun = std::mem::take(left);
    Ok(Gathering { open: Mutex::new(open), told, id, moment, begun, views, problems: found.problems })
}

/// What has to be held, and how it will be called; left-over snapshots of the same are removed.
fn plan(
    begin: &Begin<'_>,
    how: &How,
    id: &[u8; 16],
    left: &mut Left,
) -> Result<(Found, Vec<Taken>), CoherenceError> {
    let found = volumes::look(how, &begin.reads, &volumes::mountinfo()?)?;
    let mark = volumes::mark(&[begin.host, begin.group.name.as_bytes()].concat());
    let (prefix, id) = (format!("{PREFIX}{mark}-"), &hex(id)[..12]);
    let mounts = begin.folder.join("mounted");
    let name = |at| format!("{prefix}{id}-{at}");
    let announced: Vec<_> = found
        .volumes
        .iter()
        .enumerate()
        .map(|(at, volume)| announce(how, volume, name(at), &mounts))
        .collect();
    for taken in &announced {
        let Some(provider) = provider(&taken.kind) else { continue };
        for one in provider.left_over(taken, &prefix)? {
            match provider.remove(&one) {
                Ok(()) => left.removed.push(format!("{} of {}", one.name, one.at.display())),
                Err(error) => left.problems.push(format!("{} cannot be removed: {error}", one.name)),
            }
        }
    }
    Ok((found, announced))
}
