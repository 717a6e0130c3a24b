//! Running a program so that it is held each time when it has read a part of one file, until something else was done. So what a test
//! does in the middle of a file happens in the middle of it, however busy the machine is.

use crate::shell::{self, Done};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A program that runs longer is taken for one that hangs.
const DEADLINE: Duration = Duration::from_secs(300);
/// How strace shows that the program was held.
const HELD: &str = "--- SIGSTOP {";

/// Runs vow with these arguments by `strace`, as [`Host::wrapped`](crate::Host::wrapped) makes it, and calls `meanwhile` after each read of
/// the file.
pub fn run(file: &Path, wrapped: impl FnOnce(&[&str]) -> Command, mut meanwhile: impl FnMut()) -> Done {
    let scratch = crate::host::scratch();
    let (log, path) = (scratch.path().join("strace"), file.display().to_string());
    let log_path = log.display().to_string();
    let rule = ["-e", "trace=pread64", "-e", "inject=pread64:signal=SIGSTOP"];
    let strace = [&["strace", "-f", "-o", &log_path, "-P", &path][..], &rule[..]].concat();
    let mut running = shell::start(&mut wrapped(&strace));
    let (mut seen, began) = (0, Instant::now());
    while !running.has_ended() && began.elapsed() < DEADLINE {
        let held = fs::read_to_string(&log).unwrap_or_default().matches(HELD).count();
        if held == seen {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        seen += 1;
        meanwhile();
        let tracer = running.id();
        let held = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap_or_default();
        for program in held.split_whitespace() {
            // It may have gone on and ended: then nobody waits.
            let _ = Command::new("kill").args(["-CONT", program]).output();
        }
    }
    // After the deadline it is ended: what it said by then is said.
    let done = if running.has_ended() { running.wait() } else { running.kill() };
    assert!(seen > 0, "{} was not read\n{}", file.display(), done.story());
    done
}
