//! The row of events that a file of a binary log is: whether it is whole, and when the last one was. Pure, over anything that reads.

use std::io::{self, Read};

const MAGIC: &[u8] = b"\xfebin";
/// Time, type, server, length, next position, flags.
const HEAD_BYTES: usize = 19;
/// Types with which a server ends a file: it goes on in another one, or it was shut down.
const STOP: u8 = 3;
const ROTATE: u8 = 4;

/// What a whole file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    /// When the first event was: the server began the file then.
    pub(super) first_secs: i64,
    /// When the last event was, by the server's clock: seconds since 1970.
    pub(super) last_secs: i64,
    /// The server ended the file itself: nothing can be missing.
    pub(super) is_closed: bool,
}

/// Walks through the events of a file.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence about the file.
pub(super) fn ending(mut file: impl Read) -> Result<Ending, String> {
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "ends in the middle of an event".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let mut magic = [0; 4];
    file.read_exact(&mut magic).map_err(cut)?;
    if magic != MAGIC {
        return Err("is no binary log: it does not begin as one (encrypted ones are not supported)".into());
    }
    let mut ending = Ending { first_secs: 0, last_secs: 0, is_closed: false };
    let mut any = false;
    loop {
        let mut head = [0; HEAD_BYTES];
        let first = read_some(&mut file, &mut head).map_err(cut)?;
        if first == 0 {
            return if any { Ok(ending) } else { Err("has no event".into()) };
        }
        file.read_exact(&mut head[first..]).map_err(cut)?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (secs, kind, length) = (number(0), head[4], number(9));
        let Some(body) = u64::from(length).checked_sub(HEAD_BYTES as u64) else {
            return Err(format!("has an event of {length} bytes"));
        };
        let skipped = io::copy(&mut file.by_ref().take(body), &mut io::sink()).map_err(cut)?;
        if skipped < body {
            return Err("ends in the middle of an event".into());
        }
        if !any {
            ending.first_secs = i64::from(secs);
        }
        any = true;
        // Events that a server makes up for whoever reads along have no time.
        ending.last_secs = ending.last_secs.max(i64::from(secs));
        ending.is_closed = matches!(kind, STOP | ROTATE);
    }
}

fn read_some(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(secs: u32, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = secs.to_le_bytes().to_vec();
        out.push(kind);
        out.extend([7, 0, 0, 0]);
        out.extend(((HEAD_BYTES + body.len()) as u32).to_le_bytes());
        out.extend([0; 6]);
        out.extend(body);
        out
    }

    #[test]
    fn a_file_is_walked_to_its_end() {
        let open =
            [MAGIC.to_vec(), event(100, 15, b"format"), event(300, 2, b"query"), event(200, 16, b"xid")]
                .concat();
        assert_eq!(ending(&open[..]), Ok(Ending { first_secs: 100, last_secs: 300, is_closed: false }));
        let closed = [open.clone(), event(400, ROTATE, b"binlog.000002")].concat();
        assert_eq!(ending(&closed[..]), Ok(Ending { first_secs: 100, last_secs: 400, is_closed: true }));
        let ends: Vec<_> = (0..closed.len()).filter(|length| ending(&closed[..*length]).is_ok()).collect();
        // Between two events nothing tells that more was to come.
        assert_eq!(ends.len(), 3);
        assert!(ends.iter().all(|length| ending(&closed[..*length]).is_ok_and(|ending| !ending.is_closed)));
    }

    #[test]
    fn what_is_none_is_refused() {
        for (bytes, says) in [
            (&b""[..], "in the middle"),
            (b"\xfebin", "no event"),
            (b"hello, world", "no binary log"),
            (b"\xfebin\0\0\0\0\x0f\x07\0\0\0\x01\0\0\0\0\0\0\0\0\0", "an event of 1 bytes"),
        ] {
            let why = ending(bytes).expect_err(says);
            assert!(why.contains(says), "{says}: {why}");
        }
    }
}
