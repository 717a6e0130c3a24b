//! The parent's end: starts the child, shows it files, and starts another one when a file was too much for it.

use super::Kind;
use super::child::FRAME_MAX_BYTES;
use crate::drill::files::Inspector;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vow_base::ObjectId;
use vow_sources::process::{Account, Launcher, Running};
use vow_store::listing::entry::Entry;
use vow_store::listing::path;

const SIGXCPU: i32 = 24;
/// Children that may die one after the other before nothing more is tried: then the fault is here.
const DEAD_MAX: u32 = 20;

/// How the child is started: this program, with the argument that makes it the child.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its argument.
    pub argument: &'static str,
}

/// What all inspectors of a drill share.
#[derive(Debug, Default)]
pub struct Unchecked {
    /// Files that a child could not look at.
    pub files: AtomicU64,
}

/// See the module.
pub struct ChildInspector {
    program: Program,
    unchecked: Arc<Unchecked>,
    child: Option<Child>,
    dead: u32,
    /// Whether the file at hand is still being shown.
    shown: bool,
}

struct Child {
    running: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Answer {
    wrong: Option<String>,
    unchecked: Option<String>,
}

impl ChildInspector {
    /// Nothing is started before the first file.
    pub fn new(program: Program, unchecked: Arc<Unchecked>) -> Self {
        Self { program, unchecked, child: None, dead: 0, shown: false }
    }

    fn start(&mut self) -> bool {
        if self.child.is_none() && self.dead < DEAD_MAX {
            self.child = Child::start(&self.program);
            self.dead += u32::from(self.child.is_none());
        }
        self.child.is_some()
    }

    /// The child is gone in the middle of a file: what that says about the file.
    fn lost(&mut self) -> Option<String> {
        let child = self.child.take()?;
        self.dead += 1;
        let Child { running, input, output } = child;
        drop((input, output));
        let ended = running.wait_at_most(std::time::Duration::from_secs(10));
        self.unchecked.files.fetch_add(1, Ordering::Relaxed);
        let signal = ended.ok().and_then(|ended| ended.status.signal());
        (signal == Some(SIGXCPU)).then(|| "its parser ran out of time: it may be made to do that".to_owned())
    }

    fn send(&mut self, what: u8, pieces: &[&[u8]]) -> bool {
        let Some(child) = &mut self.child else { return false };
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut head = vec![what];
        head.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        child
            .input
            .write_all(&head)
            .and_then(|()| pieces.iter().try_for_each(|piece| child.input.write_all(piece)))
            .is_ok()
    }
}

impl Child {
    fn start(program: &Program) -> Option<Self> {
        // As nobody, where that can be had; in a network of its own, likewise.
        let nobody = rustix::process::geteuid().is_root().then(|| Account::named("nobody")).flatten();
        let own = Launcher::default();
        let starters = [Launcher::new(nobody), own];
        starters.iter().find_map(|launcher| Self::start_as(launcher, program))
    }

    fn start_as(launcher: &Launcher, program: &Program) -> Option<Self> {
        let unshare = Path::new("/usr/bin/unshare");
        let mut command = if unshare.exists() {
            let mut command = launcher.command(unshare);
            command
                .args(["--user", "--map-current-user", "--net", "--"])
                .arg(&program.path)
                .arg(program.argument);
            command
        } else {
            let mut command = launcher.command(&program.path);
            command.arg(program.argument);
            command
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = Self::begin(launcher, command);
        if started.is_some() || !unshare.exists() {
            return started;
        }
        let mut command = launcher.command(&program.path);
        command.arg(program.argument).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::begin(launcher, command)
    }

    /// Started, and it answers: a wrapper that does not work here ends at once.
    fn begin(launcher: &Launcher, command: std::process::Command) -> Option<Self> {
        let mut running = launcher.start(command).ok()?;
        let (input, output) = (running.stdin().ok()?, BufReader::new(running.stdout().ok()?));
        let mut child = Self { running, input, output };
        let mut hello = vec![b'B'];
        hello.extend_from_slice(&8u32.to_le_bytes());
        hello.extend_from_slice(&0u64.to_le_bytes());
        hello.extend_from_slice(b"E\0\0\0\0");
        child.input.write_all(&hello).ok()?;
        let mut line = String::new();
        let read = child.output.read_line(&mut line).ok()?;
        (read > 0).then_some(child)
    }
}

impl Inspector for ChildInspector {
    fn begin(&mut self, entry: &Entry<ObjectId>) -> bool {
        let name = path::name(&entry.path);
        if Kind::of_name(name).is_none() {
            return false;
        }
        if !self.start() {
            self.unchecked.files.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.shown = self.send(b'B', &[&entry.size.to_le_bytes(), name]);
        true
    }

    fn data(&mut self, piece: &[u8]) {
        for piece in piece.chunks(FRAME_MAX_BYTES) {
            self.shown = self.shown && self.send(b'D', &[piece]);
        }
    }

    fn end(&mut self) -> Option<String> {
        if !(self.shown && self.send(b'E', &[])) {
            return self.lost();
        }
        let mut line = String::new();
        let answered =
            self.child.as_mut().is_some_and(|child| child.output.read_line(&mut line).is_ok_and(|n| n > 0));
        let Some(answer) = answered.then(|| serde_json::from_str::<Answer>(&line).ok()).flatten() else {
            return self.lost();
        };
        self.dead = 0;
        if answer.unchecked.is_some() {
            self.unchecked.files.fetch_add(1, Ordering::Relaxed);
        }
        answer.wrong
    }

    fn abandon(&mut self) {
        // It waits for the rest of a file that does not come.
        self.child = None;
    }
}
