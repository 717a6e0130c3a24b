//! A program's output as a source, and what it must pass.

use super::truth::{OUTPUT, TRUTH, TRUTH_FORMAT, Truth, VERSION};
use super::try_out;
use crate::adapter::{
    AdapterError, Begun, Capture, Discovered, Ground, Memory, Proof, Request, Restored, Run, Stop,
};
use crate::process::{Account, Ended, Launcher, one_line};
use crate::program::{Judge, Program};
use crate::steps::{Next, Outcomes, Slot, Steps};
use crate::stored::text_of;
use crate::synthetic;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vow_base::id::{Sha256Stream, hex};
use vow_store::archive::Snapshot;
use vow_store::source::Found;

/// How long a program may run.
pub const DEFAULT_MAX_SECS: u64 = 6 * 3600;

/// What it means that the program writes to its error output although it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStderr {
    /// Nothing.
    Ignore,
    /// The snapshot is partial.
    Warn,
    /// There is no snapshot.
    Fail,
}

/// What to capture.
#[derive(Debug, Clone)]
pub struct CommandOptions {
    /// The program, by its whole path or a name in the usual places, and its arguments. No shell.
    pub command: Vec<String>,
    /// The account of the operating system that it runs as, instead of one's own.
    pub run_as: Option<String>,
    /// Extension of the file in the snapshot.
    pub extension: Option<String>,
    /// A shorter output is not whole.
    pub min_bytes: u64,
    /// A program that runs longer is ended.
    pub max_secs: u64,
    /// How the output must end, apart from white space behind it.
    pub ends_with: Option<String>,
    /// What error output means.
    pub stderr: OnStderr,
    /// The program that restores: it is given the output on its input.
    pub restore_command: Vec<String>,
    /// The program that proves: it is given the output on its input, in a scratch folder.
    pub prove_command: Vec<String>,
}

impl CommandOptions {
    /// With every default.
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            run_as: None,
            extension: None,
            min_bytes: 1,
            max_secs: DEFAULT_MAX_SECS,
            ends_with: None,
            stderr: OnStderr::Warn,
            restore_command: Vec::new(),
            prove_command: Vec::new(),
        }
    }

    /// The file of the output in a snapshot.
    pub(crate) fn file(&self) -> String {
        self.extension.as_ref().map_or(OUTPUT.to_owned(), |extension| format!("{OUTPUT}.{extension}"))
    }

    pub(crate) fn launcher(&self) -> Result<Launcher, String> {
        let Some(name) = &self.run_as else { return Ok(Launcher::default()) };
        let account = Account::named(name)
            .ok_or_else(|| format!("there is no account {name:?} on this machine (run_as)"))?;
        let own = rustix::process::geteuid();
        match own.is_root() || account.uid == own.as_raw() {
            true => Ok(Launcher::new(Some(account))),
            false => Err(format!("only root can run programs as {name:?} (run_as)")),
        }
    }
}

impl Capture for CommandOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let (options, dry_run) = (self.clone(), run.dry_run);
        let had = run.remembered.as_deref().and_then(|bytes| bytes.parse().ok());
        let learned = Arc::new(Mutex::new(None));
        let counted = Arc::clone(&learned);
        let source = Steps::new(move || begin(options, dry_run, had, &counted));
        let remember = move || {
            learned.lock().unwrap_or_else(PoisonError::into_inner).map(|bytes: u64| bytes.to_string())
        };
        Ok(Begun { source: Box::new(source), warnings: Vec::new(), remember: Box::new(remember) })
    }

    /// What a program captures is not known.
    fn covers(&self, _: &Discovered) -> bool {
        false
    }

    fn memory(&self) -> Memory {
        Memory::Helps("an output much shorter than the last one would not be noticed in this run")
    }

    fn restore(
        &self,
        snapshot: &Snapshot,
        _: &Request,
        stop: Stop<'_>,
    ) -> Option<Result<Restored, AdapterError>> {
        Some(try_out::restore(self, snapshot, stop))
    }

    fn prove(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        stop: Stop<'_>,
    ) -> Option<Result<Proof, AdapterError>> {
        Some(try_out::prove(Some(self), snapshot, ground.place, stop))
    }
}

type Learned = Arc<Mutex<Option<u64>>>;

fn begin(
    options: CommandOptions,
    dry_run: bool,
    had: Option<u64>,
    learned: &Learned,
) -> Result<Next, String> {
    let launcher = options.launcher()?;
    let file = options.file();
    if dry_run {
        let words = options.command.join(" ");
        return Ok(Next {
            found: vec![Found::Note(format!("would run {words} and store its output as {file}"))],
            then: Vec::new(),
        });
    }
    let outcomes = Outcomes::new();
    let judge = Output {
        options: options.clone(),
        bytes: 0,
        sha256: Sha256Stream::default(),
        tail: Vec::new(),
        slot: Some(outcomes.slot()),
    };
    let what = format!("the output of {}", options.command.first().map_or("", String::as_str));
    let longest = Duration::from_secs(options.max_secs);
    let program = Program::new(what, Box::new(judge), move |_| {
        let mut command =
            launcher.command(&PathBuf::from(options.command.first().map_or("", String::as_str)));
        command.args(options.command.iter().skip(1)).stdout(Stdio::piped());
        let mut running = launcher.start(command).map_err(|error| error.to_string())?;
        let out = running.stdout().map_err(|error| error.to_string())?;
        Ok((running, out))
    });
    let item = synthetic::file(file.as_bytes());
    let found = vec![
        Found::Item(synthetic::folder(b"")),
        Found::Stream(item, Box::new(program.at_most(Some(longest)))),
    ];
    let learned = Arc::clone(learned);
    let conclude = move || {
        outcomes.wait(1)?;
        let Some(truth) = outcomes.take().pop() else { return Err("the output has no outcome".into()) };
        *learned.lock().unwrap_or_else(PoisonError::into_inner) = Some(truth.bytes);
        let mut found = Vec::new();
        if let Some(had) = had.filter(|had| truth.bytes < had / 2) {
            let text =
                format!("the output has {} bytes, less than half of the last one ({had})", truth.bytes);
            found.push(Found::Problem { path: file.into(), text });
        }
        found.push(Found::Stream(synthetic::file(TRUTH.as_bytes()), synthetic::bytes(text_of(&truth)?)));
        Ok(Next { found, then: Vec::new() })
    };
    Ok(Next { found, then: vec![Box::new(conclude)] })
}

/// Judges the output.
struct Output {
    options: CommandOptions,
    bytes: u64,
    sha256: Sha256Stream,
    /// The end of it, as far as it has to be looked at.
    tail: Vec<u8>,
    slot: Option<Slot<Truth>>,
}

/// White space behind the end marker that is looked over.
const SPACE_BYTES: usize = 64;

impl Judge for Output {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
        let kept = self.options.ends_with.as_ref().map_or(0, |end| end.len() + SPACE_BYTES);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(kept)..]);
        let more = self.tail.len().saturating_sub(kept);
        self.tail.drain(..more);
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn verdict(mut self: Box<Self>, ended: &Ended, _: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        let degraded = match self.judge(ended) {
            Ok(degraded) => degraded,
            Err(why) => {
                self.failed(&why);
                return Err(why);
            }
        };
        let Some(slot) = self.slot.take() else { return Err("it was judged already".into()) };
        slot.done(Truth {
            format: TRUTH_FORMAT.into(),
            version: VERSION,
            file: self.options.file(),
            command: self.options.command.clone(),
            bytes: self.bytes,
            sha256: hex(&self.sha256.finish()),
            ends_with: self.options.ends_with.clone(),
        });
        Ok(degraded)
    }

    fn failed(&mut self, reason: &str) {
        if let Some(slot) = self.slot.take() {
            slot.failed(reason);
        }
    }
}

impl Output {
    fn judge(&self, ended: &Ended) -> Result<Vec<String>, String> {
        let options = &self.options;
        if self.bytes < options.min_bytes {
            return Err(format!(
                "it has {} bytes, and at least {} are wanted (min_size)",
                self.bytes, options.min_bytes
            ));
        }
        if let Some(end) = options.ends_with.as_deref()
            && !self.tail.trim_ascii_end().ends_with(end.as_bytes().trim_ascii_end())
        {
            return Err(format!("it does not end with {end:?} (ends_with): it is cut"));
        }
        let said = one_line(&ended.said);
        match options.stderr {
            _ if said.is_empty() => Ok(Vec::new()),
            OnStderr::Ignore => Ok(Vec::new()),
            OnStderr::Warn => Ok(vec![said]),
            OnStderr::Fail => Err(format!("the program succeeded, but said (stderr = \"fail\"): {said}")),
        }
    }
}
