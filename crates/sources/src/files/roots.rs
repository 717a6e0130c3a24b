//! The roots, looked at before anything is captured: one that is gone, or empty though it had content, is most likely a file
//! system that is not mounted, and a snapshot of that would look like a success.

use super::names;
use super::plan::Plan;
use super::sys::{self, Seen};
use super::tally::number;
use super::views::Views;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use vow_store::listing::Kind;
use vow_store::listing::entry::display_path;
use vow_store::source::Stat;

/// As many symbolic links as the kernel follows in one path.
const MOST_LINKS: usize = 40;

/// The names that lead to a path from the root of the file system.
pub(crate) type Names = Vec<Vec<u8>>;

/// The names of an absolute path, without `.` and with `..` resolved by the text alone; `None` when it is relative.
pub(crate) fn names_of(path: &Path) -> Option<Names> {
    let mut names = Names::new();
    for component in path.is_absolute().then(|| path.components())? {
        match component {
            Component::Normal(name) => names.push(name.as_bytes().to_vec()),
            Component::ParentDir => drop(names.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(names)
}

/// What is asked for.
pub(crate) struct Request<'a> {
    /// Each root as the user wrote it, and its names.
    pub(crate) roots: &'a [(PathBuf, Names)],
    pub(crate) remembered: &'a [(PathBuf, u64)],
    pub(crate) allow_empty: bool,
    pub(crate) always_exclude: &'a [Names],
    pub(crate) views: &'a Views,
}

/// What was found.
pub(crate) struct Survey {
    pub(crate) plan: Plan,
    pub(crate) notes: Vec<String>,
    /// For each root where it really is; none when it is not there, which is allowed.
    pub(crate) targets: Vec<Option<Names>>,
    /// Device and inode of the directories never to enter.
    pub(crate) never: Vec<(u64, u64)>,
}

/// Looks at all roots.
pub(crate) fn survey(request: &Request<'_>) -> Result<Survey, String> {
    let mut found = Survey { plan: Plan::new(), notes: Vec::new(), targets: Vec::new(), never: Vec::new() };
    request.views.iter().for_each(|window| found.plan.add_window(window));
    for names in request.always_exclude {
        found.plan.add_never(names);
        // One that does not exist yet is known by its path alone.
        if let Ok((target, stat)) = resolve(request.views, names, &mut Vec::new()) {
            found.plan.add_never(&target);
            found.never.push((stat.device, stat.inode));
        }
    }
    let mut troubles = Vec::new();
    for (path, names) in request.roots {
        match found.add(request, path, names) {
            Ok(target) => found.targets.push(target),
            Err(trouble) => troubles.push(trouble),
        }
    }
    if troubles.is_empty() { Ok(found) } else { Err(troubles.join("; ")) }
}

impl Survey {
    fn add(&mut self, request: &Request<'_>, path: &Path, names: &Names) -> Result<Option<Names>, String> {
        let shown = display_path(&names.join(&b'/'));
        let known = |(remembered, _): &&(PathBuf, u64)| names_of(remembered).as_ref() == Some(names);
        let before = request.remembered.iter().find(known).map_or(0, |(_, count)| *count);
        let mut links = Vec::new();
        let resolved = resolve(request.views, names, &mut links);
        for link in &links {
            self.plan.add_link(link);
        }
        let (target, stat) = match resolved {
            Ok(found) => found,
            Err((at, errno)) => return self.missing(request, &shown, before, &at, errno),
        };
        let real = display_path(&target.join(&b'/'));
        if !links.is_empty() {
            let links =
                links.iter().map(|link| display_path(&link.join(&b'/'))).collect::<Vec<_>>().join(", ");
            self.notes
                .push(format!("{shown} leads over the symbolic link {links} to {real}: both are captured"));
        }
        if self.plan.is_within_never(&target) || self.never.contains(&(stat.device, stat.inode)) {
            return Err(format!("{shown} holds Vow's own data, which is never captured: name another path"));
        }
        if before > 0 && stat.kind == Kind::Dir && is_empty(request.views, &target) {
            let (was, entries) = (number(before), if before == 1 { "entry" } else { "entries" });
            if !request.allow_empty {
                return Err(format!(
                    "{shown} is empty, but the last snapshot had {was} {entries} there: is it mounted? \
                     If it is meant to be empty, run with --allow-empty"
                ));
            }
            self.notes.push(format!("{shown} is empty, and had {was} {entries} in the last snapshot"));
        }
        debug_assert!(path.is_absolute());
        let wanted = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        self.plan.add_root(&target, wanted);
        Ok(Some(target))
    }

    fn missing(
        &mut self,
        request: &Request<'_>,
        shown: &str,
        before: u64,
        at: &Names,
        errno: Errno,
    ) -> Result<Option<Names>, String> {
        let at = display_path(&at.join(&b'/'));
        let what = match errno {
            Errno::NOENT if at == shown => format!("{shown} does not exist"),
            Errno::NOENT => format!("{shown} does not exist, because {at} does not"),
            Errno::INVAL => format!("{shown} is a socket, which cannot be captured"),
            errno => format!("{shown} cannot be reached: {at}: {}", sys::reason(errno)),
        };
        let had = if before > 0 {
            format!(", but the last snapshot had {} entries there", number(before))
        } else {
            String::new()
        };
        if !matches!(errno, Errno::NOENT | Errno::NOTDIR) {
            return Err(format!("{what}{had}"));
        }
        if request.allow_empty {
            self.notes.push(format!("{what}{had}"));
            return Ok(None);
        }
        Err(format!(
            "{what}{had}: is it mounted? If it is gone for good, take it out of the source's paths; \
             to go on without it, run with --allow-empty"
        ))
    }
}

/// Whether a directory can be read and has no entry. One that cannot be read is a problem that the walk reports.
fn is_empty(views: &Views, names: &Names) -> bool {
    let opened = views.open(names, OFlags::RDONLY | OFlags::DIRECTORY);
    opened.is_ok_and(|fd| matches!(names::has_entries(&fd), Ok(false)))
}

/// Where a path really is, and what is there. Adds the symbolic links on the way, each with its own real path.
fn resolve(views: &Views, names: &Names, links: &mut Vec<Names>) -> Result<(Names, Stat), (Names, Errno)> {
    let open = |names: &Names| views.open(names, OFlags::PATH | OFlags::DIRECTORY);
    let mut here = Names::new();
    let mut todo: VecDeque<Vec<u8>> = names.iter().cloned().collect();
    let mut folder = open(&here)?;
    let mut last = at(&here, sys::stat_at(&folder, b""))?;
    while let Some(name) = todo.pop_front() {
        if name == b".." {
            here.pop();
            folder = open(&here)?;
            last = at(&here, sys::stat_at(&folder, b""))?;
            continue;
        }
        here.push(name);
        let name = &here[here.len() - 1];
        let seen = match views.exactly(&here) {
            Some(window) => window.stat(),
            None => sys::stat_at(&folder, name).map(|seen| shown(views, &here, seen)),
        };
        let stat = at(&here, seen)?;
        if stat.kind == Kind::Symlink {
            let target = at_call(&here, rustix::fs::readlinkat(&folder, &**name, Vec::new()))?.into_bytes();
            if links.len() == MOST_LINKS {
                return Err((here, Errno::LOOP));
            }
            links.push(here.clone());
            if target.starts_with(b"/") {
                here.clear();
            } else {
                here.pop();
            }
            let parts = target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && part != b".");
            parts.rev().for_each(|part| todo.push_front(part.to_vec()));
            folder = open(&here)?;
            last = at(&here, sys::stat_at(&folder, b""))?;
            continue;
        }
        last = stat;
        if !todo.is_empty() {
            folder = match views.exactly(&here) {
                Some(window) => at_call(&here, window.open(OFlags::PATH | OFlags::DIRECTORY))?,
                None => at_call(&here, sys::open_at(&folder, name, OFlags::PATH | OFlags::DIRECTORY))?,
            };
        }
    }
    Ok((here, last))
}

/// What was seen at a place, with the device that the live file system has.
fn shown(views: &Views, names: &Names, seen: Seen) -> Seen {
    views.around(names).map_or(seen, |window| window.show(seen))
}

fn at(names: &Names, seen: Result<Seen, Errno>) -> Result<Stat, (Names, Errno)> {
    match at_call(names, seen)? {
        Seen::Entry(stat) => Ok(stat),
        Seen::Socket => Err((names.clone(), Errno::INVAL)),
    }
}

fn at_call<T>(names: &Names, result: Result<T, Errno>) -> Result<T, (Names, Errno)> {
    result.map_err(|errno| (names.clone(), errno))
}

#[cfg(test)]
mod tests;
