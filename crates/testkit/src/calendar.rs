//! Another day: processes that are started with it see a clock of their own, which the test turns. Nothing of the product knows of it:
//! `libfaketime` stands between a process and the C library.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A clock that stands where the test puts it, and then goes on at its usual pace.
pub struct Calendar {
    folder: TempDir,
    /// Midnight of day 0, UTC, in seconds since 1970.
    began: i64,
}

const DAY: i64 = 86_400;

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let places = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    let found = places.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("libfaketime is not installed: run ./test, which installs it"))
}

/// What to put in front of a command so that its clock is wrong by so many days. The program `faketime` would do, but for what killed ones
/// left in `/dev/shm` under the number of a process: the next with that number would not start.
pub fn days_wrong(days: i64) -> [String; 3] {
    let preload = format!("LD_PRELOAD={}", library().display());
    ["env".to_owned(), preload, format!("FAKETIME={days:+}d")]
}

impl Calendar {
    /// One whose day 0 is tomorrow: what file systems stamp is then always in the past.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("vow-day-").tempdir().unwrap();
        let calendar = Self { folder, began: (now() / DAY + 1) * DAY };
        calendar.turn(0, 0, 0);
        calendar
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Makes it this time of that day. Every process sees it at once.
    pub fn turn(&self, day: u32, hour: u32, minute: u32) {
        let wanted = self.seconds(day, hour, minute);
        let beside = self.folder.path().join("next");
        fs::write(&beside, format!("{:+}s\n", wanted - now())).unwrap();
        fs::rename(beside, self.file()).unwrap();
    }

    /// That time in seconds since 1970.
    pub fn seconds(&self, day: u32, hour: u32, minute: u32) -> i64 {
        self.began + i64::from(day) * DAY + i64::from(hour) * 3600 + i64::from(minute) * 60
    }

    /// What a process needs in its environment to live by it.
    pub fn env(&self) -> Vec<(String, String)> {
        let of = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", of(&library())),
            ("FAKETIME_TIMESTAMP_FILE", of(&self.file())),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // What waits goes on waiting for as long as it was told to.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            // Stamps of files are the file system's.
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self::new()
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
