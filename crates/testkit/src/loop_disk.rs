//! A file system of its own: ext4 or btrfs on a loop file, whose power can be cut, or a small tmpfs. Needs root.

use crate::shell::{run, tool};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A file system that is mounted until the value goes away.
pub struct Volume {
    scratch: TempDir,
    image: Option<PathBuf>,
}

/// Shuts an ext4 file system down without writing its log (flag 2): what was not synced is gone. `_IOR('X', 125, u32)`.
const SHUTDOWN: &str = "import fcntl, os, struct, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

impl Volume {
    /// A new ext4 of this size; `options` go to mkfs.
    #[track_caller]
    pub fn ext4(size_bytes: u64, options: &[&str]) -> Self {
        let scratch = crate::host::scratch();
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
        let scratch = crate::host::scratch();
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
        let volume = Self { scratch: crate::host::scratch(), image: None };
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

    /// Unmounts it; waits a little for those who still use it.
    #[track_caller]
    pub fn unmount(&self) {
        for _ in 0..100 {
            if run(Command::new("umount").arg(self.path())).code == Some(0) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("{} cannot be unmounted", self.path().display());
    }

    /// Cuts its power: from now on everything fails, until it was unmounted and mounted again.
    #[track_caller]
    pub fn cut_power(&self) {
        tool("python3", ["-c".as_ref(), SHUTDOWN.as_ref(), self.path().as_os_str()]);
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}
