//! Reading a dump back while it is made: `pg_restore` turns all of its data into a script, in which rows are counted, and lists its
//! table of contents. A dump that was cut off, or that lacks rows, does not get past this.

use super::sql::{Name, qualified};
use memchr::memchr;
use std::collections::{HashMap, HashSet};

/// A statement longer than this is not one that is looked for.
const STATEMENT_LIMIT_BYTES: usize = 1 << 20;

/// What the data of a dump holds: fed with the script that `pg_restore --section=data` writes.
#[derive(Default)]
pub(crate) struct DataScript {
    /// Rows by table.
    pub(crate) rows: HashMap<Name, u64>,
    /// Values by sequence.
    pub(crate) sequences: HashMap<Name, (i64, bool)>,
    /// Large objects written.
    pub(crate) large_objects: u64,
    /// The statement at hand.
    statement: Vec<u8>,
    /// The table whose rows come, with their number.
    copying: Option<(Name, u64)>,
    /// The first bytes of the row at hand, and how many bytes it has so far, at most 4.
    row: ([u8; 2], usize),
}

impl DataScript {
    /// Takes the next piece.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            match &mut self.copying {
                Some(_) => self.row_bytes(line, end.is_some()),
                None => self.statement_bytes(line, end.is_some()),
            }
            bytes = end.map_or(&[], |end| &bytes[end + 1..]);
        }
    }

    /// Whether no table is still open: the script did not stop in the middle of one.
    pub(crate) fn is_complete(&self) -> bool {
        self.copying.is_none()
    }

    /// Newlines in data are escaped, so each line is a row.
    fn row_bytes(&mut self, line: &[u8], ends: bool) {
        let (first, length) = &mut self.row;
        for byte in line.iter().take(4usize.saturating_sub(*length)) {
            if *length < 2 {
                first[*length] = *byte;
            }
            *length += 1;
        }
        if !ends {
            return;
        }
        let is_end = *length == 2 && first == b"\\.";
        self.row = Default::default();
        if is_end {
            if let Some((name, rows)) = self.copying.take() {
                *self.rows.entry(name).or_default() += rows;
            }
        } else if let Some((_, rows)) = &mut self.copying {
            *rows += 1;
        }
    }

    fn statement_bytes(&mut self, line: &[u8], ends: bool) {
        let room = STATEMENT_LIMIT_BYTES.saturating_sub(self.statement.len());
        self.statement.extend_from_slice(&line[..line.len().min(room)]);
        if !ends {
            return;
        }
        // A quoted name may contain a line break.
        if self.statement.starts_with(b"COPY ") && !self.statement.ends_with(b" FROM stdin;") {
            self.statement.push(b'\n');
            return;
        }
        let statement = std::mem::take(&mut self.statement);
        let Ok(text) = std::str::from_utf8(&statement) else { return };
        if let Some(rest) = text.strip_prefix("COPY ") {
            self.copying = Some((qualified(rest).unwrap_or_default(), 0));
        } else if let Some(rest) = text.strip_prefix("SELECT pg_catalog.setval(") {
            if let Some((name, value)) = setval(rest) {
                self.sequences.insert(name, value);
            }
        } else if text.starts_with("SELECT pg_catalog.lo_open(") {
            self.large_objects += 1;
        }
    }
}

/// `'schema.name', 42, true);`
fn setval(text: &str) -> Option<(Name, (i64, bool))> {
    let (is_escaped, text) = match text.strip_prefix('E') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (literal, values) = text.strip_prefix('\'')?.rsplit_once("', ")?;
    let literal = literal.replace("''", "'");
    let literal = if is_escaped { literal.replace("\\\\", "\\") } else { literal };
    let (value, called) = values.trim_end_matches(");").split_once(", ")?;
    Some((qualified(&literal)?, (value.parse().ok()?, called == "true")))
}

/// A dump's table of contents, as `pg_restore --list` writes it.
#[derive(Default)]
pub(crate) struct Contents {
    /// Class and object id of every entry that stands for an object.
    pub(crate) objects: HashSet<(u32, u32)>,
    /// Object ids of tables whose rows are there.
    pub(crate) data: HashSet<u32>,
    /// User mappings, whose entries carry no id.
    pub(crate) user_mappings: u64,
    /// All entries.
    pub(crate) entries: u64,
}

impl Contents {
    /// Takes the next line: `12; 1259 16385 TABLE public t owner`.
    pub(crate) fn line(&mut self, line: &str) {
        let Some((number, rest)) = line.split_once("; ") else { return };
        if number.parse::<u32>().is_err() {
            return;
        }
        let mut words = rest.splitn(3, ' ');
        let (Some(Ok(class)), Some(Ok(oid))) = (words.next().map(str::parse), words.next().map(str::parse))
        else {
            return;
        };
        let what = words.next().unwrap_or_default();
        self.entries += 1;
        if class != 0 {
            self.objects.insert((class, oid));
        }
        if what.starts_with("TABLE DATA ") {
            self.data.insert(oid);
        }
        self.user_mappings += u64::from(what.starts_with("USER MAPPING "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "SET x = 1;\n\n--\n-- Data for Name: t; Type: TABLE DATA\n--\n\nCOPY app.t (id, \"a b\") FROM stdin;\n\
        1\t\\\\.\n2\t\\n\n\\.\n\n\nCOPY \"W \"\"x\ny\".\"t.2\"  FROM stdin;\n\n\n\\.\n\
        SELECT pg_catalog.setval('app.s', 42, true);\nSELECT pg_catalog.setval('app.\"it''s\"', -7, false);\n\
        SELECT pg_catalog.lo_open('4711', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\n";

    #[test]
    fn rows_are_counted_however_the_script_is_cut() {
        for size in [1, 2, 3, 7, 1000] {
            let mut script = DataScript::default();
            SCRIPT.as_bytes().chunks(size).for_each(|piece| script.feed(piece));
            let name = |schema: &str, name: &str| (schema.to_owned(), name.to_owned());
            assert!(script.is_complete());
            assert_eq!(script.rows[&name("app", "t")], 2);
            assert_eq!(script.rows[&name("W \"x\ny", "t.2")], 2, "rows without columns");
            assert_eq!(script.sequences[&name("app", "s")], (42, true));
            assert_eq!(script.sequences[&name("app", "it's")], (-7, false));
            assert_eq!(script.large_objects, 1);
        }
    }

    #[test]
    fn a_script_that_stops_in_a_table_is_not_complete() {
        let mut script = DataScript::default();
        script.feed(b"COPY a.b (c) FROM stdin;\n1\n2");
        assert!(!script.is_complete());
    }

    #[test]
    fn contents_are_read() {
        let mut contents = Contents::default();
        for line in [
            ";",
            "; Archive created",
            "220; 1259 16584 TABLE app parent postgres",
            "3616; 0 16584 TABLE DATA app parent postgres",
            "3639; 0 0 USER MAPPING - USER MAPPING public SERVER s1 postgres",
            "nonsense",
        ] {
            contents.line(line);
        }
        assert_eq!((contents.entries, contents.user_mappings), (3, 1));
        assert!(contents.objects.contains(&(1259, 16584)) && contents.data.contains(&16584));
    }
}
