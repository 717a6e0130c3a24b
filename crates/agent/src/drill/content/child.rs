//! The limited child: takes files through its standard input, answers on its standard output, can open nothing and write nowhere.
//!
//! Frames: one byte says what (`B` a file begins, `D` data, `E` it ends), four bytes how much follows, little-endian. A file begins with
//! its size in eight bytes and its name. The answer to `E` is one line of JSON.

use super::{Finding, Kind, check};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read, Write};

/// Address space, in bytes: what one image may take, and the program itself.
const MEMORY_BYTES: u64 = 1 << 30;
/// Seconds of processor time for one file, and bytes of it that buy one more.
const CPU_SECS: u64 = 30;
const CPU_SECS_PER_BYTES: u64 = 8 << 20;
/// Seconds for all of them: what takes over must begin anew sometime.
const CPU_SECS_MAX: u64 = 24 * 3600;
/// The longest frame that is taken.
pub(super) const FRAME_MAX_BYTES: usize = 16 << 20;

/// Runs until its input ends. Called in a process of its own.
///
/// # Errors
/// The pipe broke, or a limit could not be set: then nothing is read at all.
pub fn run() -> io::Result<()> {
    limit()?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some((what, mut frame)) = frame(&mut input)? {
        if what != b'B' || frame.len() < 8 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let name = frame.split_off(8);
        let size = u64::from_le_bytes(frame.try_into().map_err(|_| io::ErrorKind::InvalidData)?);
        allow_time(size)?;
        let mut data = Data { input: &mut input, left: Vec::new(), at: 0, ended: false };
        let finding = match Kind::of_name(&name) {
            Some(kind) => check(kind, size, &mut data),
            None => Finding::Right,
        };
        // Whatever the parser did not want.
        io::copy(&mut data, &mut io::sink())?;
        let answer = match finding {
            Finding::Right => serde_json::json!({}),
            Finding::Wrong(text) => serde_json::json!({"wrong": short(&text)}),
            Finding::Unchecked(text) => serde_json::json!({"unchecked": short(&text)}),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

/// Parsers quote what they read.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// No file can be opened any more, none written, no process started; memory is bounded.
fn limit() -> io::Result<()> {
    let most = |bytes: u64| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::As, most(MEMORY_BYTES))?;
    setrlimit(Resource::Core, most(0))?;
    setrlimit(Resource::Fsize, most(0))?;
    setrlimit(Resource::Nofile, most(3))?;
    setrlimit(Resource::Cpu, Rlimit { current: Some(CPU_SECS), maximum: Some(CPU_SECS_MAX) })?;
    // Root is not bound by this one.
    setrlimit(Resource::Nproc, most(0))?;
    Ok(())
}

fn allow_time(size: u64) -> io::Result<()> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_sec;
    let until = u64::try_from(used).unwrap_or(0) + 1 + CPU_SECS + size / CPU_SECS_PER_BYTES;
    let now = getrlimit(Resource::Cpu);
    setrlimit(Resource::Cpu, Rlimit { current: Some(until.min(CPU_SECS_MAX)), maximum: now.maximum })?;
    Ok(())
}

/// The next frame; `None` at the end of the input.
fn frame(input: &mut dyn Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 5];
    match input.read(&mut head[..1])? {
        0 => return Ok(None),
        _ => input.read_exact(&mut head[1..])?,
    }
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > FRAME_MAX_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(Some((head[0], bytes)))
}

/// The data of one file, as it comes through the pipe.
struct Data<'i> {
    input: &'i mut dyn Read,
    left: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Data<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.left.len() && !self.ended {
            match frame(self.input)? {
                Some((b'D', data)) => (self.left, self.at) = (data, 0),
                Some((b'E', _)) => self.ended = true,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        let count = buffer.len().min(self.left.len() - self.at);
        buffer[..count].copy_from_slice(&self.left[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
