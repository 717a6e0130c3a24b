//! What the RDB of a server must pass while it streams: whole by its own marks and checksum, and accepted by `redis-check-rdb`.

use super::access::Access;
use super::rdb::{Frame, Whole};
use crate::process::{Ended, Running, one_line};
use crate::program::Judge;
use crate::steps::Slot;
use std::io::{Read, Write};
use std::process::ChildStdin;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What came out of the dump.
pub(super) struct Dumped {
    pub(super) whole: Whole,
    pub(super) said: Said,
}

/// What `redis-check-rdb` said about the RDB.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    is_fine: bool,
    pub(super) keys: Option<u64>,
    pub(super) expires: u64,
    pub(super) expired: u64,
    pub(super) replid: Option<String>,
    pub(super) taken: Option<u64>,
}

impl Said {
    fn parse(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.lines() {
            let count = || line.strip_prefix("[info] ")?.split(' ').next()?.parse().ok();
            let quoted = || line.split('\'').nth(1).map(str::to_owned);
            if line.contains("RDB looks OK!") {
                said.is_fine = true;
            } else if line.ends_with(" keys read") {
                said.keys = count();
            } else if line.ends_with(" already expired") {
                said.expired = count().unwrap_or(0);
            } else if line.ends_with(" expires") {
                said.expires = count().unwrap_or(0);
            } else if line.contains("AUX FIELD repl-id = ") {
                said.replid = quoted();
            } else if line.contains("AUX FIELD ctime = ") {
                said.taken = quoted().and_then(|secs| secs.parse().ok());
            }
        }
        said
    }
}

/// Judges the RDB while it streams.
pub(super) struct Dump {
    frame: Frame,
    whole: Option<Whole>,
    checker: Option<Checker>,
    access: Arc<Access>,
    slot: Option<Slot<Dumped>>,
}

struct Checker {
    running: Running,
    input: ChildStdin,
    output: JoinHandle<Vec<u8>>,
}

impl Dump {
    /// Of this server; what came of it goes into the slot.
    pub(super) fn new(access: &Arc<Access>, slot: Slot<Dumped>) -> Self {
        Self { frame: Frame::new(), whole: None, checker: None, access: Arc::clone(access), slot: Some(slot) }
    }

    /// Gives the checker what goes into the file. One that has ended says why at the end.
    fn check(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.checker.is_none() {
            let mut running = self.access.check().map_err(|error| error.to_string())?;
            let (input, out) = running
                .stdin()
                .and_then(|input| Ok((input, running.stdout()?)))
                .map_err(|e| e.to_string())?;
            // It names every key it cannot read: only the end of what it says counts.
            let output = std::thread::spawn(move || last_of(out));
            self.checker = Some(Checker { running, input, output });
        }
        if let Some(checker) = &mut self.checker {
            let _ = checker.input.write_all(bytes);
        }
        Ok(())
    }
}

/// The beginning and the end of what is read.
fn last_of(mut from: impl Read) -> Vec<u8> {
    const KEPT_BYTES: usize = 64 << 10;
    let (mut kept, mut piece) = (Vec::new(), [0; 8192]);
    while let Ok(read) = from.read(&mut piece) {
        if read == 0 {
            break;
        }
        kept.extend_from_slice(&piece[..read]);
        if kept.len() > 4 * KEPT_BYTES {
            kept.drain(KEPT_BYTES..kept.len() - KEPT_BYTES);
        }
    }
    kept
}

impl Judge for Dump {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.frame.feed(bytes, out)?;
        self.check(out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.whole = Some(self.frame.end(out)?);
        self.check(out)
    }

    fn verdict(mut self: Box<Self>, _ended: &Ended, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        let judged = self.judge(stop);
        match (judged, self.slot.take()) {
            (Ok(dumped), Some(slot)) => {
                let degraded = match dumped.whole.crc {
                    Some(_) => Vec::new(),
                    None => vec!["the server writes no checksum (rdbchecksum no): damage on the way would not be noticed".into()],
                };
                slot.done(dumped);
                Ok(degraded)
            }
            (Err(why), slot) => {
                if let Some(slot) = slot {
                    slot.failed(&why);
                }
                Err(why)
            }
            (Ok(_), None) => Err("it was judged already".into()),
        }
    }

    fn failed(&mut self, reason: &str) {
        if let Some(slot) = self.slot.take() {
            slot.failed(reason);
        }
    }
}

impl Dump {
    fn judge(&mut self, stop: &dyn Fn() -> bool) -> Result<Dumped, String> {
        let (Some(whole), Some(Checker { running, input, output })) = (self.whole, self.checker.take())
        else {
            return Err("nothing came".into());
        };
        drop(input);
        let ended = running.wait(stop).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.join().unwrap_or_default()).into_owned();
        let said = Said::parse(&text);
        if !ended.status.success() || !said.is_fine || said.keys.is_none() {
            let last: Vec<_> = text.lines().rev().take(3).collect();
            let last = one_line(&last.into_iter().rev().collect::<Vec<_>>().join("\n"));
            return Err(format!("redis-check-rdb does not accept it ({}): {last}", ended.status));
        }
        Ok(Dumped { whole, said })
    }
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn the_checkers_words_are_read() {
        let text = "[offset 27] AUX FIELD redis-ver = '7.0.15'\n[offset 53] AUX FIELD ctime = '1795826304'\n\
            [offset 136] AUX FIELD repl-id = 'd056'\n[offset 182] \\o/ RDB looks OK! \\o/\n[info] 12 keys read\n[info] 3 expires\n\
            [info] 1 already expired\n";
        let expected = Said {
            is_fine: true,
            keys: Some(12),
            expires: 3,
            expired: 1,
            replid: Some("d056".into()),
            taken: Some(1_795_826_304),
        };
        assert_eq!(Said::parse(text), expected);
        assert_eq!(Said::parse("--- RDB ERROR DETECTED ---"), Said::default());
    }
}
