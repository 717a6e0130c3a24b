//! Empty servers, initialised once and kept for the next scratch server: initialising one takes seconds, copying one does not.
//!
//! A template is a copy of the data directory that the official tool made, in a private folder of the drill host. Its name is a hash of
//! everything that it depends on: the programs, their version, the options. It is written beside its name, made durable, and renamed, so
//! it is whole or not there; one that is not this account's own, or that others may touch, is not used. Templates save time and decide
//! nothing: whatever is wrong with one, the server is initialised as if there were none.

use crate::process::Account;
use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, open, openat};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use vow_base::id::{hex, sha256};

/// Templates that are kept; those that were used longest ago go first.
const KEPT_MAX: usize = 8;
/// How the name of one begins that is being written.
const NEW: &str = ".new-";
/// One that is being written for longer than this was left behind.
const LEFT: Duration = Duration::from_secs(3600);
/// Data directories are not deeper than a few folders.
const DEPTH_MAX: usize = 16;

/// One template, whether it is there or not; without a folder for them it never is.
pub(crate) struct Template {
    place: Option<(PathBuf, String)>,
}

impl Template {
    /// The one in `folder` that these programs make, given their version and these options.
    pub(crate) fn of(folder: Option<&Path>, programs: &[&Path], version: &str, options: &[&str]) -> Self {
        let name = folder.and_then(|_| name(programs, version, options).ok());
        Self { place: folder.map(Path::to_owned).zip(name) }
    }

    /// Copies it to `data`, which is not there yet and becomes this account's own; false when there is none that can be used.
    ///
    /// `aside` is a folder of our own on the same file system: nobody but us gets to the copy before it is whole.
    pub(crate) fn take(&self, data: &Path, aside: &Path, account: &Account) -> bool {
        let Some((folder, name)) = &self.place else { return false };
        let path = folder.join(name);
        let taken = (|| {
            is_private(folder)?;
            is_private(&path)?;
            let private = tempfile::Builder::new().prefix("vow-template-").tempdir_in(aside)?;
            let copy = private.path().join("data");
            copy_tree(&path, &copy)?;
            account.take_tree(&copy)?;
            fs::rename(&copy, data)?;
            // When it was used last decides which ones stay.
            File::open(&path)?.set_modified(SystemTime::now())
        })();
        taken.is_ok()
    }

    /// Keeps a copy of a data directory that was just made, for the next one. That it cannot is no harm.
    pub(crate) fn keep(&self, data: &Path) {
        if let Some((folder, name)) = &self.place {
            let _ = keep(folder, name, data);
        }
    }

    /// Removes it: no server started from it.
    pub(crate) fn forget(&self) {
        if let Some((folder, name)) = &self.place {
            let _ = fs::remove_dir_all(folder.join(name));
        }
    }
}

/// What it depends on, as a name. A program that was replaced has another length or time.
fn name(programs: &[&Path], version: &str, options: &[&str]) -> io::Result<String> {
    let mut text = format!("vow template 1\n{version}\n");
    for program in programs {
        let meta = fs::metadata(program)?;
        let (path, length) = (program.display(), meta.len());
        text += &format!("{path}\n{length} {}.{}\n", meta.mtime(), meta.mtime_nsec());
    }
    for option in options {
        text += &format!("{}:{option}\n", option.len());
    }
    Ok(hex(&sha256(text.as_bytes())[..16]))
}

/// A folder, not a link to one, of this account, that nobody else may enter.
fn is_private(path: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let own = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o077 == 0;
    own.then_some(()).ok_or_else(|| io::ErrorKind::PermissionDenied.into())
}

fn keep(folder: &Path, name: &str, data: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    is_private(folder)?;
    make_room(folder)?;
    let new = tempfile::Builder::new().prefix(NEW).tempdir_in(folder)?;
    let copy = new.path().join("data");
    copy_tree(data, &copy)?;
    // One that is torn by a power cut would be taken for whole.
    rustix::fs::syncfs(File::open(&copy)?)?;
    fs::rename(&copy, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// Removes what was left half written, and the templates that were used longest ago.
fn make_room(folder: &Path) -> io::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let used = entry.metadata()?.modified()?;
        if !entry.file_name().as_bytes().starts_with(NEW.as_bytes()) {
            found.push((used, entry.path()));
        } else if used.elapsed().is_ok_and(|age| age > LEFT) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    found.sort();
    let surplus = (found.len() + 1).saturating_sub(KEPT_MAX);
    found.iter().take(surplus).try_for_each(|(_, path)| fs::remove_dir_all(path))
}

/// Copies folders and files, sharing their blocks where the file system can. Another account may own the original and play tricks
/// meanwhile: no link is followed, and nothing but folders and files is copied.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    copy_folder(open(from, flags, Mode::empty())?, to, DEPTH_MAX)
}

fn copy_folder(from: OwnedFd, to: &Path, depth: usize) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        // A FIFO that is opened must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(from.as_fd(), name, flags, Mode::empty())?;
        let target = to.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
        match FileType::from_raw_mode(fstat(&opened)?.st_mode) {
            FileType::Directory if depth > 0 => copy_folder(opened, &target, depth - 1)?,
            FileType::RegularFile => {
                let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target)?;
                io::copy(&mut File::from(opened), &mut out)?;
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Scene {
        temp: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let scene = Self { temp: tempfile::tempdir().expect("a folder") };
            fs::create_dir_all(scene.path("made/base/1")).expect("made");
            fs::write(scene.path("made/VERSION"), "15").expect("written");
            fs::write(scene.path("made/base/1/rows"), vec![7; 100_000]).expect("written");
            fs::write(scene.path("initdb"), "#!").expect("written");
            scene
        }

        fn path(&self, name: &str) -> PathBuf {
            self.temp.path().join(name)
        }

        fn template(&self, options: &[&str]) -> Template {
            Template::of(Some(&self.path("templates")), &[&self.path("initdb")], "15.18", options)
        }

        fn takes(&self, template: &Template, to: &str) -> bool {
            template.take(&self.path(to), self.temp.path(), &Account::own())
        }

        /// The folder of the only template.
        fn kept(&self) -> PathBuf {
            let mut all = fs::read_dir(self.path("templates")).expect("listed");
            all.next().expect("there is one").expect("listed").path()
        }
    }

    #[test]
    fn a_template_is_what_was_made_and_only_for_the_same_programs_and_options() {
        let scene = Scene::new();
        let template = scene.template(&["-E", "UTF8"]);
        assert!(!scene.takes(&template, "early"), "there is none yet");
        template.keep(&scene.path("made"));
        assert!(scene.takes(&template, "taken"));
        assert_eq!(fs::read(scene.path("taken/base/1/rows")).expect("read"), vec![7; 100_000]);
        assert_eq!(fs::metadata(scene.path("taken")).expect("there").mode() & 0o777, 0o700);
        assert!(!scene.takes(&scene.template(&["-E", "LATIN1"]), "other"));
        assert!(!scene.takes(&scene.template(&["-EUTF8"]), "other"));
        assert!(!scene.takes(&Template::of(None, &[], "", &[]), "other"));
        fs::write(scene.path("initdb"), "#!/another").expect("written");
        assert!(!scene.takes(&scene.template(&["-E", "UTF8"]), "other"));
        let left = fs::read_dir(scene.temp.path()).expect("listed").flatten();
        assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().contains("vow-template")));
    }

    #[test]
    fn what_others_may_touch_is_not_used_and_what_starts_no_server_goes() {
        let scene = Scene::new();
        let template = scene.template(&[]);
        template.keep(&scene.path("made"));
        for path in [scene.kept(), scene.path("templates")] {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).expect("set");
            assert!(!scene.takes(&template, "open"), "{}", path.display());
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("set");
        }
        let kept = scene.kept();
        fs::rename(&kept, scene.path("elsewhere")).expect("moved");
        symlink(scene.path("elsewhere"), &kept).expect("made");
        assert!(!scene.takes(&template, "linked"));
        fs::remove_file(&kept).expect("removed");
        fs::rename(scene.path("elsewhere"), &kept).expect("moved back");
        assert!(scene.takes(&template, "taken"));
        template.forget();
        assert!(!scene.takes(&template, "again"));
    }

    #[test]
    fn nothing_but_folders_and_files_is_kept() {
        let scene = Scene::new();
        symlink("/etc/passwd", scene.path("made/base/link")).expect("made");
        let template = scene.template(&[]);
        template.keep(&scene.path("made"));
        assert!(!scene.takes(&template, "taken"));
        assert_eq!(fs::read_dir(scene.path("templates")).expect("listed").count(), 0);
    }

    #[test]
    fn those_that_were_used_longest_ago_make_room() {
        let scene = Scene::new();
        for number in 0..KEPT_MAX + 3 {
            scene.template(&[&number.to_string()]).keep(&scene.path("made"));
            // The first one is used all the time.
            assert!(scene.takes(&scene.template(&["0"]), &format!("taken-{number}")));
        }
        assert_eq!(fs::read_dir(scene.path("templates")).expect("listed").count(), KEPT_MAX);
        assert!(!scene.takes(&scene.template(&["1"]), "gone"));
    }
}
