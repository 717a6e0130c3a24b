//! Hooks that always come in pairs, and sources that are captured at one moment.

mod btrfs;
mod group;
mod hooks;

use super::sources::{change, script};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vow_testkit::{Host, host};

/// A host with a source `files` of a folder with one file, and hooks that write down that they ran.
struct Stand {
    place: tempfile::TempDir,
    host: Host,
}

/// What every hook writes down.
const NOTE: &str = "echo \"$VOW_HOOK $VOW_SOURCE ${VOW_RESULT:--} ${VOW_SNAPSHOT:--}\" >> \"$LOG\"";

impl Stand {
    fn new() -> Self {
        let place = host::scratch();
        let data = place.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("file"), "live").unwrap();
        let host = Host::at(&place.path().join("host"), &[&data]);
        Self { place, host }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A program that notes that it ran, and does this.
    fn hook(&self, name: &str, text: &str) -> String {
        let text = format!("LOG={}\n{NOTE}\n{text}", self.at("log").display());
        script(self.place.path(), name, "", &text).display().to_string()
    }

    /// Keys for the source `files`.
    fn keys(&self, keys: &str) {
        change(&self.host, "type = \"files\"", &format!("type = \"files\"\n{keys}"));
    }

    /// What was written down since the last time.
    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("log")).unwrap_or_default();
        let _ = fs::remove_file(self.at("log"));
        text.lines().map(str::to_owned).collect()
    }

    fn restored(&self, source: &str, path: &Path) -> String {
        let spec = format!("{source}@latest:{}", path.display());
        let identity = self.host.identity().display().to_string();
        self.host.run(["cat", &spec, "--identity", &identity]).expect(0).text()
    }
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
