//! The row of events that a file of a binary log is: whether it is whole, and when the last one was. Pure, over anything that reads.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

const MAGIC: &[u8] = b"\xfebin";
/// Time, type, server, length, next position, flags.
const HEAD_BYTES: usize = 19;
/// Types with which a server ends a file: it goes on in another one, or it was shut down.
const STOP: u8 = 3;
const ROTATE: u8 = 4;
/// A transaction of MariaDB's begins, with its number.
const GTID: u8 = 162;
/// What was in the log before this file: every file of MariaDB's begins with it.
const GTID_LIST: u8 = 163;
/// Domain, server, number.
const GTID_BYTES: usize = 16;
/// The upper four bits of the length of such a list are something else.
const COUNT_MASK: u32 = 0x0fff_ffff;
/// Events whose content is looked at are no longer.
const LOOKED_AT_BYTES: u64 = 4 << 20;

/// The last transaction of each domain and server in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reached(BTreeMap<(u32, u32), u64>);

/// What a whole file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// When the first event was: the server began the file then.
    pub(super) first_secs: i64,
    /// When the last event was, by the server's clock: seconds since 1970.
    pub(super) last_secs: i64,
    /// The server ended the file itself: nothing can be missing.
    pub(super) is_closed: bool,
    /// What the log had come to before the file, and at its end; MySQL says nothing of the kind.
    pub(super) reached: Option<(Reached, Reached)>,
}

impl Ending {
    /// What is to be remembered of a file that is not kept: what the next one must go on from. Nothing where that is not certain.
    pub(super) fn to_remember(&self) -> Option<String> {
        self.reached.as_ref().filter(|_| self.is_closed).map(|(_, reached)| reached.to_string())
    }

    /// What was remembered.
    pub(super) fn remembered(text: &str) -> Option<Self> {
        let reached = Some((Reached::default(), Reached::parse(text)?));
        Some(Self { first_secs: 0, last_secs: 0, is_closed: true, reached })
    }

    /// Whether the next file goes on where this one ends: after `RESET MASTER` numbers of files come again.
    pub(super) fn is_followed_by(&self, next: &Ending) -> bool {
        let (Some((begun, ended)), Some((goes_on, _))) = (&self.reached, &next.reached) else { return true };
        let fits = |(key, number): (&(u32, u32), &u64)| match ended.0.get(key) {
            // A server that crashed forgets what was not written to its end.
            Some(last) if !self.is_closed => {
                number <= last && begun.0.get(key).is_none_or(|first| number >= first)
            }
            last => last == Some(number),
        };
        // Domains can be taken out of the list, but not all of them.
        let is_new = goes_on.0.is_empty() && !ended.0.is_empty() && (self.is_closed || !begun.0.is_empty());
        !is_new && goes_on.0.iter().all(fits)
    }
}

impl Reached {
    fn listed(body: &[u8]) -> Option<Self> {
        let (count, entries) = body.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count) & COUNT_MASK).ok()?;
        let entries = entries.get(..count.checked_mul(GTID_BYTES)?)?;
        let one = |entry: &[u8]| {
            let (domain, rest) = entry.split_first_chunk::<4>()?;
            let (server, number) = rest.split_first_chunk::<4>()?;
            let number = u64::from_le_bytes(*number.first_chunk::<8>()?);
            Some(((u32::from_le_bytes(*domain), u32::from_le_bytes(*server)), number))
        };
        entries.chunks_exact(GTID_BYTES).map(one).collect::<Option<_>>().map(Self)
    }

    /// As it is written by `Display`.
    fn parse(text: &str) -> Option<Self> {
        let one = |gtid: &str| {
            let mut parts = gtid.split('-');
            let (domain, server) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let number = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(((domain, server), number))
        };
        text.split(',').filter(|gtid| !gtid.is_empty()).map(one).collect::<Option<_>>().map(Self)
    }

    fn transaction(&mut self, server: u32, body: &[u8]) {
        let number = body.first_chunk::<8>().map(|number| u64::from_le_bytes(*number));
        let domain = body
            .get(8..12)
            .and_then(|rest| rest.first_chunk::<4>())
            .map(|domain| u32::from_le_bytes(*domain));
        if let (Some(number), Some(domain)) = (number, domain) {
            self.0.insert((domain, server), number);
        }
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.iter().map(|((domain, server), number)| format!("{domain}-{server}-{number}"));
        write!(f, "{}", all.collect::<Vec<_>>().join(","))
    }
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
        return Err("is no binary log: it does not begin as one".into());
    }
    let mut ending = Ending { first_secs: 0, last_secs: 0, is_closed: false, reached: None };
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
        let mut looked_at = Vec::new();
        let passed = match matches!(kind, GTID | GTID_LIST) && body <= LOOKED_AT_BYTES {
            true => file.by_ref().take(body).read_to_end(&mut looked_at).map(|read| read as u64),
            false => io::copy(&mut file.by_ref().take(body), &mut io::sink()),
        };
        if passed.map_err(cut)? < body {
            return Err("ends in the middle of an event".into());
        }
        match (kind, &mut ending.reached) {
            (GTID_LIST, reached) => {
                *reached = Reached::listed(&looked_at).map(|before| (before.clone(), before));
            }
            (GTID, Some((_, reached))) => reached.transaction(number(5), &looked_at),
            _ => {}
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

/// An event with this body, of a server whose number is 7.
#[cfg(test)]
pub(super) fn event(secs: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = secs.to_le_bytes().to_vec();
    out.push(kind);
    out.extend([7, 0, 0, 0]);
    out.extend(((HEAD_BYTES + body.len()) as u32).to_le_bytes());
    out.extend([0; 6]);
    out.extend(body);
    out
}

/// A file that the server has ended, or not.
#[cfg(test)]
pub(super) fn whole_file(is_closed: bool) -> Vec<u8> {
    let end = if is_closed { event(300, ROTATE, b"next") } else { Vec::new() };
    [MAGIC.to_vec(), event(100, 15, b"format"), end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_walked_to_its_end() {
        let open =
            [MAGIC.to_vec(), event(100, 15, b"format"), event(300, 2, b"query"), event(200, 16, b"xid")]
                .concat();
        let whole =
            |last_secs, is_closed| Ok(Ending { first_secs: 100, last_secs, is_closed, reached: None });
        assert_eq!(ending(&open[..]), whole(300, false));
        let closed = [open.clone(), event(400, ROTATE, b"binlog.000002")].concat();
        assert_eq!(ending(&closed[..]), whole(400, true));
        let ends: Vec<_> = (0..closed.len()).filter(|length| ending(&closed[..*length]).is_ok()).collect();
        // Between two events nothing tells that more was to come.
        assert_eq!(ends.len(), 3);
        assert!(ends.iter().all(|length| ending(&closed[..*length]).is_ok_and(|ending| !ending.is_closed)));
    }

    /// A file with these numbers before it, these transactions, and an end or none.
    fn file(before: &[(u32, u32, u64)], transactions: &[(u32, u64)], end: Option<u8>) -> Ending {
        let mut list = (before.len() as u32 | 0x1000_0000).to_le_bytes().to_vec();
        for (domain, server, number) in before {
            list.extend([domain.to_le_bytes(), server.to_le_bytes()].concat());
            list.extend(number.to_le_bytes());
        }
        // A checksum stands behind the list.
        list.extend([1, 2, 3, 4]);
        let mut bytes = [MAGIC.to_vec(), event(100, 15, b"format"), event(100, GTID_LIST, &list)].concat();
        for (domain, number) in transactions {
            let body = [&number.to_le_bytes()[..], &domain.to_le_bytes()[..], &[0; 7]].concat();
            // The server of events that are made here is 7.
            bytes.extend(event(200, GTID, &body));
        }
        bytes.extend(end.map(|end| event(300, end, b"next")).unwrap_or_default());
        ending(&bytes[..]).expect("a whole file")
    }

    #[test]
    fn a_file_that_does_not_go_on_from_the_one_before_is_known() {
        let first = file(&[(0, 7, 5)], &[(0, 6), (1, 1), (0, 7)], Some(ROTATE));
        let (_, reached) = first.reached.clone().expect("a list");
        assert_eq!(reached.to_string(), "0-7-7,1-7-1");
        let remembered =
            first.to_remember().and_then(|text| Ending::remembered(&text)).expect("it is closed");
        assert!(remembered.is_followed_by(&file(&[(0, 7, 7), (1, 7, 1)], &[], None)));
        assert!(!remembered.is_followed_by(&file(&[(0, 7, 2)], &[], None)));
        assert!(Ending::remembered("0-7").is_none() && Ending::remembered("").is_some());
        assert!(first.is_followed_by(&file(&[(0, 7, 7), (1, 7, 1)], &[], None)));
        // Somebody took a domain out of the list.
        assert!(first.is_followed_by(&file(&[(0, 7, 7)], &[], None)));
        // After RESET MASTER.
        for before in [&[][..], &[(0, 7, 2)], &[(0, 7, 9)], &[(0, 8, 7)]] {
            assert!(!first.is_followed_by(&file(before, &[], None)), "{before:?}");
        }
        // A server that crashed may not count what it was writing.
        let crashed = file(&[(0, 7, 5)], &[(0, 6), (0, 7)], None);
        assert_eq!(crashed.to_remember(), None);
        assert!(crashed.is_followed_by(&file(&[(0, 7, 6)], &[], None)));
        assert!(!crashed.is_followed_by(&file(&[(0, 7, 4)], &[], None)));
        let silent = Ending { reached: None, ..first.clone() };
        assert!(silent.is_followed_by(&first) && first.is_followed_by(&silent));
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
