//! A host with its plan, keys, state and vault in a private folder, driven through the real binary.

use crate::shell::{self, Done, Running};
use crate::tree::Tree;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A host.
pub struct Host {
    dir: PathBuf,
    _scratch: Option<TempDir>,
}

/// The binary under test: `$VOW_BIN`, or the release build.
pub fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/vow");
    let path = std::env::var_os("VOW_BIN").map_or(built, PathBuf::from);
    let found = path.canonicalize();
    found.unwrap_or_else(|e| panic!("{}: {e}; build it: cargo build --release -p vow-cli", path.display()))
}

/// A private folder that goes away with the value.
#[must_use]
pub fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("vow-e2e-").tempdir().unwrap_or_else(|e| panic!("no private folder: {e}"))
}

/// The command of the binary, without anything of this process' environment that could steer it.
pub fn vow() -> Command {
    clean(Command::new(binary()))
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VOW_") {
            command.env_remove(name);
        }
    }
    command.env_remove("XDG_CONFIG_HOME").env("LC_ALL", "C").env("NO_COLOR", "1");
    command
}

impl Host {
    /// A new host that backs up these paths.
    #[track_caller]
    pub fn new(paths: &[&Path]) -> Self {
        let scratch = scratch();
        let host = Self::at(&scratch.path().join("host"), paths);
        Self { _scratch: Some(scratch), ..host }
    }

    /// A new host in a folder of the caller's.
    #[track_caller]
    pub fn at(dir: &Path, paths: &[&Path]) -> Self {
        let mut command = vow();
        command.args(["init", "--tenant", "acme", "--name", "web-1", "--dir"]).arg(dir);
        for path in paths {
            command.arg("--path").arg(path);
        }
        let _ = shell::run(&mut command).expect(0);
        Self::of(dir)
    }

    /// A new host in a folder of the caller's, that has no vault but the one it joins with this token.
    #[track_caller]
    pub fn joining(dir: &Path, path: &Path, token: &str) -> Self {
        let mut command = vow();
        command.args(["init", "--tenant", "acme", "--name", "web-1", "--no-local", "--join", token, "--dir"]);
        let _ = shell::run(command.arg(dir).arg("--path").arg(path)).expect(0);
        Self::of(dir)
    }

    /// The host whose folder exists.
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), _scratch: None }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.dir.join("vow.toml")
    }

    /// Its recovery kit.
    pub fn identity(&self) -> PathBuf {
        self.dir.join("recovery.agekey")
    }

    /// Its first vault.
    pub fn vault(&self) -> PathBuf {
        self.dir.join("vault")
    }

    /// What it remembers.
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The folder of its objects in a vault.
    pub fn objects(&self, vault: &Path) -> PathBuf {
        let hosts = fs::read_dir(vault.join("hosts")).and_then(|mut hosts| hosts.next().transpose());
        match hosts {
            Ok(Some(host)) => host.path(),
            other => panic!("{} has no host: {other:?}", vault.display()),
        }
    }

    /// The binary with this host's plan.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = vow();
        command.arg("--config").arg(self.config()).args(arguments);
        command
    }

    /// The same, run by another program, such as `strace`.
    pub fn wrapped<S: AsRef<OsStr>>(
        &self,
        wrapper: &[&str],
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = clean(Command::new(wrapper[0]));
        command.args(&wrapper[1..]).arg(binary()).arg("--config").arg(self.config()).args(arguments);
        command
    }

    /// Runs a command of this host's plan.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Done {
        shell::run(&mut self.command(arguments))
    }

    /// Starts a command of this host's plan.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Running {
        shell::start(&mut self.command(arguments))
    }

    /// Backs up every source; all of it must succeed. Gives the id of the first snapshot.
    #[track_caller]
    pub fn backup(&self) -> String {
        let done = self.run(["backup", "--json"]).expect(0);
        ids(&done).remove(0)
    }

    /// Restores a whole snapshot with the recovery kit.
    pub fn restore(&self, snapshot: &str, target: &Path) -> Done {
        self.run([
            OsStr::new("restore"),
            OsStr::new(snapshot),
            OsStr::new("--json"),
            OsStr::new("--identity"),
            self.identity().as_os_str(),
            OsStr::new("--target"),
            target.as_os_str(),
        ])
    }

    /// Restores a snapshot from one vault, as a bare machine would: with the kit alone.
    pub fn restore_from(&self, vault: &Path, snapshot: &str, target: &Path) -> Done {
        let mut command = vow();
        command.arg("restore").arg(snapshot).arg("--json").arg("--identity").arg(self.identity());
        shell::run(command.arg("--vault").arg(vault).arg("--target").arg(target))
    }

    /// Insists that a snapshot restores to exactly this tree, which was read from `root`.
    #[track_caller]
    pub fn assert_restores(&self, snapshot: &str, root: &Path, expected: &Tree) {
        let target = scratch();
        let _ = self.restore(snapshot, target.path()).expect(0);
        expected.assert_equals(&Tree::read(&below(target.path(), root)), snapshot);
    }

    /// The same from one vault, without the plan.
    #[track_caller]
    pub fn assert_restores_from(&self, vault: &Path, snapshot: &str, root: &Path, expected: &Tree) {
        let target = scratch();
        let _ = self.restore_from(vault, snapshot, target.path()).expect(0);
        expected.assert_equals(&Tree::read(&below(target.path(), root)), snapshot);
    }

    /// Reads every byte of the vaults with the recovery kit.
    pub fn check(&self) -> Done {
        let mut arguments: Vec<OsString> =
            ["check", "--read-data", "--json", "--identity"].map(OsString::from).into();
        arguments.push(self.identity().into());
        self.run(arguments)
    }

    /// Adds lines to the plan.
    pub fn add_to_plan(&self, lines: &str) {
        let mut plan = fs::read_to_string(self.config()).unwrap_or_default();
        let _ = write!(plan, "\n{lines}\n");
        fs::write(self.config(), plan).unwrap_or_else(|e| panic!("cannot write the plan: {e}"));
    }

    /// Adds a vault to the plan and makes it.
    #[track_caller]
    pub fn add_vault(&self, name: &str, path: &Path) {
        self.add_to_plan(&format!("[[vault]]\nname = {name:?}\npath = {:?}", path.display().to_string()));
        let _ = self.run(["vault", "init", name]).expect(0);
    }

    /// Adds a source of files to the plan.
    pub fn add_source(&self, name: &str, path: &Path) {
        let path = path.display().to_string();
        self.add_to_plan(&format!("[[source]]\nname = {name:?}\ntype = \"files\"\npaths = [{path:?}]"));
    }
}

/// The ids of the snapshots that a backup acknowledged.
#[track_caller]
pub fn ids(done: &Done) -> Vec<String> {
    let summary = done.summary();
    let snapshots = summary["snapshots"].as_array().cloned().unwrap_or_default();
    snapshots.iter().filter_map(|snapshot| snapshot["id"].as_str().map(str::to_owned)).collect()
}

/// Where an absolute path comes to be below a target.
pub fn below(target: &Path, path: &Path) -> PathBuf {
    target.join(path.strip_prefix("/").unwrap_or(path))
}

/// Every regular file below a folder, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    shell::tool("cp", [OsStr::new("-a"), OsStr::new("--"), from.as_os_str(), to.as_os_str()]);
}
