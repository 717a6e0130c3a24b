//! The output of a program as a stream: read while it runs, looked at by a judge, and counted only when the program ended well.

use crate::process::{Ended, Running, ToolError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read};
use std::process::ChildStdout;
use std::time::{Duration, Instant};
use vow_store::source::Stream;

/// How often a stream that waits looks whether it was asked to stop.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
const PIECE_BYTES: usize = 256 << 10;

/// Reads along, and has the last word.
pub(crate) trait Judge: Send {
    /// Appends to `out` what of the output belongs into the file.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(bytes);
        Ok(())
    }

    /// Nothing came for so long. An error ends the program.
    fn idle(&mut self, _quiet: Duration, _stop: &dyn Fn() -> bool) -> Result<(), String> {
        Ok(())
    }

    /// The output has ended.
    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), String> {
        Ok(())
    }

    /// Whether the program ended well.
    fn ended(&self, ended: Ended) -> Result<Ended, String> {
        ended.expect_success().map_err(|error| error.to_string())
    }

    /// The program ended, with success: what is missing although the file is whole, or why it is not.
    fn verdict(self: Box<Self>, ended: &Ended, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String>;

    /// There is no file; the first reason.
    fn failed(&mut self, _reason: &str) {}
}

/// A program that was started, and its output.
pub(crate) type Started = (Running, ChildStdout);
/// Starts it, when the first bytes are asked for.
type Start = Box<dyn FnOnce(&dyn Fn() -> bool) -> Result<Started, String> + Send>;

/// The stream.
pub(crate) struct Program {
    /// What it is, for messages.
    what: String,
    start: Option<Start>,
    running: Option<Started>,
    began: Instant,
    longest: Option<Duration>,
    judge: Option<Box<dyn Judge>>,
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Program {
    pub(crate) fn new(
        what: impl Into<String>,
        judge: Box<dyn Judge>,
        start: impl FnOnce(&dyn Fn() -> bool) -> Result<Started, String> + Send + 'static,
    ) -> Self {
        Self {
            what: what.into(),
            start: Some(Box::new(start)),
            running: None,
            began: Instant::now(),
            longest: None,
            judge: Some(judge),
            ready: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    /// It may run so long at most.
    pub(crate) fn at_most(mut self, longest: Option<Duration>) -> Self {
        self.longest = longest;
        self
    }

    /// Why it has to end now.
    fn must_end(&self, stop: &dyn Fn() -> bool) -> Option<String> {
        if stop() {
            return Some(ToolError::Stopped.to_string());
        }
        let longest = self.longest.filter(|longest| self.began.elapsed() > *longest)?;
        Some(format!("it ran longer than {} s and was ended", longest.as_secs()))
    }

    fn fill(&mut self) -> Result<(), String> {
        let judge = self.judge.as_mut().ok_or("it was judged already")?;
        self.ready.clear();
        self.given = 0;
        let (_, out) = self.running.as_mut().ok_or("it does not run")?;
        let mut piece = vec![0; PIECE_BYTES];
        let read = loop {
            match out.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| format!("its output cannot be read: {error}"))?,
            }
        };
        if read == 0 {
            self.ended = true;
            return judge.end(&mut self.ready);
        }
        judge.feed(&piece[..read], &mut self.ready)
    }

    fn next(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, String> {
        loop {
            if self.given < self.ready.len() {
                let length = buffer.len().min(self.ready.len() - self.given);
                buffer[..length].copy_from_slice(&self.ready[self.given..self.given + length]);
                self.given += length;
                return Ok(length);
            }
            if self.ended {
                return Ok(0);
            }
            if let Some(start) = self.start.take() {
                self.began = Instant::now();
                self.running = Some(start(stop)?);
            }
            // Also before its first byte: some wait long for that.
            let waiting_since = Instant::now();
            while let Some((_, out)) = &self.running
                && !is_ready(out).map_err(|error| format!("its output cannot be waited for: {error}"))?
            {
                if let Some(why) = self.must_end(stop) {
                    return Err(why);
                }
                let judge = self.judge.as_mut().ok_or("it was judged already")?;
                judge.idle(waiting_since.elapsed(), stop)?;
            }
            self.fill()?;
        }
    }

    fn judged(&mut self, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        let Some((running, out)) = self.running.take() else { return Err("it was not begun".into()) };
        drop(out);
        let must_end = || self.must_end(stop).is_some();
        let ended = running.wait(&must_end).map_err(|error| match error {
            ToolError::Stopped => self.must_end(&|| false).unwrap_or_else(|| error.to_string()),
            error => error.to_string(),
        })?;
        let judge = self.judge.take().ok_or("it was judged already")?;
        let ended = match judge.ended(ended) {
            Ok(ended) => ended,
            Err(why) => {
                self.judge = Some(judge);
                return Err(why);
            }
        };
        judge.verdict(&ended, stop)
    }

    fn explain(&mut self, why: String) -> String {
        let mut text = format!("{}: {why}", self.what);
        // What the program said before it ended explains an output that makes no sense.
        if self.ended
            && let Some((running, out)) = self.running.take()
        {
            drop(out);
            if let Ok(ended) = running.wait_at_most(Duration::from_secs(5))
                && let Some(judge) = &self.judge
                && let Err(error) = judge.ended(ended)
            {
                text = format!("{text}; {error}");
            }
        }
        self.running = None;
        if let Some(mut judge) = self.judge.take() {
            judge.failed(&text);
        }
        text
    }
}

impl Stream for Program {
    fn read(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, String> {
        self.next(buffer, stop).map_err(|why| self.explain(why))
    }

    fn finish(mut self: Box<Self>, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        self.judged(stop).map_err(|why| self.explain(why))
    }
}

/// Whether there is something to read, or an end, within a moment.
fn is_ready(out: &ChildStdout) -> io::Result<bool> {
    let mut fds = [PollFd::new(out, PollFlags::IN)];
    match poll(&mut fds, Some(&LOOK)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
