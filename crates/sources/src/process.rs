//! Running the official tools: no shell, an environment of their own, another user where that is needed, and an error output that
//! is kept short and free of secrets. A program that is let go of is killed and waited for.

mod account;
mod clean;
mod input;

pub use account::Account;
pub(crate) use clean::clean;
pub(crate) use input::Input;

use crate::adapter::Blame;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Error output kept of one program; tools repeat whole statements in it, with the customer's data.
const STDERR_LIMIT_BYTES: usize = 64 << 10;
/// How often a program that is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// How programs are started.
#[derive(Clone, Default)]
pub struct Launcher {
    account: Option<Account>,
    variables: Vec<(&'static str, OsString)>,
    secrets: Arc<Vec<Zeroizing<String>>>,
}

impl Launcher {
    /// As this account; `None` stands for the own one. Only root may become another.
    pub fn new(account: Option<Account>) -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self { account: account.filter(|account| account.uid != own), ..Self::default() }
    }

    /// The account programs run as.
    pub fn account(&self) -> Account {
        self.account.clone().unwrap_or_else(Account::own)
    }

    /// Adds a variable to the environment of every program. Never a secret: other processes can read it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Takes out of every error output what must not be seen.
    #[must_use]
    pub fn hiding(mut self, secret: Zeroizing<String>) -> Self {
        Arc::make_mut(&mut self.secrets).push(secret);
        self
    }

    /// Gives a file or folder to the account that programs run as. A link that somebody put in its place is not followed.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        match &self.account {
            Some(account) => std::os::unix::fs::lchown(path, Some(account.uid), Some(account.gid)),
            None => Ok(()),
        }
    }

    /// A program that is ready to be started: with an environment of its own, in the root folder.
    pub fn command(&self, program: &Path) -> Command {
        let account = self.account();
        let mut command = Command::new(program);
        command.env_clear().current_dir("/").stdin(Stdio::null());
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        // Messages are looked at for words.
        command.env("LC_ALL", "C").env("HOME", &account.home).env("USER", &account.name);
        command.env("LOGNAME", &account.name).envs(self.variables.iter().map(|(name, value)| (*name, value)));
        // A signal from the terminal is for vow, which ends its programs itself.
        command.process_group(0);
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Starts a command. Whatever is piped must be taken and drained; its error output is collected here.
    pub fn start(&self, command: Command) -> Result<Running, ToolError> {
        self.spawn(command, capped)
    }

    /// The same for a program that tells at length what it does: each line is shown to `look` as it comes, and of all of them the last
    /// ones are kept.
    pub fn start_watched(
        &self,
        command: Command,
        look: impl FnMut(&str) + Send + 'static,
    ) -> Result<Running, ToolError> {
        self.spawn(command, |from| watched(from, look))
    }

    fn spawn(
        &self,
        mut command: Command,
        read: impl FnOnce(ChildStderr) -> Vec<u8> + Send + 'static,
    ) -> Result<Running, ToolError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let spawned = command.stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|source| ToolError::Start { program, source })?;
        let stderr = child.stderr.take().map(|from| std::thread::spawn(move || read(from)));
        Ok(Running { child, name, stderr, secrets: Arc::clone(&self.secrets) })
    }

    /// A program that ends when this process is killed: one that stays behind would keep what it has to itself.
    pub fn ending_with_us(&self, program: &Path) -> Command {
        let setpriv = Path::new("/usr/bin/setpriv");
        if !setpriv.exists() {
            return self.command(program);
        }
        let mut command = self.command(setpriv);
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    }

    /// Runs a command to its end and gives its output, which must be short.
    pub fn output(
        &self,
        mut command: Command,
        limit_bytes: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Vec<u8>, Ended), ToolError> {
        command.stdout(Stdio::piped());
        let mut running = self.start(command)?;
        let out = running.stdout()?;
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.take(limit_bytes as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        let name = running.name.clone();
        let ended = running.wait(stop)?;
        let read = reader.join().map_err(|_| ToolError::Lost { program: name.clone() })?;
        let bytes = read.map_err(|source| ToolError::Pipe { program: name.clone(), source })?;
        if bytes.len() > limit_bytes {
            return Err(ToolError::TooLong { program: name, limit_bytes });
        }
        Ok((bytes, ended))
    }
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It did not start.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Its input or output failed.
    #[error("the pipe of {program} failed: {source}")]
    Pipe {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It said more than it may.
    #[error("{program} wrote more than {limit_bytes} bytes")]
    TooLong {
        /// The program.
        program: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// A thread of ours died.
    #[error("the output of {program} was lost by a fault in vow, please report it")]
    Lost {
        /// The program.
        program: String,
    },
    /// It failed.
    #[error("{program} failed ({how}): {said}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        how: String,
        /// What it said.
        said: String,
    },
    /// The run was asked to stop.
    #[error("interrupted")]
    Stopped,
}

impl ToolError {
    /// Whose fault it is that nothing was proven: a program that failed may have been given something wrong.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Start { .. } | Self::Lost { .. } => Blame::Machine,
            Self::Stopped => Blame::Gone,
            Self::Pipe { .. } | Self::TooLong { .. } | Self::Failed { .. } => Blame::Snapshot,
        }
    }
}

/// A program that runs.
pub struct Running {
    child: Child,
    name: String,
    stderr: Option<JoinHandle<Vec<u8>>>,
    secrets: Arc<Vec<Zeroizing<String>>>,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its name.
    pub program: String,
    /// Its status.
    pub status: ExitStatus,
    /// What it wrote to its error output, shortened and without secrets.
    pub said: String,
}

impl Running {
    /// Its input, to be written.
    pub fn stdin(&mut self) -> Result<ChildStdin, ToolError> {
        self.child.stdin.take().ok_or_else(|| ToolError::Lost { program: self.name.clone() })
    }

    /// The same, for as long as nobody wants to stop: also when the program reads nothing.
    pub(crate) fn input<'i>(&mut self, stop: &'i dyn Fn() -> bool) -> Result<Input<'i>, ToolError> {
        let pipe = self.stdin()?;
        Input::new(pipe, stop).map_err(|source| ToolError::Pipe { program: self.name.clone(), source })
    }

    /// Its output, to be read.
    pub fn stdout(&mut self) -> Result<ChildStdout, ToolError> {
        self.child.stdout.take().ok_or_else(|| ToolError::Lost { program: self.name.clone() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end, or kills it when asked to stop.
    pub fn wait(mut self, stop: &dyn Fn() -> bool) -> Result<Ended, ToolError> {
        let pipe = |name: &str| {
            let program = name.to_owned();
            move |source| ToolError::Pipe { program, source }
        };
        loop {
            if let Some(status) = self.child.try_wait().map_err(pipe(&self.name))? {
                let said = self.said();
                return Ok(Ended { program: self.name.clone(), status, said });
            }
            if stop() {
                return Err(ToolError::Stopped);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits for its end for so long at most; kills it then.
    pub fn wait_at_most(self, time: Duration) -> Result<Ended, ToolError> {
        let began = Instant::now();
        self.wait(&|| began.elapsed() > time)
    }

    fn said(&mut self) -> String {
        let bytes = self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        clean(&String::from_utf8_lossy(&bytes), &self.secrets)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // With all that it has started: it leads a process group of its own, and was not waited for, so the number is still its own.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Insists on success.
    pub fn expect_success(self) -> Result<Self, ToolError> {
        if self.status.success() {
            return Ok(self);
        }
        let how = self.status.to_string();
        let said = if self.said.is_empty() { "it said nothing".to_owned() } else { self.said };
        Err(ToolError::Failed { program: self.program, how, said: one_line(&said) })
    }
}

/// The lines of a message as one.
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Reads all, keeps the beginning.
fn capped(mut from: impl Read) -> Vec<u8> {
    let (mut kept, mut buffer, mut more) = (Vec::new(), [0; 8192], false);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                let room = STDERR_LIMIT_BYTES - kept.len();
                more |= read > room;
                kept.extend_from_slice(&buffer[..read.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    if more {
        kept.extend_from_slice(b"\n(cut off here)");
    }
    kept
}

/// Reads all, line by line; keeps the end.
fn watched(from: impl Read, mut look: impl FnMut(&str)) -> Vec<u8> {
    let (mut kept, mut from, mut line) = (Vec::new(), BufReader::new(from), Vec::new());
    loop {
        line.clear();
        // A line without an end is no reason to hold a gigabyte of it.
        match from.by_ref().take(STDERR_LIMIT_BYTES as u64).read_until(b'\n', &mut line) {
            Ok(0) => return kept,
            Ok(_) => {
                look(String::from_utf8_lossy(&line).trim_end());
                kept.extend_from_slice(&line);
                let more = kept.len().saturating_sub(STDERR_LIMIT_BYTES);
                kept.drain(..more);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_output_is_cut_off() {
        let launcher = Launcher::default();
        let mut command = launcher.command(Path::new("/bin/sh"));
        command.args(["-c", "head -c 1000000 /dev/zero | tr '\\0' 'x' | fold >&2; exit 3"]);
        let ended = launcher.start(command).and_then(|running| running.wait(&|| false)).expect("it ends");
        assert_eq!(ended.status.code(), Some(3));
        assert!(ended.said.len() < STDERR_LIMIT_BYTES + 100 && ended.said.ends_with("(cut off here)"));
    }

    #[test]
    fn of_a_program_that_is_watched_the_end_is_kept() {
        let launcher = Launcher::default();
        let mut command = launcher.command(Path::new("/bin/sh"));
        command.args(["-c", "seq 1 50000 >&2; printf 'the end' >&2"]);
        let seen = Arc::new(std::sync::Mutex::new(0));
        let count = Arc::clone(&seen);
        let look = move |_: &str| *count.lock().expect("nobody died") += 1;
        let running = launcher.start_watched(command, look).expect("it starts");
        let ended = running.wait(&|| false).expect("it ends");
        assert_eq!(*seen.lock().expect("nobody died"), 50_001);
        assert!(ended.said.len() <= STDERR_LIMIT_BYTES && ended.said.ends_with("50000\nthe end"));
    }

    #[test]
    fn a_program_that_reads_nothing_holds_nobody_up() {
        let launcher = Launcher::default();
        let mut command = launcher.command(Path::new("/bin/sleep"));
        command.arg("600").stdin(Stdio::piped());
        let mut running = launcher.start(command).expect("it starts");
        let began = Instant::now();
        let stop = || began.elapsed() > Duration::from_millis(300);
        let mut input = running.input(&stop).expect("a pipe");
        let piece = vec![0; 1 << 20];
        let error =
            std::iter::repeat_with(|| std::io::Write::write_all(&mut input, &piece)).find_map(Result::err);
        assert_eq!(error.map(|error| error.to_string()), Some("interrupted".into()));
    }

    #[test]
    fn a_program_is_stopped() {
        let launcher = Launcher::default();
        let mut command = launcher.command(Path::new("/bin/sleep"));
        command.arg("60");
        let running = launcher.start(command).expect("it starts");
        let ended = running.wait_at_most(Duration::from_millis(50));
        assert!(matches!(ended, Err(ToolError::Stopped)));
    }
}
