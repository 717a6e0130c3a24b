//! A file system of its own: ext4 or btrfs on a loop file, whose power can be cut, or a small tmpfs. Needs root.
//!
//! It is mounted below a shared mount of its own, so that what is unmounted here goes away as well in every mount name space that was
//! copied meanwhile, as `ip netns exec` does: a copy keeps the file system alive, and one whose power was cut then stays dead for
//! whoever mounts its image again. Where the copy is private (`unshare --mount`), unmounting waits until it is gone.

use crate::shell::{run, tool};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A file system that is mounted until the value goes away.
pub struct Volume {
    scratch: TempDir,
    image: Option<PathBuf>,
}

/// As long as another test may take that holds a copy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Shuts an ext4 file system down without writing its log (flag 2): what was not synced is gone. `_IOR('X', 125, u32)`.
const SHUTDOWN: &str = "import fcntl, os, struct, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

impl Volume {
    /// A new ext4 of this size; `options` go to mkfs.
    #[track_caller]
    pub fn ext4(size_bytes: u64, options: &[&str]) -> Self {
        let scratch = shared();
        let image = scratch.path().join("image");
        File::create(&image).and_then(|file| file.set_len(size_bytes)).expect("a sparse file");
        let mut arguments = vec!["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
        arguments.extend(options);
        let image_text = image.display().to_string();
        arguments.push(&image_text);
        tool("/sbin/mkfs.ext4", arguments);
        let volume = Self { scratch, image: Some(image) };
        std::fs::create_dir(volume.path()).expect("new");
        volume.mount();
        volume
    }

    /// A new btrfs of this size; `None` where the kernel has none.
    #[track_caller]
    pub fn btrfs(size_bytes: u64) -> Option<Self> {
        // Where it is a module, asking for it loads it; what that says shows below.
        let _ = Command::new("modprobe").arg("btrfs").output();
        let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if !known.lines().any(|line| line.trim() == "btrfs") {
            return None;
        }
        let scratch = shared();
        let image = scratch.path().join("image");
        File::create(&image).and_then(|file| file.set_len(size_bytes)).expect("a sparse file");
        tool("/sbin/mkfs.btrfs", ["-q".as_ref(), image.as_os_str()]);
        let volume = Self { scratch, image: Some(image) };
        std::fs::create_dir(volume.path()).expect("new");
        volume.mount();
        Some(volume)
    }

    /// A new tmpfs with these mount options.
    #[track_caller]
    pub fn tmpfs(options: &str) -> Self {
        let volume = Self { scratch: shared(), image: None };
        std::fs::create_dir(volume.path()).expect("new");
        let path = volume.path().display().to_string();
        tool("mount", ["-t", "tmpfs", "-o", options, "vow-test", &path]);
        volume
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join("mounted")
    }

    /// Fills what is left of it.
    #[track_caller]
    pub fn fill(&self) {
        let (piece, mut file) = (vec![1; 1 << 20], File::create(self.path().join("filler")).expect("a file"));
        while std::io::Write::write_all(&mut file, &piece).is_ok() {}
    }

    /// A folder beside it that is not on it.
    pub fn beside(&self) -> &Path {
        self.scratch.path()
    }

    /// Mounts it.
    #[track_caller]
    pub fn mount(&self) {
        if let Some(image) = &self.image {
            tool("mount", ["-o".as_ref(), "loop".as_ref(), image.as_os_str(), self.path().as_os_str()]);
        }
    }

    /// Mounts it anew with other options.
    #[track_caller]
    pub fn remount(&self, options: &str) {
        tool("mount", ["-o".to_owned(), format!("remount,{options}"), self.path().display().to_string()]);
    }

    /// Unmounts it, and waits until nobody keeps it alive: those who still use it, and copies of its mount elsewhere.
    #[track_caller]
    pub fn unmount(&self) {
        let path = self.path();
        until(
            || run(Command::new("umount").arg(&path)).code == Some(0),
            || format!("{} cannot be unmounted", path.display()),
        );
        let Some(image) = &self.image else { return };
        let devices = || tool("/sbin/losetup", ["-j".as_ref(), image.as_os_str()]);
        until(
            || devices().is_empty(),
            || {
                format!(
                    "{} was unmounted, and is alive all the same; see /proc/*/mountinfo: {}",
                    path.display(),
                    devices()
                )
            },
        );
    }

    /// Cuts its power: from now on everything fails, until it was unmounted and mounted again.
    #[track_caller]
    pub fn cut_power(&self) {
        tool("python3", ["-c".as_ref(), SHUTDOWN.as_ref(), self.path().as_os_str()]);
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        for path in [&*self.path(), self.scratch.path()] {
            let _ = Command::new("umount").arg("-l").arg(path).output();
        }
    }
}

/// A private folder that is a shared mount.
#[track_caller]
fn shared() -> TempDir {
    let scratch = crate::host::scratch();
    let path = scratch.path().as_os_str();
    tool("mount", ["--bind".as_ref(), path, path]);
    tool("mount", ["--make-shared".as_ref(), path]);
    scratch
}

/// Waits for something that comes about by itself.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{}", otherwise());
        std::thread::sleep(Duration::from_millis(20));
    }
}
