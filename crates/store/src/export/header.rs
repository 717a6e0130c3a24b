//! Headers of a PAX archive: POSIX.1-2017 `pax`, with the extended records that GNU tar and libarchive know.

use crate::listing::Time;

/// Everything in an archive comes in blocks of this length.
pub(super) const BLOCK: usize = 512;
const NAME: usize = 100;
const LINK: usize = 100;
const OWNER: usize = 32;

/// One member, as its headers describe it.
#[derive(Default)]
pub(super) struct Member<'a> {
    pub(super) path: &'a [u8],
    /// The name in the plain header, when it is not the path.
    pub(super) plain_name: Option<Vec<u8>>,
    pub(super) kind: u8,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) user: &'a str,
    pub(super) group: &'a str,
    /// Bytes that follow the header.
    pub(super) size: u64,
    pub(super) mtime: Time,
    pub(super) link: &'a [u8],
    pub(super) device: (u32, u32),
    /// Further extended records.
    pub(super) records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Member<'_> {
    /// The headers: an extended one when the plain one cannot say everything, then the plain one.
    pub(super) fn headers(mut self) -> Vec<u8> {
        let mut records = Records::default();
        let name = self.plain_name.take().unwrap_or_else(|| self.path.to_vec());
        let texts = [self.path, self.link, self.user.as_bytes(), self.group.as_bytes()];
        if texts.iter().any(|text| std::str::from_utf8(text).is_err()) {
            records.add(b"hdrcharset", b"BINARY");
        }
        if name == self.path && (name.len() > NAME || !name.is_ascii()) {
            records.add(b"path", self.path);
        }
        if self.link.len() > LINK || !self.link.is_ascii() {
            records.add(b"linkpath", self.link);
        }
        for (key, text) in [(&b"uname"[..], self.user), (b"gname", self.group)] {
            if text.len() >= OWNER || !text.is_ascii() {
                records.add(key, text.as_bytes());
            }
        }
        for (key, number) in [(&b"size"[..], self.size), (b"uid", self.uid.into()), (b"gid", self.gid.into())]
        {
            let digits = if key == b"size" { 11 } else { 7 };
            if number >= 1 << (3 * digits) {
                records.add(key, number.to_string().as_bytes());
            }
        }
        for (key, number) in [(b"SCHILY.devmajor", self.device.0), (b"SCHILY.devminor", self.device.1)] {
            if number >= 1 << 21 {
                records.add(key, number.to_string().as_bytes());
            }
        }
        if self.mtime.nanos != 0 || !(0..1 << 33).contains(&self.mtime.secs) {
            records.add(b"mtime", decimal(self.mtime).as_bytes());
        }
        self.records.iter().for_each(|(key, value)| records.add(key, value));
        let mut headers = Vec::new();
        if !records.bytes.is_empty() {
            let extended = Member {
                path: b"PaxHeaders/x",
                kind: b'x',
                mode: 0o644,
                size: records.bytes.len() as u64,
                ..Member::default()
            };
            headers.extend_from_slice(&extended.plain(extended.path));
            headers.extend_from_slice(&records.bytes);
            pad(&mut headers);
        }
        headers.extend_from_slice(&self.plain(&name));
        headers
    }

    /// The plain header. What does not fit is cut or zero here, and stands in the extended one.
    fn plain(&self, name: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut text = |at: usize, room: usize, text: &[u8]| {
            let length = text.len().min(room);
            block[at..at + length].copy_from_slice(&text[..length]);
        };
        let octal = |number: u64, digits: usize| {
            let number = if number < 1 << (3 * digits) { number } else { 0 };
            format!("{number:0digits$o}")
        };
        text(0, NAME, name);
        text(100, 8, octal(self.mode.into(), 7).as_bytes());
        text(108, 8, octal(self.uid.into(), 7).as_bytes());
        text(116, 8, octal(self.gid.into(), 7).as_bytes());
        text(124, 12, octal(self.size, 11).as_bytes());
        text(136, 12, octal(u64::try_from(self.mtime.secs).unwrap_or(0), 11).as_bytes());
        text(148, 8, b"        ");
        text(156, 1, &[self.kind]);
        text(157, LINK, self.link);
        text(257, 8, b"ustar\x0000");
        text(265, OWNER - 1, self.user.as_bytes());
        text(297, OWNER - 1, self.group.as_bytes());
        text(329, 8, octal(self.device.0.into(), 7).as_bytes());
        text(337, 8, octal(self.device.1.into(), 7).as_bytes());
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

/// Extended records: `length key=value\n`, where the length counts itself.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
}

impl Records {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        for part in [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"] {
            self.bytes.extend_from_slice(part);
        }
    }
}

/// Zeros up to the end of a block.
pub(super) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// Seconds with a decimal fraction, also before 1970.
fn decimal(time: Time) -> String {
    let total = i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
    let sign = if total < 0 { "-" } else { "" };
    let (secs, nanos) = (total.unsigned_abs() / 1_000_000_000, total.unsigned_abs() % 1_000_000_000);
    format!("{sign}{secs}.{nanos:09}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves() {
        for length in [0, 1, 85, 86, 87, 90, 91, 92, 93, 984, 985, 986, 987, 5000] {
            let mut records = Records::default();
            records.add(b"path", &vec![b'x'; length]);
            let text = std::str::from_utf8(&records.bytes).expect("text");
            let (number, _) = text.split_once(' ').expect("a number");
            assert_eq!(number.parse(), Ok(text.len()), "{length}");
        }
    }

    #[test]
    fn times_before_1970_keep_their_fraction() {
        assert_eq!(decimal(Time { secs: -2, nanos: 750_000_000 }), "-1.250000000");
        assert_eq!(decimal(Time { secs: 5, nanos: 1 }), "5.000000001");
    }
}
