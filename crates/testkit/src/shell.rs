//! Running programs: with a deadline, with their output, and with a message that says what went wrong.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A program that runs longer is taken for one that hangs.
const DEADLINE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(3);

/// What came of a program.
#[derive(Debug, Clone)]
pub struct Done {
    /// How it was called.
    pub command: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Done {
    /// Insists on this exit code.
    #[track_caller]
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        self.expect_one_of(&[code])
    }

    /// Insists on one of these exit codes.
    #[track_caller]
    #[must_use]
    pub fn expect_one_of(self, codes: &[i32]) -> Self {
        let fine = self.code.is_some_and(|code| codes.contains(&code));
        assert!(fine, "expected exit {codes:?}\n{}", self.story());
        self
    }

    /// Its standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Both outputs as text, to search for words.
    pub fn said(&self) -> String {
        format!("{}{}", self.text(), self.stderr)
    }

    /// The last line of its standard output that is a JSON document.
    #[track_caller]
    pub fn summary(&self) -> serde_json::Value {
        let text = self.text();
        let last = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        last.unwrap_or_else(|| panic!("no summary\n{}", self.story()))
    }

    /// Everything about it, for a message.
    pub fn story(&self) -> String {
        let Self { command, code, signal, stderr, .. } = self;
        let stdout: String = self.text().chars().take(4000).collect();
        format!("{command}\nexit {code:?}, signal {signal:?}\nstdout: {stdout}\nstderr: {stderr}")
    }
}

/// A program that is running.
pub struct Running {
    child: Child,
    command: String,
    outputs: [JoinHandle<Vec<u8>>; 2],
}

/// Starts a program; its standard input is empty.
pub fn start(command: &mut Command) -> Running {
    let shown = format!("{command:?}");
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|e| panic!("cannot run {shown}: {e}"));
    let outputs = [collect(child.stdout.take()), collect(child.stderr.take())];
    Running { child, command: shown, outputs }
}

fn collect(from: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        bytes
    })
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        // It may have ended already.
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).output();
    }

    /// Ends it at once, as a crash would, and waits.
    pub fn kill(mut self) -> Done {
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits for its end; panics when it takes too long, or says that it panicked.
    pub fn wait(mut self) -> Done {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(e) => panic!("cannot wait for {}: {e}", self.command),
            }
            if began.elapsed() > DEADLINE {
                let _ = self.child.kill();
                panic!("{} hangs", self.command);
            }
            std::thread::sleep(PAUSE);
        };
        self.done(status)
    }

    fn done(self, status: ExitStatus) -> Done {
        let [stdout, stderr] = self.outputs.map(|output| output.join().unwrap_or_default());
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let done =
            Done { command: self.command, code: status.code(), signal: status.signal(), stdout, stderr };
        assert!(!done.stderr.contains("panicked"), "it panicked\n{}", done.story());
        done
    }
}

/// Starts a server, whose standard error is added to this file, and waits for the line in which it says that it is ready.
#[track_caller]
pub fn serve(command: &mut Command, log: &Path) -> (Child, serde_json::Value) {
    let file = File::options().create(true).append(true).open(log);
    let file = file.unwrap_or_else(|e| panic!("{}: {e}", log.display()));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn();
    let mut child = spawned.unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    let mut line = String::new();
    let read = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    let ready: Option<serde_json::Value> = serde_json::from_str(&line).ok();
    match ready.filter(|ready| ready["message_type"] == "ready") {
        Some(ready) => (child, ready),
        None => panic!("not ready: {read:?} {line:?}\n{}", std::fs::read_to_string(log).unwrap_or_default()),
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Done {
    start(command).wait()
}

/// Runs a tool that must succeed; gives its standard output.
#[track_caller]
pub fn tool<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> String {
    run(Command::new(program).args(arguments).env("LC_ALL", "C")).expect(0).text()
}

/// Whether the tests run as root; says that a test is skipped when not.
#[allow(clippy::print_stderr)]
pub fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED, needs root: {test}");
    }
    root
}

/// Whether the long loops were asked for.
pub fn is_soak() -> bool {
    std::env::var_os("VOW_SOAK").is_some_and(|value| !value.is_empty() && value != "0")
}
