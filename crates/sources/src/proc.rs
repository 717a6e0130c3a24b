//! The processes of this machine, as `/proc` shows them.

use std::fs;
use std::path::{Path, PathBuf};

/// A process.
pub(crate) struct Process {
    /// Its number.
    pub(crate) id: u32,
    path: PathBuf,
}

/// Those whose program has one of these names.
pub(crate) fn named(names: &[&str]) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        Some(Process { id: entry.file_name().to_str()?.parse().ok()?, path: entry.path() })
    });
    processes.filter(|process| names.contains(&process.name().as_str())).collect()
}

impl Process {
    /// The name of its program; the kernel keeps 15 bytes of it.
    fn name(&self) -> String {
        fs::read_to_string(self.path.join("comm")).unwrap_or_default().trim().to_owned()
    }

    /// The folder it works in.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        fs::read_link(self.path.join("cwd")).ok()
    }

    /// Its arguments, or what it shows in their place.
    pub(crate) fn title(&self) -> Vec<String> {
        let bytes = fs::read(self.path.join("cmdline")).unwrap_or_default();
        let words = bytes.split(|byte| matches!(byte, 0 | b' ')).filter(|word| !word.is_empty());
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// Whether it has this file open: its device and inode. `None` when that may not be seen.
    pub(crate) fn holds(&self, file: (u64, u64)) -> Option<bool> {
        use std::os::unix::fs::MetadataExt;
        let open = fs::read_dir(self.path.join("fd")).ok()?.flatten();
        let is_it = |path: &Path| fs::metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == file);
        Some(open.into_iter().any(|entry| is_it(&entry.path())))
    }
}
