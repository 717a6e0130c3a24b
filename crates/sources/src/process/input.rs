//! The input of a program, written to as long as nobody wants to stop: a program that waits for something itself, a lock or room on a
//! disk, reads nothing, and whoever writes to it would wait for ever with it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::io::{self, Write};
use std::process::ChildStdin;

/// How often a writer that waits looks whether it was asked to stop.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The input.
pub(crate) struct Input<'i> {
    pipe: ChildStdin,
    stop: &'i dyn Fn() -> bool,
}

impl<'i> Input<'i> {
    /// Of this pipe.
    pub(super) fn new(pipe: ChildStdin, stop: &'i dyn Fn() -> bool) -> io::Result<Self> {
        // Our end only: the program's is another one.
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self { pipe, stop })
    }
}

impl Write for Input<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            if (self.stop)() {
                return Err(io::Error::other("interrupted"));
            }
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match poll(&mut [PollFd::new(&self.pipe, PollFlags::OUT)], Some(&LOOK)) {
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}
