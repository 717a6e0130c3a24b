//! Places that a drill may write to, and that go when it ends; what a drill that was killed left behind is found by the next one.
//!
//! A place is a folder of mode 0711 whose name and record say which process made it: boot, process id, start time. A record of every
//! place lies in the drill's state as well, so that one in another folder is found too. When the maker is gone, processes that
//! work in the folder (scratch servers) are killed, what is mounted below it is let go of, and the folder is removed.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PREFIX: &str = "vow-drill-";
const RECORDS: &str = "places";
/// How long killed processes may take to be gone.
const KILLED: Duration = Duration::from_secs(10);

/// Why there is no place, or an old one stays.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", .path.display())]
pub struct ScratchError {
    /// What was tried.
    pub action: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ScratchError {
    let path = path.to_owned();
    move |source| ScratchError { action, path, source }
}

/// A private folder that goes when this is dropped.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    record: Option<PathBuf>,
}

impl Place {
    /// Makes one in `folder`; `state` is the drill's own folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(folder: &Path, state: &Path) -> Result<Self, ScratchError> {
        Self::make(folder, Some(state))
    }

    /// Makes one without a record: only who drills in the same folder finds it, by its name.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn unrecorded(folder: &Path) -> Result<Self, ScratchError> {
        Self::make(folder, None)
    }

    fn make(folder: &Path, state: Option<&Path>) -> Result<Self, ScratchError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let owner = Owner::own().map_err(at("look at", Path::new("/proc/self/stat")))?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", owner.text());
        let path = folder.join(&name);
        // The record comes first: a folder without one would only be found by its name.
        let record = state.map(|state| write_record(&state.join(RECORDS), &name, &path)).transpose()?;
        // Servers that refuse root run as another account, which has to get to its own folder below.
        let made = fs::DirBuilder::new().mode(0o711).create(&path);
        if let Err(error) = made {
            let _ = record.map(fs::remove_file);
            return Err(at("create", &path)(error));
        }
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o711));
        Ok(Self { path, record })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next drill, which finds the record.
        if let (Ok(_), Some(record)) = (remove(&self.path), &self.record) {
            let _ = fs::remove_file(record);
        }
    }
}

/// Whether a path lies in the place of a drill that is under way: what is there goes with it, and nobody misses it.
pub fn is_in_use(path: &Path) -> bool {
    path.ancestors().filter_map(owner_of).any(|owner| owner.lives())
}

fn write_record(records: &Path, name: &str, path: &Path) -> Result<PathBuf, ScratchError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(records).map_err(at("create", records))?;
    let record = records.join(name);
    fs::write(&record, path.as_os_str().as_encoded_bytes()).map_err(at("write", &record))?;
    Ok(record)
}

/// Removes what drills that are gone left in `folder`, and in the folders that `state` has a record of, where there is one. Says what was
/// removed.
///
/// # Errors
/// Something is left that cannot be removed.
pub fn clean(folder: &Path, state: Option<&Path>) -> Result<Vec<String>, ScratchError> {
    let mut found: Vec<(PathBuf, Option<PathBuf>)> = Vec::new();
    for record in state.map_or(Ok(Vec::new()), |state| left_in(&state.join(RECORDS)))? {
        use std::os::unix::ffi::OsStrExt;
        // Another drill may clean up at the same time.
        if let Some(bytes) = unless_gone(fs::read(&record)).map_err(at("read", &record))? {
            found.push((PathBuf::from(std::ffi::OsStr::from_bytes(&bytes)), Some(record)));
        }
    }
    for path in left_in(folder)? {
        if !found.iter().any(|(known, _)| *known == path) {
            found.push((path, None));
        }
    }
    let mut removed = Vec::new();
    for (path, record) in found {
        // Of a drill that was killed before it had written its record, there is no place either.
        if is_ours(&path) && path.exists() {
            let killed = remove(&path)?;
            let with = match killed {
                0 => String::new(),
                1 => " and a process in it".to_owned(),
                more => format!(" and {more} processes in it"),
            };
            removed.push(format!("{}{with}", path.display()));
        }
        if let Some(record) = record {
            unless_gone(fs::remove_file(&record)).map_err(at("remove", &record))?;
        }
    }
    Ok(removed)
}

/// What dead drills of this account have left in a folder; nothing when the folder itself is not there.
fn left_in(folder: &Path) -> Result<Vec<PathBuf>, ScratchError> {
    let Some(entries) = unless_gone(fs::read_dir(folder)).map_err(at("list", folder))? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(at("list", folder))?.path();
        if is_ours(&path) && owner_of(&path).is_some_and(|owner| !owner.lives()) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Which drill made it, by its name.
fn owner_of(path: &Path) -> Option<Owner> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX).and_then(Owner::parse)
}

/// Folders for temporary files are everybody's: what another account put there under such a name is its own business.
fn is_ours(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() == own)
}

fn unless_gone<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// Ends what runs in a folder, lets go of what is mounted there, and removes it. Says how many processes there were.
fn remove(path: &Path) -> Result<usize, ScratchError> {
    let began = Instant::now();
    let mut killed = std::collections::BTreeSet::new();
    loop {
        let working = processes_in(path);
        if working.is_empty() || began.elapsed() > KILLED {
            break;
        }
        for pid in working {
            killed.insert(pid.as_raw_nonzero());
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for mount in mounts_below(path) {
        let _ = Command::new("umount").arg("-l").arg("--").arg(&mount).status();
    }
    unless_gone(fs::remove_dir_all(path)).map_err(at("remove", path))?;
    Ok(killed.len())
}

/// Processes whose working folder is below `path`, as servers' is, or that were started with a path in it among their arguments.
fn processes_in(path: &Path) -> Vec<rustix::process::Pid> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let works_there = |pid: &i32| {
        u32::try_from(*pid) != Ok(own)
            && (fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(path))
                || fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| names(&words, path)))
    };
    pids.filter(works_there).filter_map(rustix::process::Pid::from_raw).collect()
}

/// Whether one of these arguments is a path below `path`, or has one behind a `=`.
fn names(cmdline: &[u8], path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    cmdline.split(|byte| *byte == 0).any(|word| {
        let value = word.iter().position(|byte| *byte == b'=').map_or(&word[..0], |at| &word[at + 1..]);
        [word, value]
            .iter()
            .any(|word| word.strip_prefix(path).is_some_and(|rest| rest.first() == Some(&b'/')))
    })
}

fn mounts_below(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|p| p.starts_with(path))
        .collect();
    // The deepest first.
    mounts.sort_by_key(|mount| std::cmp::Reverse(mount.as_os_str().len()));
    mounts
}

/// A process, so that another one that got its number later is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    boot: String,
    pid: u32,
    started: u64,
}

impl Owner {
    fn own() -> io::Result<Self> {
        let pid = std::process::id();
        let started = started(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { boot: boot(), pid, started })
    }

    fn text(&self) -> String {
        format!("{}-{}-{}", self.boot, self.pid, self.started)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let boot = parts.next()?.to_owned();
        let (pid, started) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { boot, pid, started })
    }

    fn lives(&self) -> bool {
        self.boot == boot() && started(self.pid) == Some(self.started)
    }
}

/// The first digits of the id of this boot.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

/// When a process started, in ticks since the boot; `None` when it is gone, or only waits to be buried.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then_some(())?;
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_with_its_value_and_one_of_a_dead_process_with_the_next_drill() {
        let temp = tempfile::tempdir().expect("a folder");
        let (folder, state) = (temp.path().join("scratch"), temp.path().join("state"));
        fs::create_dir(&folder).expect("made");
        let place = Place::create(&folder, &state).expect("a place");
        fs::write(place.path().join("x"), "y").expect("written");
        assert!(clean(&folder, Some(&state)).expect("cleaned").is_empty(), "its owner lives");
        assert!(is_in_use(&place.path().join("vow-pg-x/data")) && !is_in_use(&folder));
        let path = place.path().to_owned();
        drop(place);
        assert!(!path.exists() && fs::read_dir(state.join(RECORDS)).expect("listed").next().is_none());
        let place = Place::unrecorded(&folder).expect("a place");
        let path = place.path().to_owned();
        assert!(path.exists() && fs::read_dir(state.join(RECORDS)).expect("listed").next().is_none());
        drop(place);
        assert!(!path.exists());

        // One whose maker is gone, elsewhere, with a process that works in it.
        let elsewhere = temp.path().join("elsewhere");
        let dead = Owner { started: 1, ..Owner::own().expect("this process") };
        let name = format!("{PREFIX}{}-0", dead.text());
        let left = elsewhere.join(&name);
        fs::create_dir_all(left.join("data")).expect("made");
        fs::create_dir_all(state.join(RECORDS)).expect("made");
        fs::write(state.join(RECORDS).join(&name), left.as_os_str().as_encoded_bytes()).expect("written");
        let mut server =
            Command::new("sleep").arg("600").current_dir(left.join("data")).spawn().expect("it starts");
        assert!(!is_in_use(&left.join("data")), "a name alone hides nothing");
        let removed = clean(&folder, Some(&state)).expect("cleaned");
        assert!(removed.len() == 1 && removed[0].contains("and a process in it"), "{removed:?}");
        assert!(!left.exists() && !server.wait().expect("it ended").success());
        assert!(clean(&folder, Some(&state)).expect("cleaned").is_empty());
        assert!(fs::read_dir(state.join(RECORDS)).expect("listed").next().is_none());
    }

    #[test]
    fn what_is_not_ours_or_half_written_keeps_nobody_from_drilling() {
        let temp = tempfile::tempdir().expect("a folder");
        let (folder, state) = (temp.path().join("scratch"), temp.path().join("state"));
        fs::create_dir_all(&folder).expect("made");
        fs::create_dir_all(state.join(RECORDS)).expect("made");
        let dead = Owner { started: 1, ..Owner::own().expect("this process") };
        // Killed between making its record and writing it.
        let empty = state.join(RECORDS).join(format!("{PREFIX}{}-0", dead.text()));
        fs::write(&empty, "").expect("written");
        let theirs = folder.join(format!("{PREFIX}{}-1", dead.text()));
        fs::create_dir(&theirs).expect("made");
        let given = std::os::unix::fs::chown(&theirs, Some(65_534), Some(65_534)).is_ok();
        let removed = clean(&folder, Some(&state)).expect("cleaned");
        assert_eq!(
            (removed.len(), theirs.exists()),
            (usize::from(!given), given),
            "only root can give it away"
        );
        assert!(!empty.exists());
    }

    #[test]
    fn two_that_clean_up_at_once_do_not_disturb_each_other() {
        let temp = tempfile::tempdir().expect("a folder");
        let (folder, state) = (temp.path().join("scratch"), temp.path().join("state"));
        fs::create_dir_all(&folder).expect("made");
        fs::create_dir_all(state.join(RECORDS)).expect("made");
        let dead = Owner { started: 1, ..Owner::own().expect("this process") };
        for number in 0..40 {
            let name = format!("{PREFIX}{}-{number}", dead.text());
            let left = folder.join(&name);
            fs::create_dir(&left).expect("made");
            fs::write(state.join(RECORDS).join(&name), left.as_os_str().as_encoded_bytes()).expect("written");
        }
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| clean(&folder, Some(&state)).expect("cleaned"));
            }
        });
        assert!(fs::read_dir(&folder).expect("listed").next().is_none());
        assert!(fs::read_dir(state.join(RECORDS)).expect("listed").next().is_none());
    }

    #[test]
    fn owners_are_told_apart() {
        let own = Owner::own().expect("this process");
        assert_eq!(Owner::parse(&format!("{}-7", own.text())), Some(own.clone()));
        assert!(own.lives());
        assert!(!Owner { boot: "00000000".into(), ..own.clone() }.lives());
        assert!(!Owner { started: own.started + 1, ..own }.lives());
        assert_eq!(Owner::parse("x"), None);
    }
}
