//! Walking a directory in a test, and making the directories to walk.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use vow_sources::files::{Files, FilesOptions};
use vow_store::listing::path;
use vow_store::source::{Found, Item, Source, Stat};

/// A temporary directory at a path without symbolic links, removed however deep it is.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary").keep();
        Self(dir.canonicalize().expect("real path"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, and makes the directories above it.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        fs::write(path, content).expect("write");
    }

    pub(crate) fn mkdir(&self, name: &str) {
        fs::create_dir_all(self.at(name)).expect("mkdir");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The library's own way needs an open file for each level.
        let _ = Command::new("rm").arg("-rf").arg(&self.0).status();
    }
}

/// What a walk reported.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) items: Vec<(Vec<u8>, Stat, bool)>,
    pub(crate) problems: Vec<(String, String)>,
    pub(crate) notes: Vec<String>,
    pub(crate) counts: Vec<u64>,
}

impl Walked {
    /// Paths below `root`, relative to it.
    pub(crate) fn below(&self, root: &Path) -> Vec<String> {
        let root = listing_path(root);
        let inside =
            self.items.iter().filter_map(|(path, ..)| path.strip_prefix(&root[..])?.strip_prefix(b"/"));
        inside.map(|path| path.escape_ascii().to_string()).collect()
    }

    pub(crate) fn ancestors(&self) -> Vec<String> {
        let ancestors = self.items.iter().filter(|(_, _, ancestor)| *ancestor);
        ancestors.map(|(path, ..)| format!("/{}", path.escape_ascii())).collect()
    }

    #[track_caller]
    pub(crate) fn assert_no_problems(&self) {
        assert!(self.problems.is_empty(), "{:?}", self.problems);
    }

    /// The only note.
    #[track_caller]
    pub(crate) fn note(&self) -> &str {
        assert_eq!(self.notes.len(), 1, "{:?}", self.notes);
        &self.notes[0]
    }
}

pub(crate) fn listing_path(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()[1..].to_vec()
}

pub(crate) fn options(paths: &[&Path]) -> FilesOptions {
    FilesOptions {
        paths: paths.iter().map(|path| path.to_path_buf()).collect(),
        threads: 2,
        ..FilesOptions::default()
    }
}

/// Walks, and checks the order.
pub(crate) fn walk(options: FilesOptions) -> Result<Walked, String> {
    walk_with(options, |_| ())
}

/// Walks; `look` sees each entry.
pub(crate) fn walk_with(options: FilesOptions, mut look: impl FnMut(Item)) -> Result<Walked, String> {
    let mut files = Files::new(options).map_err(|error| error.to_string())?;
    let counts = files.root_counts();
    let mut walked = Walked::default();
    while let Some(batch) = files.next()? {
        for found in batch {
            match found {
                Found::Item(item) => {
                    if let Some((last, ..)) = walked.items.last() {
                        assert!(
                            path::compare(last, &item.path).is_lt(),
                            "{:?}",
                            item.path.escape_ascii().to_string()
                        );
                    }
                    walked.items.push((item.path.clone(), item.stat, item.ancestor));
                    look(item);
                }
                Found::Problem { path, text } => {
                    walked.problems.push((format!("/{}", path.escape_ascii()), text))
                }
                Found::Note(text) => walked.notes.push(text),
                Found::Stream(..) => panic!("files have no streams"),
            }
        }
    }
    assert!(files.next()?.is_none(), "the end is the end");
    walked.counts = counts.get().into_iter().map(|(_, count)| count).collect();
    Ok(walked)
}

pub(crate) fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("mkfifo");
}

/// Directories inside each other, deeper than any path could name.
pub(crate) fn deep(root: &Path, name: &str, levels: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = rustix::fs::openat(CWD, root, flags, Mode::empty()).expect("open");
    for _ in 0..levels {
        rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o755)).expect("mkdir");
        dir = rustix::fs::openat(&dir, name, flags, Mode::empty()).expect("open");
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says that a test could not run here.
#[expect(clippy::print_stderr, reason = "a test that did not run must not look like one that passed")]
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Runs an ignored test of this binary in a process of its own, as an ordinary user when asked.
pub(crate) fn run_alone(test: &str, place: &Path, unprivileged: bool) {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("VOW_TEST_PLACE", place);
    if unprivileged && is_root() {
        command.uid(65_534).gid(65_534).current_dir("/");
    }
    let output = command.output().expect("run");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Where the process started by [`run_alone`] works.
pub(crate) fn place_of_child() -> PathBuf {
    std::env::var_os("VOW_TEST_PLACE").expect("started by another test").into()
}

/// A file system mounted for a test; `None`, with the reason said, where that is not allowed.
pub(crate) struct Mount(PathBuf);

impl Mount {
    pub(crate) fn new(kind: &str, path: PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).expect("mkdir");
        let done = Command::new("mount").args(["-t", kind, kind]).arg(&path).output();
        if done.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        skipped("mounting takes privileges");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
