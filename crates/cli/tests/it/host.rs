//! A host in a temporary folder, and running `vow` on it.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run of the binary left behind. Every run is searched for secrets and for traces of a panic.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let ran = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        for trace in ["panicked", "stack backtrace", "RUST_BACKTRACE", "fault in itself"] {
            assert!(!ran.out.contains(trace) && !ran.err.contains(trace), "{trace:?} in {ran:#?}");
        }
        for line in ran.out.lines().chain(ran.err.lines()) {
            assert!(!line.contains("AGE-SECRET-KEY-1"), "a secret was printed");
        }
        ran
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that the error output names this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text:?} is not said in {self:#?}");
        self
    }

    /// Asserts that the output has this.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{text:?} is not printed in {self:#?}");
        self
    }

    /// Asserts that an error was reported with a next step.
    #[track_caller]
    pub(crate) fn advises(self) -> Self {
        self.says("error: ").says("next step: ")
    }

    /// Every line of the output, as JSON.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.out.lines().map(read).collect()
    }

    /// The last line of the output, as JSON: a document or the summary.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        self.lines().pop().unwrap_or_else(|| panic!("nothing was printed: {self:#?}"))
    }
}

/// Runs the binary in an environment without any configuration.
pub(crate) fn vow<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Ran {
    let mut command = command(folder);
    Ran::of(command.args(args).output().expect("the binary starts"))
}

/// The binary, to be started.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vow"));
    for name in
        ["VOW_CONFIG", "VOW_IDENTITY_FILE", "VOW_IDENTITY_COMMAND", "XDG_CONFIG_HOME", "XDG_DATA_HOME"]
    {
        command.env_remove(name);
    }
    command.env("HOME", folder).env("RUST_BACKTRACE", "full").current_dir(folder).stdin(Stdio::null());
    command
}

/// A host with a plan, a vault and some files.
pub(crate) struct Host {
    pub(crate) temp: tempfile::TempDir,
}

impl Host {
    /// Files and a plan; no backup yet.
    pub(crate) fn new() -> Self {
        let host = Self::bare();
        host.init(&[]).code(0);
        host
    }

    /// Files only.
    pub(crate) fn bare() -> Self {
        let host = Self { temp: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir_all(host.data().join("sub")).expect("folders");
        host.write("hello.txt", "hello, world\n");
        host.write("sub/notes.conf", "key = value\n");
        host.write("large.bin", noise(3 << 20));
        std::os::unix::fs::symlink("hello.txt", host.data().join("link")).expect("link");
        host
    }

    /// The same, with one backup.
    pub(crate) fn backed_up() -> Self {
        let host = Self::new();
        host.run(["backup", "--quiet"]).code(0);
        host
    }

    /// Runs `vow init` with the usual options and these.
    pub(crate) fn init(&self, more: &[&str]) -> Ran {
        let (dir, data) = (self.dir(), self.data());
        let mut args = vec!["init", "--name", "web-1", "--tenant", "acme"];
        args.extend(["--dir", text(&dir), "--path", text(&data)]);
        args.extend(more);
        vow(self.temp.path(), args)
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("host")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.temp.path().join("data")
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.dir().join("vault")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("vow.toml")
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.dir().join("recovery.agekey")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.data().join(name), content).expect("a file");
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.config()).expect("vow.toml");
        fs::write(self.config(), change(text)).expect("vow.toml");
    }

    /// Runs a command with this host's configuration.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let mut command = command(self.temp.path());
        command.arg("--config").arg(self.config()).args(args);
        Ran::of(command.output().expect("the binary starts"))
    }

    /// The same, with the identity.
    pub(crate) fn open<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let mut command = command(self.temp.path());
        command.arg("--config").arg(self.config()).args(args).arg("--identity").arg(self.identity());
        Ran::of(command.output().expect("the binary starts"))
    }

    /// `SNAPSHOT:PATH` of one of the files.
    pub(crate) fn at(&self, snapshot: &str, name: &str) -> String {
        format!("{snapshot}:{}", self.data().join(name).display())
    }

    /// The ids of all snapshots, oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        let listed = self.run(["snapshots", "--json"]).json();
        let snapshots = listed["snapshots"].as_array().expect("a list").clone();
        snapshots.iter().map(|snapshot| snapshot["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Every object of a kind in the vault.
    pub(crate) fn objects(&self, kind: &str) -> Vec<PathBuf> {
        files(&self.vault()).into_iter().filter(|path| text(path).contains(&format!("/{kind}/"))).collect()
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// The path as text; the names in these tests are.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

/// Whether this test may mount and use other users.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a script on a fresh machine with the programs of this one (`machine.sh` of the testkit), in name spaces of its own; only root can make one.
/// Gives the folder of its results.
pub(crate) fn on_fresh_machine(script: &str) -> Option<(tempfile::TempDir, Ran)> {
    if !is_root() {
        return None;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (machine, inside) = (temp.path().join("machine.sh"), temp.path().join("inside.sh"));
    fs::write(&machine, include_str!("../../../testkit/src/machine.sh")).expect("the machine");
    fs::write(&inside, script).expect("the script");
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--net", "--fork", "--kill-child", "--propagation", "private", "sh"]);
    unshare.arg(&machine).arg(temp.path()).arg(env!("CARGO_BIN_EXE_vow")).arg(&inside);
    let ran = unshare.env_remove("TMPDIR").stdin(Stdio::null()).output().expect("unshare starts");
    Some((temp, Ran::of(ran)))
}
