//! A fresh machine on this one: a root, processes and mounts of its own, with the programs that are installed here, on the network of a
//! [`Lab`]. Needs root.

use crate::cable::Lab;
use crate::host::{binary, scratch};
use crate::shell::{self, Done};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// A machine that runs until the value goes away, and everything on it with it.
pub struct Machine {
    holder: Child,
    /// Its first process.
    first: String,
    shared: TempDir,
    // Goes last: it is what the machine hangs on.
    _lab: Arc<Lab>,
}

const PATH: &str = "PATH=/run:/usr/sbin:/usr/bin:/sbin:/bin";

impl Machine {
    /// The machine with this number of a lab.
    #[track_caller]
    #[must_use]
    pub fn on(lab: &Arc<Lab>, number: u8) -> Self {
        let shared = scratch();
        let (script, inside) = (shared.path().join("machine.sh"), shared.path().join("inside.sh"));
        let written = fs::write(&script, include_str!("machine.sh"))
            .and_then(|()| fs::write(&inside, "echo ready\nexec sleep infinity\n"));
        written.unwrap_or_else(|e| panic!("{}: {e}", script.display()));
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh"]);
        unshare.arg(&script).arg(shared.path()).arg(binary()).arg(&inside).env_remove("TMPDIR");
        let mut there = lab.command(number, &unshare);
        let spawned = there.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut holder = spawned.unwrap_or_else(|e| panic!("no machine: {e}"));
        let mut line = String::new();
        let read = holder.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        assert_eq!(line.trim(), "ready", "the machine does not start: {read:?}");
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let children = fs::read_to_string(&children).unwrap_or_else(|e| panic!("{children}: {e}"));
        let first = children.split_whitespace().next().map(str::to_owned);
        let first = first.unwrap_or_else(|| panic!("the machine has no process"));
        Self { holder, first, shared, _lab: lab.clone() }
    }

    /// Runs a command there, as root.
    pub fn run(&self, words: &[&str]) -> Done {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first, "--mount", "--pid", "--net", "--root", "--wd", "--"]);
        command.args(["env", "-i", "HOME=/root", "USER=root", "LC_ALL=C", PATH]).args(words);
        shell::run(&mut command)
    }

    /// Runs a script there, which must succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.run(&["sh", "-euc", script]).expect(0).text()
    }

    /// A file there that is shared: `/out/NAME`.
    pub fn shared(&self, name: &str) -> PathBuf {
        self.shared.path().join(name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its first process first: the holder waits until everything there is over, and its mounts with it. Were the folder that they hang on
        // removed before, the kernel would let go of them as a tree, in which a disk in a file and the file keep each other alive for ever.
        let first = self.first.parse().ok().and_then(rustix::process::Pid::from_raw);
        let kill = |pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        if first.is_none_or(|pid| kill(pid).is_err()) {
            let _ = self.holder.kill();
        }
        let _ = self.holder.wait();
    }
}
