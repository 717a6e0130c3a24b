//! LDIF as `slapcat` writes it: entries with an empty line behind each, long lines folded.

use vow_base::id::sha256;

/// Counts entries, and sums them up without regard to their order.
#[derive(Default)]
pub(crate) struct Sum {
    line: Vec<u8>,
    entry: Vec<u8>,
    pub(crate) entries: u64,
    sum: u64,
}

impl Sum {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        if self.line == b"\n" {
            if self.entry.starts_with(b"dn:") {
                let digest = sha256(&self.entry);
                self.entries += 1;
                self.sum =
                    self.sum.wrapping_add(u64::from_le_bytes(digest[..8].try_into().unwrap_or_default()));
            }
            self.entry.clear();
        } else if !self.line.starts_with(b"#") {
            self.entry.extend_from_slice(&self.line);
        }
        self.line.clear();
    }

    /// Whether it ends behind a whole entry.
    pub(crate) fn is_complete(&self) -> bool {
        self.line.is_empty() && self.entry.is_empty()
    }

    /// The sum of the first 8 bytes of each entry's SHA-256, in hexadecimal digits.
    pub(crate) fn checksum(&self) -> String {
        format!("{:016x}", self.sum)
    }
}

/// The lines of a text, with folded ones put together.
pub(crate) fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix(' '), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// The suffixes of databases that have data of their own, in a configuration as `slapcat -n 0` writes it.
pub(crate) fn suffixes(config: &str) -> Vec<String> {
    const STORED: [&str; 4] = ["mdb", "hdb", "bdb", "ldif"];
    let mut found = Vec::new();
    for entry in config.split("\n\n") {
        let lines = unfolded(entry);
        let is_stored = lines.iter().filter_map(|line| line.strip_prefix("olcDatabase: ")).any(|name| {
            let kind = name.rsplit_once('}').map_or(name, |(_, kind)| kind);
            STORED.contains(&kind)
        });
        if is_stored {
            found.extend(lines.iter().filter_map(|line| line.strip_prefix("olcSuffix: ")).map(str::to_owned));
        }
    }
    found
}

/// The configuration with every database's folder below another one; gives those folders too.
pub(crate) fn moved(config: &str, place: &str) -> (String, Vec<String>) {
    let (mut folders, mut out) = (Vec::new(), String::new());
    for line in unfolded(config) {
        if line.starts_with("olcDbDirectory:") {
            let folder = format!("{place}/{}", folders.len());
            out.push_str(&format!("olcDbDirectory: {folder}\n"));
            folders.push(folder);
        } else {
            out.push_str(&line);
            out.push('\n');
        }
    }
    (out, folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "dn: cn=config\nolcPidFile: /run/x\n\ndn: olcDatabase={1}mdb,cn=config\nolcDatabase: {1}mdb\n\
        olcDbDirectory: /var/lib/ld\n ap\nolcSuffix: dc=acme,\n dc=example\n\ndn: x\nolcDatabase: {2}monitor\nolcSuffix: cn=m\n\n";

    #[test]
    fn suffixes_are_found_and_folders_moved() {
        assert_eq!(suffixes(CONFIG), ["dc=acme,dc=example"]);
        let (text, folders) = moved(CONFIG, "/s");
        assert_eq!(folders, ["/s/0"]);
        assert!(text.contains("olcDbDirectory: /s/0\n") && !text.contains("/var/lib"), "{text}");
    }

    #[test]
    fn the_sum_does_not_know_order_but_everything_else() {
        let sum = |text: &str| {
            let mut sum = Sum::default();
            text.as_bytes().chunks(3).for_each(|piece| sum.feed(piece));
            (sum.entries, sum.checksum(), sum.is_complete())
        };
        let one = sum("dn: a\nx: 1\n\ndn: b\nx: 2\n\n");
        assert_eq!(one, sum("dn: b\nx: 2\n\ndn: a\nx: 1\n\n"));
        assert_eq!((one.0, one.2), (2, true));
        assert_ne!(one.1, sum("dn: a\nx: 2\n\ndn: b\nx: 1\n\n").1);
        assert!(!sum("dn: a\nx: 1\n").2 && !sum("dn: a\nx: 1").2);
    }
}
