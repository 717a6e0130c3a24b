//! The files of a host: one walk over its directories, in the order of the listing.
//!
//! The roots are looked at first (`roots`) and become a plan (`plan`). Threads read directories ahead (`read`) in the order that
//! the `queue` keeps, and the `walk` puts the pieces together. Every call is relative to an open `folder` and follows no
//! symbolic link.

mod adapter;
pub(crate) mod attributes;
mod exclude;
mod folder;
mod in_use;
mod names;
mod plan;
mod pool;
mod queue;
mod read;
mod record;
mod roots;
mod special;
mod sys;
mod tally;
mod views;
mod walk;

pub use adapter::Adapter;
pub use exclude::LeftOut;
pub use views::View;

use exclude::Excludes;
use pool::Pool;
use read::Context;
use roots::{Names, Request};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use views::Views;
use vow_store::source::{Found, Source};
use walk::Walk;

/// What to capture, and what not.
#[derive(Debug, Clone, Default)]
pub struct FilesOptions {
    /// The roots: absolute paths of directories, files or links to them.
    pub paths: Vec<PathBuf>,
    /// Patterns with the rules of `.gitignore`, anchored at the root of the file system. Roots themselves are not subject to
    /// them.
    pub exclude: Vec<String>,
    /// Stay on the file system that each root lies on.
    pub one_file_system: bool,
    /// Leave out the contents of directories marked by a `CACHEDIR.TAG`; roots excepted.
    pub exclude_caches: bool,
    /// Vow's own vaults and state: absolute paths, left out however they are reached.
    pub always_exclude: Vec<PathBuf>,
    /// Threads that read ahead of the caller. With none the caller's thread does everything itself.
    pub threads: usize,
    /// Go on when a root is missing, or is empty though it had content.
    pub allow_empty: bool,
    /// Entries that each root had in the last snapshot, as [`RootCounts::get`] said then; absent or 0: none is known of.
    pub remembered: Vec<(PathBuf, u64)>,
    /// Folders that are read elsewhere: in snapshots of their file systems.
    pub views: Vec<View>,
}

/// Options that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is nothing to do.
    #[error("a source of files needs at least one path")]
    NoPaths,
    /// It depends on where the program was started.
    #[error("the path {path} is not absolute: it must start with /", path = path.display())]
    Relative {
        /// The path.
        path: PathBuf,
    },
    /// It cannot be read as a pattern.
    #[error("the exclude pattern \"{pattern}\" cannot be used: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
}

/// How many entries each root had, to be remembered until the next walk.
#[derive(Debug)]
pub struct RootCounts {
    paths: Vec<PathBuf>,
    counts: Mutex<Vec<u64>>,
}

impl RootCounts {
    /// Each root and the entries found below it; a root that is a file counts as one. All 0 until the walk has ended.
    pub fn get(&self) -> Vec<(PathBuf, u64)> {
        self.paths.iter().cloned().zip(self.lock().iter().copied()).collect()
    }

    /// Adds up what was counted for innermost roots: a root inside another counts for both.
    fn set(&self, innermost: &[u64], targets: &[Option<Names>]) {
        let within = |inner: &Option<Names>, outer: &Names| {
            inner.as_ref().is_some_and(|inner| inner.starts_with(outer))
        };
        let total = |outer: &Option<Names>| {
            let Some(outer) = outer else { return 0 };
            let each = targets.iter().zip(innermost).filter(|(inner, _)| within(inner, outer));
            each.map(|(_, count)| count).sum()
        };
        *self.lock() = targets.iter().map(total).collect();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The adapter. Nothing is read before the first call of [`Source::next`].
pub struct Files {
    stage: Stage,
    counts: Arc<RootCounts>,
}

enum Stage {
    New(Box<Start>),
    Walking(Box<Walk>),
    /// With the error it ended with: asked again, it must not look like a good end.
    Ended(Option<String>),
}

/// Options that were found to make sense.
struct Start {
    roots: Vec<(PathBuf, Names)>,
    never: Vec<Names>,
    excludes: Excludes,
    options: FilesOptions,
}

impl Files {
    /// Checks the options; looks at no path.
    ///
    /// # Errors
    /// When they make no sense.
    pub fn new(options: FilesOptions) -> Result<Self, FilesError> {
        let absolute =
            |path: &PathBuf| roots::names_of(path).ok_or_else(|| FilesError::Relative { path: path.clone() });
        let mut roots: Vec<(PathBuf, Names)> = Vec::new();
        for path in &options.paths {
            let names = absolute(path)?;
            if !roots.iter().any(|(_, other)| *other == names) {
                roots.push((path.clone(), names));
            }
        }
        if roots.is_empty() {
            return Err(FilesError::NoPaths);
        }
        let never = options.always_exclude.iter().map(absolute).collect::<Result<_, _>>()?;
        let excludes = Excludes::new(&options.exclude)?;
        let paths: Vec<_> = roots.iter().map(|(path, _)| path.clone()).collect();
        let counts = Arc::new(RootCounts { counts: Mutex::new(vec![0; paths.len()]), paths });
        Ok(Self { stage: Stage::New(Box::new(Start { roots, never, excludes, options })), counts })
    }

    /// The counts that are complete after the walk.
    pub fn root_counts(&self) -> Arc<RootCounts> {
        Arc::clone(&self.counts)
    }

    fn go_on(&mut self, mut walk: Box<Walk>) -> Result<Option<Vec<Found>>, String> {
        let batch = walk.next(&self.counts)?;
        if batch.is_some() {
            self.stage = Stage::Walking(walk);
        }
        Ok(batch)
    }
}

impl Start {
    fn walk(self) -> Result<Walk, String> {
        let Self { roots, never, excludes, options } = self;
        let pool = Arc::new(Pool::new(pool::raise_file_limit()));
        let views = Views::new(&options.views)?;
        let request = Request {
            roots: &roots,
            views: &views,
            remembered: &options.remembered,
            allow_empty: options.allow_empty,
            always_exclude: &never,
        };
        let mut survey = roots::survey(&request)?;
        if !attributes::has_proc() {
            let text =
                "/proc is not mounted: extended attributes of symbolic links and devices are not captured";
            survey.notes.push(text.to_owned());
        }
        let never = std::mem::take(&mut survey.never);
        let FilesOptions { one_file_system, exclude_caches, threads, .. } = options;
        let context = |plan| Context { plan, excludes, never, one_file_system, exclude_caches, pool };
        Ok(Walk::start(survey, context, threads))
    }
}

impl Source for Files {
    fn next(&mut self) -> Result<Option<Vec<Found>>, String> {
        let next = match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::New(start) => start.walk().and_then(|walk| self.go_on(Box::new(walk))),
            Stage::Walking(walk) => self.go_on(walk),
            Stage::Ended(error) => error.map_or(Ok(None), Err),
        };
        if let Err(error) = &next {
            self.stage = Stage::Ended(Some(error.clone()));
        }
        next
    }
}
