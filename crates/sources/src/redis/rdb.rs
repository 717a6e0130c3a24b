//! The frame of an RDB: how it starts, and the marker and checksum that it ends with.
//!
//! When the server streams an RDB without knowing its length, it ends with a random mark of 40 bytes, which `redis-cli --rdb -` passes
//! on. Then the file is what comes before it.

/// How an RDB starts; four digits of its version follow.
const MAGIC: [&[u8]; 2] = [b"REDIS", b"VALKE"];
const HEADER_BYTES: usize = 9;
/// The marker of its end, and the checksum.
const END: u8 = 0xff;
const TAIL_BYTES: usize = 9;
const MARK_BYTES: usize = 40;
/// What is held back until the end is known.
const HELD_BYTES: usize = TAIL_BYTES + MARK_BYTES;

/// Reads an RDB that streams by.
pub(crate) struct Frame {
    header: Vec<u8>,
    held: Vec<u8>,
    crc: u64,
    bytes: u64,
}

/// What an RDB that is whole turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Its length.
    pub(crate) bytes: u64,
    /// Its checksum; none when the server writes none.
    pub(crate) crc: Option<u64>,
}

impl Frame {
    pub(crate) fn new() -> Self {
        Self { header: Vec::new(), held: Vec::new(), crc: 0, bytes: 0 }
    }

    /// Takes the next bytes, and appends those to `out` that are surely part of the file.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if self.header.len() < HEADER_BYTES {
            let missing = HEADER_BYTES - self.header.len();
            self.header.extend_from_slice(&bytes[..bytes.len().min(missing)]);
            if self.header.len() >= MAGIC[0].len()
                && !MAGIC.iter().any(|magic| self.header.starts_with(magic))
            {
                return Err("what came is no RDB".into());
            }
        }
        self.held.extend_from_slice(bytes);
        let sure = self.held.len().saturating_sub(HELD_BYTES);
        self.pass(sure, out);
        Ok(())
    }

    /// The end: appends what is left of the file.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) -> Result<Whole, String> {
        for after in [0, MARK_BYTES] {
            let Some(length) = self.held.len().checked_sub(after + TAIL_BYTES) else { continue };
            let tail = &self.held[length..length + TAIL_BYTES];
            let stored = u64::from_le_bytes(tail[1..].try_into().unwrap_or_default());
            let counted = update(update(self.crc, &self.held[..length]), &[END]);
            let mark = &self.held[length + TAIL_BYTES..];
            let is_end = tail[0] == END && mark.iter().all(u8::is_ascii_hexdigit);
            // Servers may be told to write no checksum; then there are zeros.
            if is_end && (stored == counted || stored == 0) {
                self.pass(length + TAIL_BYTES, out);
                self.held.clear();
                return Ok(Whole { bytes: self.bytes, crc: Some(stored).filter(|crc| *crc != 0) });
            }
        }
        Err(match self.bytes + self.held.len() as u64 {
            0 => "nothing came".into(),
            bytes => format!(
                "the RDB is cut or damaged: after {bytes} bytes its end marker and checksum are missing or wrong"
            ),
        })
    }

    fn pass(&mut self, length: usize, out: &mut Vec<u8>) {
        self.crc = update(self.crc, &self.held[..length]);
        self.bytes += length as u64;
        out.extend(self.held.drain(..length));
    }
}

/// CRC-64/Jones as Redis computes it: reflected, from zero.
fn update(crc: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(crc, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

static TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rdb(body: &[u8]) -> Vec<u8> {
        let mut bytes = [b"REDIS0010", body, &[END]].concat();
        bytes.extend(update(0, &bytes).to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Whole), String> {
        let (mut frame, mut out) = (Frame::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            frame.feed(piece, &mut out)?;
        }
        let whole = frame.end(&mut out)?;
        Ok((out, whole))
    }

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(update(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn the_mark_behind_the_end_is_no_part_of_the_file() {
        for body in [&b""[..], b"some keys", &[7; 1000]] {
            let whole = rdb(body);
            let marked = [&whole[..], &[b'a'; MARK_BYTES]].concat();
            for piece in [1, 7, 4096] {
                for bytes in [&whole, &marked] {
                    let (out, found) = read(bytes, piece).expect("it is whole");
                    assert!(out == whole && found.bytes == whole.len() as u64 && found.crc.is_some());
                }
            }
        }
    }

    #[test]
    fn what_is_cut_or_flipped_is_refused() {
        let whole = rdb(&[b'x'; 300]);
        let marked = [&whole[..], &[b'a'; MARK_BYTES]].concat();
        for bytes in [&whole, &marked] {
            for length in 0..bytes.len() {
                // Cut exactly behind its end, it is whole.
                assert_eq!(read(&bytes[..length], 64).is_ok(), length == whole.len(), "{length}");
            }
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            // The number of the version is covered by the checksum like all the rest.
            assert!(read(&bytes, 64).is_err(), "{at}");
        }
        assert!(
            read(b"hello, I am no database at all, though I am long enough to be one of those", 9).is_err()
        );
    }
}
