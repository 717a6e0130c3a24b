//! The stream of `mariadb-backup`, read along: which files it has, that each of them is whole, and that none lies outside. Pure.
//!
//! It is a row of chunks: `XBSTCK01`, flags, type, length and bytes of a path, and then by type a payload with its length, its place in
//! the file and a CRC-32, or little more. A file ends with a chunk of its own.

use std::collections::BTreeMap;

const MAGIC: &[u8] = b"XBSTCK01";
/// Magic, flags, type, length of the path.
const HEAD_BYTES: usize = 14;
/// Length, offset, checksum.
const PAYLOAD_HEAD_BYTES: usize = 20;
/// A path is no longer.
const PATH_LIMIT_BYTES: usize = 4096;
/// Small files whose content is wanted are no longer.
const SMALL_LIMIT_BYTES: usize = 64 << 10;
/// The file is written anew.
const REWRITE: u8 = 0x02;
/// What the program tells of itself: their content is kept. The names with `mariadb` are those of version 11 on.
const SMALL: &[&str] = &[
    "xtrabackup_info",
    "xtrabackup_checkpoints",
    "xtrabackup_binlog_info",
    "mariadb_backup_info",
    "mariadb_backup_checkpoints",
    "mariadb_backup_binlog_info",
];

/// What a whole stream has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Files that came to their end.
    pub(super) files: u64,
    small: BTreeMap<String, Vec<u8>>,
}

impl Contents {
    /// A small file that the program wrote about the backup: `info`, `checkpoints`, `binlog_info`.
    pub(super) fn about(&self, what: &str) -> Option<String> {
        let names = [format!("xtrabackup_{what}"), format!("mariadb_backup_{what}")];
        let bytes = names.iter().find_map(|name| self.small.get(name))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A value out of lines such as `last_lsn = 42`.
    pub(super) fn value(&self, what: &str, name: &str) -> Option<String> {
        let text = self.about(what)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))?;
        Some(line.trim().to_owned())
    }
}

/// Reads a stream.
#[derive(Default)]
pub(super) struct Reading {
    state: State,
    /// Bytes of the part that is being read.
    held: Vec<u8>,
    path: String,
    rewrite: bool,
    /// Files that have begun, and how far they are.
    open: BTreeMap<String, u64>,
    contents: Contents,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Head,
    /// The path, of so many bytes, of a chunk of this type.
    Path(u8, usize),
    PayloadHead,
    Payload {
        left: u64,
        expected: u32,
        crc: Crc,
    },
    Seek,
    /// Where a file is renamed to: first the length, then the name.
    NewLength,
    NewName(usize),
}

/// A CRC-32 that goes on; the hasher itself cannot be copied.
#[derive(Clone, Copy, Default)]
struct Crc(u32);

impl Crc {
    fn update(&mut self, bytes: &[u8]) {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        self.0 = hasher.finalize();
    }
}

impl Reading {
    /// The next bytes.
    ///
    /// # Errors
    /// What is wrong with them, as the rest of a sentence about the stream.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            if let State::Payload { left, expected, mut crc } = self.state {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (piece, rest) = bytes.split_at(here);
                crc.update(piece);
                self.keep(piece);
                bytes = rest;
                self.state = State::Payload { left: left - here as u64, expected, crc };
                self.payload_ends()?;
                continue;
            }
            let wanted = self.wanted() - self.held.len();
            let (piece, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.held.extend_from_slice(piece);
            bytes = rest;
            if self.held.len() == self.wanted() {
                let held = std::mem::take(&mut self.held);
                self.part(&held)?;
            }
        }
        Ok(())
    }

    /// What it has, when it came to its end.
    ///
    /// # Errors
    /// What is missing, as the rest of a sentence about the stream.
    pub(super) fn finish(self) -> Result<Contents, String> {
        if !matches!(self.state, State::Head) || !self.held.is_empty() {
            return Err(format!("ends in the middle of {:?}", self.path));
        }
        if let Some(path) = self.open.keys().next() {
            return Err(format!("ends before the file {path:?} does"));
        }
        match self.contents.files {
            0 => Err("is empty".into()),
            _ => Ok(self.contents),
        }
    }

    fn wanted(&self) -> usize {
        match self.state {
            State::Head => HEAD_BYTES,
            State::Path(_, length) | State::NewName(length) => length,
            State::PayloadHead => PAYLOAD_HEAD_BYTES,
            State::Payload { .. } => 0,
            State::Seek => 8,
            State::NewLength => 4,
        }
    }

    fn part(&mut self, held: &[u8]) -> Result<(), String> {
        self.state = match self.state {
            State::Head => {
                if held.get(..MAGIC.len()) != Some(MAGIC) {
                    return Err(format!("has something else than a chunk after {:?}", self.path));
                }
                self.rewrite = held[8] & REWRITE != 0;
                State::Path(held[9], length(&held[10..])?)
            }
            State::Path(kind, _) => {
                self.path = path(held)?;
                match kind {
                    b'P' => State::PayloadHead,
                    b'S' => State::Seek,
                    b'R' => State::NewLength,
                    b'E' => {
                        // An empty file has an end and nothing else.
                        self.open.remove(&self.path);
                        self.contents.files += 1;
                        State::Head
                    }
                    b'D' => {
                        self.open.remove(&self.path);
                        State::Head
                    }
                    other => {
                        return Err(format!(
                            "has a chunk of the unknown type {:?}, for {:?}",
                            char::from(other),
                            self.path
                        ));
                    }
                }
            }
            State::PayloadHead => self.payload(held)?,
            State::Seek => {
                self.open.insert(self.path.clone(), number(held));
                State::Head
            }
            State::NewLength => State::NewName(length(held)?),
            State::NewName(_) => {
                path(held)?;
                State::Head
            }
            state @ State::Payload { .. } => state,
        };
        // A payload of nothing has ended already.
        self.payload_ends()
    }

    fn payload(&mut self, held: &[u8]) -> Result<State, String> {
        let (bytes, offset) = (number(&held[..8]), number(&held[8..16]));
        let at = self.open.entry(self.path.clone()).or_insert(0);
        if self.rewrite && offset == 0 {
            *at = 0;
            self.contents.small.remove(&self.path);
        }
        if *at != offset {
            return Err(format!("lacks the bytes {at} to {offset} of {:?}", self.path));
        }
        *at = offset.saturating_add(bytes);
        let expected = u32::from_le_bytes([held[16], held[17], held[18], held[19]]);
        Ok(State::Payload { left: bytes, expected, crc: Crc::default() })
    }

    fn payload_ends(&mut self) -> Result<(), String> {
        let State::Payload { left: 0, expected, crc } = self.state else { return Ok(()) };
        if crc.0 != expected {
            return Err(format!("has a chunk of {:?} whose checksum is wrong", self.path));
        }
        self.state = State::Head;
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if SMALL.contains(&self.path.as_str()) {
            let kept = self.contents.small.entry(self.path.clone()).or_default();
            let room = SMALL_LIMIT_BYTES.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn length(bytes: &[u8]) -> Result<usize, String> {
    let length = usize::try_from(number(bytes)).unwrap_or(usize::MAX);
    match length {
        1..=PATH_LIMIT_BYTES => Ok(length),
        _ => Err(format!("has a path of {length} bytes")),
    }
}

/// A path that stays below the folder that it is unpacked into.
fn path(bytes: &[u8]) -> Result<String, String> {
    let path = String::from_utf8_lossy(bytes).into_owned();
    let plain = path.strip_prefix("./").unwrap_or(&path);
    let is_bad = |part: &str| part.is_empty() || part == ".." || part.contains('\0');
    if plain.split('/').any(is_bad) {
        return Err(format!("has the path {path:?}, which leads elsewhere"));
    }
    // Such a file names the place where a table lies outside the data directory. A server that starts from the copy would open that
    // place: the one of the server that was backed up.
    if plain.ends_with(".isl") {
        return Err(format!("has {path:?}: a table that lies outside the data directory (DATA DIRECTORY)"));
    }
    Ok(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: u8, flags: u8, path: &str) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([flags, kind]);
        out.extend((path.len() as u32).to_le_bytes());
        out.extend(path.as_bytes());
        out
    }

    fn payload(path: &str, flags: u8, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let mut out = head(b'P', flags, path);
        out.extend((bytes.len() as u64).to_le_bytes());
        out.extend(offset.to_le_bytes());
        out.extend(crc32fast::hash(bytes).to_le_bytes());
        out.extend(bytes);
        out
    }

    fn end(path: &str) -> Vec<u8> {
        head(b'E', 0, path)
    }

    fn read(stream: &[u8], piece: usize) -> Result<Contents, String> {
        let mut reading = Reading::default();
        stream.chunks(piece).try_for_each(|bytes| reading.feed(bytes))?;
        reading.finish()
    }

    fn whole() -> Vec<u8> {
        [
            payload("d/t.ibd", 0, 0, b"hello "),
            payload("xtrabackup_checkpoints", 0, 0, b"to_lsn = 1\nlast_lsn = 42\n"),
            payload("d/t.ibd", 0, 6, b"world"),
            end("d/t.ibd"),
            end("xtrabackup_checkpoints"),
            end("d/empty"),
            payload("d/t.ibd", REWRITE, 0, b"again"),
            head(b'E', REWRITE, "d/t.ibd"),
        ]
        .concat()
    }

    #[test]
    fn a_stream_is_read_whatever_its_pieces() {
        let stream = whole();
        for piece in [1, 3, 14, 4096] {
            let contents = read(&stream, piece).expect("it is whole");
            assert_eq!(contents.files, 4);
            assert_eq!(contents.value("checkpoints", "last_lsn").as_deref(), Some("42"));
            assert_eq!(contents.value("binlog_info", "x"), None);
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_no_stream() {
        let stream = whole();
        // Ends of files, where nothing tells that more was to come: the program's own last words do.
        let after_whole_files = [
            stream.len() - payload("d/t.ibd", REWRITE, 0, b"again").len() - end("d/t.ibd").len(),
            stream.len()
                - payload("d/t.ibd", REWRITE, 0, b"again").len()
                - end("d/t.ibd").len()
                - end("d/empty").len(),
        ];
        for length in 0..stream.len() {
            let is_whole = read(&stream[..length], 100).is_ok();
            assert_eq!(is_whole, after_whole_files.contains(&length), "{length}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut flipped = payload("d/t.ibd", 0, 0, b"hello");
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        for (stream, says) in [
            (flipped, "checksum"),
            (b"hello, this is no stream at all".to_vec(), "something else"),
            (payload("d/t.ibd", 0, 7, b"x"), "lacks the bytes 0 to 7"),
            (payload("../etc/passwd", 0, 0, b"x"), "leads elsewhere"),
            (payload("/etc/passwd", 0, 0, b"x"), "leads elsewhere"),
            (payload("d/t.isl", 0, 0, b"x"), "DATA DIRECTORY"),
            (head(b'?', 0, "x"), "unknown type"),
            (head(b'P', 0, &"x".repeat(5000)), "5000 bytes"),
        ] {
            let why = read(&stream, 9).expect_err(says);
            assert!(why.contains(says), "{says}: {why}");
        }
    }
}
