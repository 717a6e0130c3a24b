//! One piece of the walk: opening and listing a directory, and asking about its entries. Runs on any thread.

use super::exclude::Excludes;
use super::folder::Dir;
use super::in_use;
use super::names::{Hint, Names, NamesBuffer};
use super::plan::{Place, Plan};
use super::pool::Pool;
use super::special;
use super::sys::{self, Seen};
use super::tally::Tally;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::ops::Range;
use std::sync::Arc;
use vow_store::listing::entry::display_path;
use vow_store::listing::{Kind, path};
use vow_store::source::{Found, Stat};

/// Entries asked about in one piece: a larger directory is divided, so that several threads share it and no more than some
/// pieces are ever in memory.
pub(crate) const PIECE_ENTRIES: usize = 2048;

/// What holds for the whole walk.
pub(crate) struct Context {
    pub(crate) plan: Plan,
    pub(crate) excludes: Excludes,
    /// Device and inode of the directories that are not captured in any case, however they are reached.
    pub(crate) never: Vec<(u64, u64)>,
    pub(crate) one_file_system: bool,
    pub(crate) exclude_caches: bool,
    pub(crate) pool: Arc<Pool>,
}

/// What holds in a directory.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    /// Where it is in the plan, while the plan knows something about it or below it.
    pub(crate) place: Option<Place>,
    /// The innermost root it belongs to; none when it is only on the way to one.
    pub(crate) root: Option<u32>,
    /// It is that root itself.
    pub(crate) explicit: bool,
    /// The device of that root.
    pub(crate) device: u64,
}

/// A piece to do.
pub(crate) enum Work {
    /// Open a directory and list it; without a parent, the root of the file system.
    Dir { parent: Option<Arc<Dir>>, name: Box<[u8]>, scope: Scope },
    /// Ask about some names of a large directory.
    Piece { dir: Arc<Dir>, names: Arc<Names>, range: Range<usize>, scope: Scope },
}

/// An entry to report.
pub(crate) struct Entry {
    /// Which of the names.
    pub(crate) name: usize,
    pub(crate) stat: Stat,
    /// The root it counts for.
    pub(crate) root: Option<u32>,
    /// Its contents are a piece of their own.
    pub(crate) descend: bool,
    pub(crate) ancestor: bool,
}

/// What became of a piece.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The directory; none when it could not be opened.
    pub(crate) dir: Option<Arc<Dir>>,
    pub(crate) names: Arc<Names>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) found: Vec<Found>,
    pub(crate) tally: Tally,
    /// The work that follows from it, in order: one for each entry to descend into, or else the pieces of a large directory.
    pub(crate) work: Vec<Work>,
    /// The numbers that the queue gave to that work.
    pub(crate) numbers: Vec<u32>,
    /// A fault of this program: the walk cannot go on.
    pub(crate) fault: Option<String>,
}

impl Outcome {
    fn problem(&mut self, path: Vec<u8>, text: impl Into<String>) {
        self.found.push(Found::Problem { path, text: text.into() });
    }

    fn note(&mut self, path: &[u8], text: &str) {
        self.found.push(Found::Note(format!("{} {text}", display_path(path))));
    }
}

impl Context {
    /// Does a piece. What goes wrong is part of the outcome.
    pub(crate) fn perform(&self, work: Work, buffer: &mut NamesBuffer) -> Outcome {
        let mut outcome = Outcome::default();
        match work {
            Work::Dir { parent, name, scope } => self.list(parent, name, scope, buffer, &mut outcome),
            Work::Piece { dir, names, range, scope } => self.ask(&dir, &names, range, scope, &mut outcome),
        }
        outcome
    }

    fn list(
        &self,
        parent: Option<Arc<Dir>>,
        name: Box<[u8]>,
        mut scope: Scope,
        buffer: &mut NamesBuffer,
        outcome: &mut Outcome,
    ) {
        let path = |parent: &Option<Arc<Dir>>, name: &[u8]| {
            parent.as_ref().map_or_else(Vec::new, |dir| path::join(&dir.path(), name))
        };
        let view = self.plan.window(scope.place);
        let opened = match Dir::open(parent.clone(), name.clone(), view, scope.root.is_some(), &self.pool) {
            Err(errno) => {
                outcome.problem(path(&parent, &name), refusal(errno));
                // A root further below may be reachable all the same.
                let on_the_way = scope.root.is_some() && self.leads_on(scope);
                scope.root = None;
                on_the_way.then(|| Dir::open(parent, name, view, false, &self.pool).ok()).flatten()
            }
            Ok(opened) => Some(opened),
        };
        let Some((dir, fd)) = opened else { return };
        outcome.dir = Some(Arc::clone(&dir));
        if scope.explicit {
            scope.device = dir.device();
        } else if scope.root.is_some() && dir.is_gap(&fd) {
            outcome.problem(dir.path(), NO_SNAPSHOT);
            scope.root = None;
        } else if scope.root.is_some() && self.is_boundary(&dir, &fd, scope, outcome) {
            scope.root = None;
        }
        let mut names = Names::default();
        if scope.root.is_some() {
            names = self.names(&dir, &fd, &mut scope, buffer, outcome);
        }
        if let Some(place) = scope.place.filter(|_| self.leads_on(scope)) {
            names = names.with(self.plan.wanted_names(place));
        }
        let names = Arc::new(names);
        outcome.names = Arc::clone(&names);
        if names.len() <= PIECE_ENTRIES {
            return self.ask(&dir, &names, 0..names.len(), scope, outcome);
        }
        outcome.work.extend((0..names.len()).step_by(PIECE_ENTRIES).map(|start| {
            let range = start..names.len().min(start + PIECE_ENTRIES);
            Work::Piece { dir: Arc::clone(&dir), names: Arc::clone(&names), range, scope }
        }));
    }

    fn leads_on(&self, scope: Scope) -> bool {
        scope.place.is_some_and(|place| self.plan.wanted_names(place).next().is_some())
    }

    /// Whether another file system begins here that the walk stays out of.
    fn is_boundary(&self, dir: &Dir, fd: &OwnedFd, scope: Scope, outcome: &mut Outcome) -> bool {
        let device = dir.device();
        if dir.parent().is_none_or(|parent| parent.device() == device) {
            return false;
        }
        if let Some(kind) = special::kernel_file_system(fd, || dir.path()) {
            outcome.note(
                &dir.path(),
                &format!("is a file system of the kernel ({kind}): its contents are not captured"),
            );
            return true;
        }
        if self.one_file_system && device != scope.device {
            let text = "is another file system: its contents are not captured, as one-file-system asks";
            outcome.note(&dir.path(), text);
            return true;
        }
        false
    }

    /// The names to capture of a directory inside a root. When it turns out not to be captured, its scope has no root any more.
    fn names(
        &self,
        dir: &Dir,
        fd: &OwnedFd,
        scope: &mut Scope,
        buffer: &mut NamesBuffer,
        outcome: &mut Outcome,
    ) -> Names {
        let (names, error) = Names::read(fd, buffer);
        if let Some(errno) = error {
            outcome.problem(dir.path(), refusal(errno));
        }
        // All files of a moment are what a server finds after a power cut: it knows what to do with them.
        let held = dir.is_held();
        let in_use = || if held { None } else { in_use::server(fd, &names) };
        let found = special::live_database(&names).or_else(in_use);
        if let Some((server, source)) = found.filter(|_| held && scope.explicit) {
            let text = format!(
                "is the data directory of {server}, captured as it was in one moment: a server that is started on it recovers as after a \
                 power cut. That is no dump that was checked: have a source of type {source} as well"
            );
            outcome.note(&dir.path(), &text);
        } else if let Some((server, source)) = found {
            let text = format!(
                "is the data directory of {server}: not captured as files; use a source of type {source}"
            );
            if scope.explicit {
                outcome.problem(dir.path(), format!("it {text}"));
            } else {
                outcome.note(&dir.path(), &text);
            }
            scope.root = None;
            return Names::default();
        }
        if self.exclude_caches && !scope.explicit && special::is_cache(fd, &names) {
            outcome.tally.cache(|| dir.path());
            return Names::of([special::CACHE_TAG].into_iter());
        }
        if held { names } else { self.without_databases(dir, fd, *scope, names, outcome) }
    }

    /// The names without SQLite databases in use. One that was asked for by name stays.
    fn without_databases(
        &self,
        dir: &Dir,
        fd: &OwnedFd,
        scope: Scope,
        names: Names,
        outcome: &mut Outcome,
    ) -> Names {
        let databases = in_use::sqlite(fd, &names);
        let mut gone = Vec::new();
        for database in databases {
            let place = scope.place.and_then(|place| self.plan.child(place, &database));
            if place.and_then(|place| self.plan.root(place)).is_some() {
                continue;
            }
            outcome.tally.sqlite(|| path::join(&dir.path(), &database));
            gone.extend(in_use::files_of(&database));
        }
        if gone.is_empty() { names } else { names.without(&gone) }
    }

    /// Asks about these names, and decides what becomes of each.
    fn ask(
        &self,
        dir: &Arc<Dir>,
        names: &Arc<Names>,
        range: Range<usize>,
        scope: Scope,
        outcome: &mut Outcome,
    ) {
        let fd = match dir.fd() {
            Ok(fd) => fd,
            Err(errno) => return outcome.problem(dir.path(), refusal(errno)),
        };
        let mut hides = Hides::new(&self.excludes, dir, scope);
        outcome.entries.reserve(range.len());
        for index in range {
            let (name, hint) = names.get(index);
            let full_path = || path::join(&dir.path(), name);
            let place = scope.place.and_then(|place| self.plan.child(place, name));
            let is_wanted = place.is_some_and(|place| self.plan.is_wanted(place));
            let explicit = place.and_then(|place| self.plan.root(place));
            if place.is_some_and(|place| self.plan.is_never(place)) {
                outcome.note(&full_path(), if name.ends_with(IDENTITY) { KEY } else { OWN });
                continue;
            }
            if scope.root.is_none() && !is_wanted {
                continue;
            }
            let view = self.plan.window(place);
            // Only where the directory does not say what it is, since that decides whether a pattern hides it.
            let early = (hint == Hint::Unknown).then(|| sys::stat_at(&fd, name));
            let mut root = explicit.or(scope.root);
            if explicit.is_none()
                && let Some(pattern) = hides.pattern(name, is_dir(hint, early.as_ref()))
            {
                if !is_wanted {
                    outcome.tally.hidden(pattern);
                    continue;
                }
                root = None;
            }
            let seen = match (view, hint, early) {
                (Some(window), _, _) => window.stat(),
                (None, Hint::Socket, _) => Ok(Seen::Socket),
                (None, _, Some(seen)) => seen.map(|seen| dir.show(seen)),
                (None, _, None) => sys::stat_at(&fd, name).map(|seen| dir.show(seen)),
            };
            let stat = match seen {
                Ok(Seen::Entry(stat)) => stat,
                Ok(Seen::Socket) => {
                    outcome.tally.socket(full_path);
                    continue;
                }
                Err(errno) => {
                    outcome.problem(full_path(), refusal(errno));
                    continue;
                }
            };
            if stat.kind == Kind::File && explicit.is_some() && in_use::is_sqlite(&fd, name) {
                let text = "it is an SQLite database in use, and copied as a file it may be torn: use a source of type sqlite";
                outcome.problem(full_path(), text.to_owned());
            }
            let is_dir = stat.kind == Kind::Dir;
            if is_dir && self.never.contains(&(stat.device, stat.inode)) {
                outcome.note(&full_path(), OWN);
                continue;
            }
            let ancestor = is_dir && root.is_none();
            if is_dir {
                let scope = Scope { place, root, explicit: explicit.is_some(), device: scope.device };
                outcome.work.push(Work::Dir { parent: Some(Arc::clone(dir)), name: name.into(), scope });
            }
            let counts_for = if is_dir { scope.root } else { explicit.or(scope.root) };
            let root = counts_for.filter(|_| !ancestor);
            outcome.entries.push(Entry { name: index, stat, root, descend: is_dir, ancestor });
        }
    }
}

/// Neither in the snapshot nor read live: it would not be of the moment.
const NO_SNAPSHOT: &str = "is a subvolume of which there is no snapshot: its contents are not captured";

const OWN: &str = "holds Vow's own data: not captured";

/// How the names of identities of Vow end.
const IDENTITY: &[u8] = b".agekey";
const KEY: &str = "is a key that opens backups: not captured";

fn is_dir(hint: Hint, early: Option<&Result<Seen, Errno>>) -> bool {
    hint == Hint::Dir || matches!(early, Some(Ok(Seen::Entry(stat))) if stat.kind == Kind::Dir)
}

/// What the failure of a call means for the reader of a report.
fn refusal(errno: Errno) -> String {
    match errno {
        Errno::NOENT | Errno::STALE => "vanished while it was read".to_owned(),
        Errno::NOTDIR | Errno::LOOP => {
            "was replaced while it was read by something that is not a directory".to_owned()
        }
        errno => format!("cannot be read: {}", sys::reason(errno)),
    }
}

/// Which names of one directory the patterns hide; builds the path they are matched with only when there are patterns.
struct Hides<'a> {
    excludes: Option<&'a Excludes>,
    path: Vec<u8>,
    dir_bytes: usize,
}

impl<'a> Hides<'a> {
    fn new(excludes: &'a Excludes, dir: &Dir, scope: Scope) -> Self {
        let excludes = (!excludes.is_empty() && scope.root.is_some()).then_some(excludes);
        let mut path = excludes.map_or_else(Vec::new, |_| dir.path());
        if !path.is_empty() {
            path.push(b'/');
        }
        let dir_bytes = path.len();
        Self { excludes, path, dir_bytes }
    }

    fn pattern(&mut self, name: &[u8], is_dir: bool) -> Option<usize> {
        let excludes = self.excludes?;
        self.path.truncate(self.dir_bytes);
        self.path.extend_from_slice(name);
        excludes.hides(&self.path, is_dir)
    }
}
