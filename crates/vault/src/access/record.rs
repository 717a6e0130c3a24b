//! Small texts: a first line that says what it is, then lines of a word and a value. Read strictly, written in one order.

/// Lines that were read and not yet taken.
pub(super) struct Record<'t>(Vec<(&'t str, &'t str)>);

/// The longest text that is read, in bytes: the use of a token with all its readers.
pub(super) const LIMIT_BYTES: u64 = 16 << 10;

/// The text of a record. Values hold no line ends: names, numbers, digits.
pub(super) fn text<'l>(title: &str, lines: impl IntoIterator<Item = (&'l str, String)>) -> String {
    let mut text = format!("{title}\n");
    for (word, value) in lines {
        text.push_str(&format!("{word} {value}\n"));
    }
    text
}

impl<'t> Record<'t> {
    /// The lines below the title; `None` when it is another title, or no record.
    pub(super) fn parse(title: &str, text: &'t [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let body = text.strip_prefix(title)?.strip_prefix('\n')?;
        if body.is_empty() {
            return Some(Self(Vec::new()));
        }
        let lines = body.strip_suffix('\n')?.split('\n');
        lines.map(|line| line.split_once(' ')).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Takes the next line if it has this word.
    pub(super) fn next(&mut self, word: &str) -> Option<&'t str> {
        let (found, value) = *self.0.first()?;
        if found != word {
            return None;
        }
        self.0.remove(0);
        Some(value)
    }

    /// `value`, if every line was taken.
    pub(super) fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_as_they_were_written() {
        let written = text("vow thing 1", [("key", "ab".to_owned()), ("name", String::new())]);
        assert_eq!(written, "vow thing 1\nkey ab\nname \n");
        let mut record = Record::parse("vow thing 1", written.as_bytes()).expect("just written");
        assert_eq!((record.next("name"), record.next("key")), (None, Some("ab")));
        assert_eq!(record.next("name"), Some(""));
        assert_eq!(record.end(7), Some(7));
    }

    #[test]
    fn every_shorter_text_and_every_other_line_is_refused() {
        let written = text("vow thing 1", [("key", "ab".to_owned())]);
        let read = |text: &[u8]| {
            let mut record = Record::parse("vow thing 1", text)?;
            let key = record.next("key")?.to_owned();
            record.end(key)
        };
        assert_eq!(read(written.as_bytes()).as_deref(), Some("ab"));
        assert!((0..written.len()).all(|end| read(&written.as_bytes()[..end]).is_none()));
        for other in
            ["vow thing 2\nkey ab\n", "vow thing 1\nkey ab\nmore x\n", "vow thing 1\nkey ab\n\n", "\n"]
        {
            assert_eq!(read(other.as_bytes()), None, "{other:?}");
        }
    }
}
