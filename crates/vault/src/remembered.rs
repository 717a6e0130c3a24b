//! What is remembered of a snapshot that expired: its manifest goes, but later ones were judged by it.
//!
//! The text of the detail of an *expired* entry: a line for each snapshot, fields separated by tabs: manifest id, status, files,
//! bytes, source, why it expired (for people). A line that is not like that is passed over: the snapshot is then not remembered.

use std::collections::HashMap;
use std::sync::Arc;
use vow_base::ObjectId;
use vow_base::manifest::Status;

/// What is remembered of a snapshot that expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Whole or partial.
    pub status: Status,
    /// Regular files in it, as the host counted.
    pub files: u64,
    /// Bytes of their content, as the host counted.
    pub bytes: u64,
    /// Of which source.
    pub source: Arc<str>,
}

impl Remembered {
    /// Its line.
    pub(crate) fn line(&self, manifest: &ObjectId, why: &str) -> String {
        let Self { status, files, bytes, source } = self;
        let why = why.replace(['\t', '\n'], " ");
        format!("{manifest}\t{}\t{files}\t{bytes}\t{source}\t{why}\n", status.word())
    }
}

/// Every snapshot that the text remembers.
pub(crate) fn parse(text: &str) -> HashMap<ObjectId, Remembered> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(ObjectId, Remembered)> {
    let mut fields = line.split('\t');
    let manifest = fields.next()?.parse().ok()?;
    let status = match fields.next()? {
        "ok" => Status::Ok,
        "partial" => Status::Partial,
        _ => return None,
    };
    let (files, bytes) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let source = fields.next()?.into();
    Some((manifest, Remembered { status, files, bytes, source }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_as_it_was_written() {
        let one =
            |status, files, bytes, source: &str| Remembered { status, files, bytes, source: source.into() };
        let two = [one(Status::Ok, 0, u64::MAX, "files"), one(Status::Partial, 7, 0, "my orders")];
        let text: String =
            (1..).zip(&two).map(|(n, one)| one.line(&ObjectId([n; 32]), "too\told\n")).collect();
        let read = parse(&text);
        assert_eq!(read.len(), 2);
        assert_eq!(read.get(&ObjectId([1; 32])), Some(&two[0]));
        assert_eq!(read.get(&ObjectId([2; 32])), Some(&two[1]));
    }

    #[test]
    fn other_lines_are_passed_over() {
        let id = "00".repeat(32);
        for line in
            ["", "x", &id, &format!("{id}\tok\t1\t-1\tfiles\t"), &format!("{id}\tgood\t1\t1\tfiles\t")]
        {
            assert!(parse(line).is_empty(), "{line:?}");
        }
    }
}
