//! Programs that are run before and after a moment is captured: without a shell, for a time, and with what they say kept in part.

use super::CoherenceError;
use crate::process::{Launcher, clean, one_line};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a hook may take unless the plan says otherwise, in seconds.
pub(crate) const DEFAULT_SECS: u64 = 300;
/// What is kept of what a hook says; half of it is the beginning, half the end.
const KEPT_BYTES: usize = 4096;
/// How often a hook is looked at.
const PAUSE: Duration = Duration::from_millis(10);
/// Something it started may keep its output open; what it said up to then is waited for no longer than this.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook(pub Vec<String>);

/// What is run around a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Before it, in order.
    pub before: Vec<Hook>,
    /// After it, all of them, in order, whatever happened.
    pub after: Vec<Hook>,
    /// Seconds that each may take.
    pub limit_secs: u64,
    /// A failure of one before it is told, and ends nothing.
    pub before_may_fail: bool,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { before: Vec::new(), after: Vec::new(), limit_secs: DEFAULT_SECS, before_may_fail: false }
    }
}

impl Hooks {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// How what lies between the hooks went, as the hooks `after` are told in `VOW_RESULT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Result {
    /// Everything that was to be captured by then was.
    Ok,
    /// Something is missing.
    Partial,
    /// It was not captured.
    Failed,
    /// A signal ended it.
    Interrupted,
    /// The run was killed; this is a later one.
    LeftOpen,
}

impl Result {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::LeftOpen => "left-open",
        }
    }
}

/// What became of a hook.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `before` or `after`.
    pub when: &'static str,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// How it failed, if it did.
    pub failure: Option<String>,
    /// Beginning and end of what it said, without known secrets.
    pub said: String,
    /// How long it took.
    pub secs: f64,
}

impl Heard {
    /// One line for people.
    pub fn line(&self) -> String {
        let Self { when, words, failure, said, secs } = self;
        let how = failure.as_deref().unwrap_or("done");
        let said = one_line(said);
        let said = if said.is_empty() { said } else { format!(": {said}") };
        format!("the hook {when} it, `{}`, {how} after {secs:.1} s{said}", words.join(" "))
    }
}

/// What hooks are told in their environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) group: String,
    pub(crate) sources: Vec<String>,
    pub(crate) run: String,
    pub(crate) result: Option<Result>,
    pub(crate) snapshots: Vec<String>,
}

/// Runs a hook to its end, for as long as it may take.
pub(crate) fn run(
    when: &'static str,
    hook: &Hook,
    told: &Told,
    limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Heard {
    let began = Instant::now();
    let output = Arc::new(Mutex::new(Kept::default()));
    let failure = attempt(when, hook, told, limit, stop, &output).err();
    let said = output.lock().unwrap_or_else(PoisonError::into_inner).text();
    Heard {
        when,
        words: hook.0.clone(),
        failure,
        said: clean(&said, &[]),
        secs: began.elapsed().as_secs_f64(),
    }
}

/// Runs hooks that must all succeed; stops at the first that does not.
pub(crate) fn run_before(
    hooks: &Hooks,
    told: &Told,
    stop: &dyn Fn() -> bool,
    heard: &mut Vec<Heard>,
) -> std::result::Result<(), CoherenceError> {
    for hook in &hooks.before {
        let one = run("before", hook, told, Duration::from_secs(hooks.limit_secs), stop);
        let failed = one.failure.is_some().then(|| one.line());
        heard.push(one);
        if stop() {
            return Err(CoherenceError::Stopped);
        }
        if let Some(line) = failed.filter(|_| !hooks.before_may_fail) {
            return Err(CoherenceError::Hook(line));
        }
    }
    Ok(())
}

/// Runs every hook, whatever becomes of the others, and whoever wants it to stop.
pub(crate) fn run_after(hooks: &Hooks, told: &Told) -> Vec<Heard> {
    let limit = Duration::from_secs(hooks.limit_secs);
    hooks.after.iter().map(|hook| run("after", hook, told, limit, &|| false)).collect()
}

fn attempt(
    when: &str,
    hook: &Hook,
    told: &Told,
    limit: Duration,
    stop: &dyn Fn() -> bool,
    output: &Arc<Mutex<Kept>>,
) -> std::result::Result<(), String> {
    let Some((program, arguments)) = hook.0.split_first() else { return Err("names no program".to_owned()) };
    let mut command = Launcher::default().command(Path::new(program));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("VOW_HOOK", when).env("VOW_GROUP", &told.group).env("VOW_RUN", &told.run);
    command.env("VOW_SOURCE", told.sources.join(" ")).env("VOW_SNAPSHOT", told.snapshots.join(" "));
    command.env("VOW_RESULT", told.result.map_or("", Result::word));
    let child = command.spawn().map_err(|error| format!("cannot be started ({error})"))?;
    let mut family = Family { child, ended: false };
    let mut readers = Vec::new();
    readers.extend(family.child.stdout.take().map(|from| read(from, output)));
    readers.extend(family.child.stderr.take().map(|from| read(from, output)));
    let began = Instant::now();
    let status = loop {
        match family.child.try_wait() {
            Ok(Some(status)) => {
                family.ended = true;
                break status;
            }
            Ok(None) if began.elapsed() >= limit => {
                return Err(format!(
                    "was ended, since it took longer than {} s (hook_secs)",
                    limit.as_secs()
                ));
            }
            Ok(None) if stop() => return Err("was interrupted".to_owned()),
            Ok(None) => std::thread::sleep(PAUSE),
            Err(error) => return Err(format!("cannot be waited for ({error})")),
        }
    };
    let ended = Instant::now();
    while readers.iter().any(|reader| !reader.is_finished()) && ended.elapsed() < LAST_WORDS {
        std::thread::sleep(PAUSE);
    }
    if status.success() { Ok(()) } else { Err(format!("failed ({status})")) }
}

/// A hook and what it has started: all of it ends when the hook did not end by itself. What one that ended well has started goes on.
struct Family {
    child: Child,
    ended: bool,
}

impl Drop for Family {
    fn drop(&mut self) {
        if !self.ended {
            // It leads a process group of its own, and was not waited for, so the number is still its own.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Beginning and end of what was said.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    cut: bool,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = (KEPT_BYTES / 2).saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.tail.extend(&bytes[room..]);
        let more = self.tail.len().saturating_sub(KEPT_BYTES / 2);
        self.cut |= more > 0;
        self.tail.drain(..more);
    }

    fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&tail).into_owned());
        if self.cut { format!("{head}\n(cut)\n{tail}") } else { format!("{head}{tail}") }
    }
}

/// Reads to the end, however long that is, and keeps little.
fn read(mut from: impl Read + Send + 'static, into: &Arc<Mutex<Kept>>) -> std::thread::JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => into.lock().unwrap_or_else(PoisonError::into_inner).add(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(text: &str, secs: u64) -> Heard {
        let hook = Hook(["/bin/sh", "-c", text].map(str::to_owned).into());
        let told = Told { group: "shop".into(), sources: vec!["a".into(), "b".into()], ..Told::default() };
        run("before", &hook, &told, Duration::from_secs(secs), &|| false)
    }

    #[test]
    fn what_a_hook_says_and_how_it_ends_is_kept() {
        let heard = sh("echo $VOW_HOOK $VOW_GROUP \"$VOW_SOURCE\"; echo password=hunter2 >&2", 60);
        assert_eq!(heard.failure, None);
        assert!(heard.said.contains("before shop a b") && !heard.said.contains("hunter2"), "{}", heard.said);
        let heard = sh("yes | head -c 1000000; echo the end; exit 3", 60);
        assert!(heard.failure.as_deref().is_some_and(|how| how.contains("exit status: 3")), "{heard:?}");
        assert!(
            heard.said.len() < KEPT_BYTES + 100
                && heard.said.contains("(cut)")
                && heard.said.contains("the end")
        );
        let heard = run("after", &Hook(vec!["/nonexistent".into()]), &Told::default(), PAUSE, &|| false);
        assert!(heard.line().contains("cannot be started"), "{}", heard.line());
    }

    #[test]
    fn one_that_takes_too_long_is_ended_with_its_children() {
        let place = tempfile::tempdir().expect("temporary");
        let file = place.path().join("child");
        let heard = sh(&format!("sleep 600 & echo $! > {}; wait", file.display()), 1);
        assert!(heard.failure.as_deref().is_some_and(|how| how.contains("longer than 1 s")), "{heard:?}");
        let child: u32 = std::fs::read_to_string(file).expect("a number").trim().parse().expect("a number");
        // It may still be waited for by whoever inherits it.
        let gone = || {
            std::fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "))
        };
        while !gone() {
            std::thread::sleep(PAUSE);
        }
    }

    #[test]
    fn what_one_has_started_for_good_is_not_waited_for() {
        let heard = sh("sleep 600 & echo $!", 300);
        assert_eq!(heard.failure, None);
        let child: i32 = heard.said.trim().parse().expect("its number");
        assert!(heard.secs < 200.0);
        let _ = rustix::process::kill_process(Pid::from_raw(child).expect("a number"), Signal::KILL);
    }
}
