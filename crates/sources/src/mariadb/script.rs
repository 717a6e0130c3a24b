//! Cutting a dump into its statements while it flows, in the way the client does: quotes, comments, `DELIMITER`.
//!
//! A routine's body may contain anything that looks like a part of a dump, so nothing is searched for by line. Statements can be as
//! long as a gigabyte; only their beginnings are kept.

use memchr::memchr2;

/// So much of a statement's beginning is kept: names stand there.
const HEAD_BYTES: usize = 4096;

/// What a dump consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A statement, with its delimiter.
    Statement,
    /// A comment that stands alone.
    Comment,
    /// The client's command for another delimiter.
    Delimiter,
}

/// One of these, at its end.
#[derive(Debug)]
pub(crate) struct Unit<'u> {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its beginning.
    pub(crate) head: &'u [u8],
    /// Rows, when it inserts some.
    pub(crate) rows: u64,
    /// Its length.
    pub(crate) bytes: u64,
}

/// Takes what a dump consists of.
pub(crate) trait Sink {
    /// Some bytes of the unit that is being read.
    fn piece(&mut self, _bytes: &[u8]) {}
    /// The unit is at its end.
    fn end(&mut self, unit: &Unit<'_>);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    /// `/*` was read, or `/*M`.
    Opening {
        m: bool,
    },
    Quoted {
        quote: u8,
        escaped: bool,
    },
    Line,
    Block {
        star: bool,
    },
}

/// Reads a dump.
pub(crate) struct Script {
    state: State,
    delimiter: Vec<u8>,
    head: Vec<u8>,
    bytes: u64,
    /// Bytes of code in this statement that are not blank.
    significant: u64,
    /// The last two bytes of code.
    last: [u8; 2],
    depth: u32,
    rows: u64,
    /// Letters of the word that is being read, while `VALUES` is waited for.
    word: Vec<u8>,
    values: Values,
}

/// Whether rows follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Unknown,
    No,
    Awaited,
    Here,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            state: State::Code,
            delimiter: b";".to_vec(),
            head: Vec::new(),
            bytes: 0,
            significant: 0,
            last: [0; 2],
            depth: 0,
            rows: 0,
            word: Vec::new(),
            values: Values::Unknown,
        }
    }
}

impl Script {
    /// Whether it is between two statements.
    pub(crate) fn is_between(&self) -> bool {
        self.significant == 0 && self.state == State::Code
    }

    /// The next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let (mut at, mut from) = (0, 0);
        while at < bytes.len() {
            if let State::Quoted { quote, escaped: false } = self.state {
                // Most of a dump is inside of quotes.
                let stop = if quote == b'`' { quote } else { b'\\' };
                let next = memchr2(quote, stop, &bytes[at..]).map_or(bytes.len(), |found| at + found);
                self.keep(&bytes[at..next]);
                at = next;
                if at == bytes.len() {
                    break;
                }
            }
            let byte = bytes[at];
            at += 1;
            let ended = self.byte(byte);
            self.keep(&[byte]);
            if let Some(kind) = ended {
                sink.piece(&bytes[from..at]);
                from = at;
                self.finish(kind, sink);
            }
        }
        sink.piece(&bytes[from..]);
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        // Blanks between statements belong to none.
        if self.head.len() < HEAD_BYTES && (self.significant > 0 || self.state != State::Code) {
            let room = HEAD_BYTES - self.head.len();
            self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn finish(&mut self, kind: Kind, sink: &mut impl Sink) {
        let (head, rows, bytes) = (std::mem::take(&mut self.head), self.rows, self.bytes);
        if kind == Kind::Delimiter {
            let words = String::from_utf8_lossy(&head).into_owned();
            self.delimiter = words.split_whitespace().nth(1).unwrap_or(";").as_bytes().to_vec();
        }
        sink.end(&Unit { kind, head: &head, rows, bytes });
        self.head = head;
        self.head.clear();
        (self.bytes, self.significant, self.rows, self.depth) = (0, 0, 0, 0);
        (self.state, self.values, self.last) = (State::Code, Values::Unknown, [0; 2]);
        self.word.clear();
    }

    /// Takes one byte; says what ends with it.
    fn byte(&mut self, byte: u8) -> Option<Kind> {
        match self.state {
            State::Code => self.code(byte),
            State::Opening { m } => {
                if byte == b'!' {
                    // Code that some versions run: it is a part of the statement.
                    self.significant += 3;
                }
                self.state = match byte {
                    b'!' => State::Code,
                    b'M' if !m => State::Opening { m: true },
                    b'*' => State::Block { star: true },
                    _ => State::Block { star: false },
                };
                None
            }
            State::Quoted { quote, escaped } => {
                self.state = match byte {
                    _ if escaped => State::Quoted { quote, escaped: false },
                    b'\\' if quote != b'`' => State::Quoted { quote, escaped: true },
                    _ if byte == quote => State::Code,
                    _ => self.state,
                };
                None
            }
            State::Line if byte == b'\n' => self.comment_ends(),
            State::Line => None,
            State::Block { star: true } if byte == b'/' => self.comment_ends(),
            State::Block { .. } => {
                self.state = State::Block { star: byte == b'*' };
                None
            }
        }
    }

    fn comment_ends(&mut self) -> Option<Kind> {
        self.state = State::Code;
        self.last = [0; 2];
        (self.significant == 0).then_some(Kind::Comment)
    }

    fn code(&mut self, byte: u8) -> Option<Kind> {
        let [before, previous] = self.last;
        self.last = [previous, byte];
        if byte.is_ascii_whitespace() {
            if (before, previous) == (b'-', b'-') {
                self.significant = self.significant.saturating_sub(2);
                self.state = State::Line;
                return if byte == b'\n' { self.comment_ends() } else { None };
            }
            self.word_ends();
            return (byte == b'\n' && self.is_command()).then_some(Kind::Delimiter);
        }
        self.significant += 1;
        match byte {
            b'\'' | b'"' | b'`' => {
                self.word_ends();
                self.state = State::Quoted { quote: byte, escaped: false };
            }
            b'*' if previous == b'/' => self.open_comment(),
            b'#' => {
                self.significant -= 1;
                self.state = State::Line;
            }
            // A command to the client, for the rest of the line: `/*M!999999\- enable the sandbox mode */`.
            b'-' if previous == b'\\' && self.head.ends_with(b"!999999\\") => {
                self.significant = 0;
                self.state = State::Line;
            }
            b'(' => {
                self.word_ends();
                if self.depth == 0 && self.values == Values::Here {
                    self.rows += 1;
                }
                self.depth += 1;
            }
            b')' => self.depth = self.depth.saturating_sub(1),
            _ if self.ends_statement(byte, previous) && !self.is_command() => return Some(Kind::Statement),
            _ if matches!(self.values, Values::Unknown | Values::Awaited) && self.depth == 0 => {
                if byte.is_ascii_alphabetic() && self.word.len() < 16 {
                    self.word.push(byte.to_ascii_uppercase());
                } else {
                    self.word_ends();
                }
            }
            _ => {}
        }
        None
    }

    /// The client takes such a line for itself.
    fn is_command(&self) -> bool {
        self.head.len() < 64
            && self.head.get(..10).is_some_and(|head| head.eq_ignore_ascii_case(b"DELIMITER "))
    }

    fn open_comment(&mut self) {
        // Whether it is one shows in the next byte; code that is run again counts again.
        self.significant = self.significant.saturating_sub(2);
        self.state = State::Opening { m: false };
    }

    fn ends_statement(&self, byte: u8, previous: u8) -> bool {
        match self.delimiter.as_slice() {
            [one] => byte == *one,
            [one, two] => byte == *two && previous == *one,
            other => {
                self.head.len() < HEAD_BYTES && byte == b';' && self.head.ends_with(&other[..other.len() - 1])
            }
        }
    }

    fn word_ends(&mut self) {
        if self.word.is_empty() {
            return;
        }
        self.values = match (self.values, self.word.as_slice()) {
            (Values::Unknown, b"INSERT" | b"REPLACE") => Values::Awaited,
            (Values::Unknown, _) => Values::No,
            (Values::Awaited, b"VALUES") => Values::Here,
            (values, _) => values,
        };
        self.word.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct All(Vec<(Kind, String, u64)>, Vec<u8>);

    impl Sink for All {
        fn piece(&mut self, bytes: &[u8]) {
            self.1.extend_from_slice(bytes);
        }

        fn end(&mut self, unit: &Unit<'_>) {
            self.0.push((unit.kind, String::from_utf8_lossy(unit.head).trim().to_owned(), unit.rows));
        }
    }

    fn cut(text: &str, piece: usize) -> All {
        let (mut script, mut all) = (Script::default(), All::default());
        text.as_bytes().chunks(piece).for_each(|bytes| script.feed(bytes, &mut all));
        assert!(script.is_between());
        assert_eq!(all.1, text.as_bytes(), "every byte is handed on");
        all
    }

    #[test]
    fn a_dump_is_cut_as_the_client_does() {
        let text = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n--\n/*!40101 SET NAMES utf8mb4 */;\n\
            USE `a;b`;\nINSERT INTO `t` (`a(`, b) VALUES (1,'x\\');(',0xAB),\n(2,'it''s',NULL);\n\
            DELIMITER ;;\nCREATE PROCEDURE `p`() begin select ';;\n-- Dump completed\nINSERT INTO `t` VALUES (1);\n', \"a\" ; /* ; c ' */ -- it's ;;\n end ;;\nDELIMITER ;\n\
            /* alone */ # x\nselect 1 /* it's */;\n-- Dump completed\n";
        let expected = [
            (Kind::Comment, "/*M!999999", 0),
            (Kind::Comment, "-- MariaDB dump", 0),
            (Kind::Comment, "--", 0),
            (Kind::Statement, "/*!40101 SET", 0),
            (Kind::Statement, "USE `a;b`;", 0),
            (Kind::Statement, "INSERT", 2),
            (Kind::Delimiter, "DELIMITER ;;", 0),
            (Kind::Statement, "CREATE PROCEDURE", 0),
            (Kind::Delimiter, "DELIMITER ;", 0),
            (Kind::Comment, "/* alone", 0),
            (Kind::Comment, "# x", 0),
            (Kind::Statement, "select 1", 0),
            (Kind::Comment, "-- Dump completed", 0),
        ];
        for piece in [1, 2, 3, 7, 10_000] {
            let all = cut(text, piece);
            assert_eq!(all.0.len(), expected.len(), "{piece}: {:#?}", all.0);
            for ((kind, head, rows), (wanted, start, count)) in all.0.iter().zip(expected) {
                assert_eq!((*kind, *rows), (wanted, count), "{piece}: {head}");
                assert!(head.starts_with(start), "{piece}: {head} {start}");
            }
        }
    }

    #[test]
    fn rows_are_counted_and_only_rows() {
        let text = "REPLACE INTO t VALUES\n(1,'(a),(b)'),\n(2,'c'),\n(3,_binary 'x)');\nCREATE TABLE x (a int DEFAULT (values(1)), b int);\n";
        let all = cut(text, 5);
        assert_eq!(all.0.iter().map(|unit| unit.2).collect::<Vec<_>>(), [3, 0]);
    }

    #[test]
    fn a_dump_that_is_cut_off_is_noticed() {
        let mut script = Script::default();
        script.feed(b"INSERT INTO `t` VALUES (1,'a", &mut All::default());
        assert!(!script.is_between());
    }
}
