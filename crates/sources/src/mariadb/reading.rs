//! What is in a dump, collected while it flows past.

use super::script::{Kind, Script, Sink, Unit};
use super::sql::leading_name;
use super::truth::Position;
use std::collections::{BTreeMap, BTreeSet};

/// An object: kind, database, name.
pub(crate) type Key = (String, String, String);

/// What the last comment of a whole dump begins with.
const END: &str = "-- Dump completed";

/// What a dump contains.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Every object that it makes.
    pub(crate) objects: BTreeSet<Key>,
    /// Rows by database and table.
    pub(crate) rows: BTreeMap<(String, String), u64>,
    /// Where it sets sequences.
    pub(crate) sequences: BTreeMap<(String, String), i64>,
    /// Its longest statement, in bytes.
    pub(crate) longest_statement_bytes: u64,
    /// Where it is in the binary log.
    pub(crate) position: Option<Position>,
    database: String,
    has_end: bool,
}

/// Reads a dump.
#[derive(Default)]
pub(crate) struct Reading {
    script: Script,
    contents: Contents,
}

impl Reading {
    /// The next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.script.feed(bytes, &mut self.contents);
    }

    /// The contents, when the dump came to its end.
    ///
    /// # Errors
    /// What is wrong with the end.
    pub(crate) fn finish(self) -> Result<Contents, &'static str> {
        match (self.script.is_between(), self.contents.has_end) {
            (false, _) => Err("it ends in the middle of a statement"),
            (true, false) => Err("its last line is missing"),
            (true, true) => Ok(self.contents),
        }
    }
}

impl Sink for Contents {
    fn end(&mut self, unit: &Unit<'_>) {
        let head = String::from_utf8_lossy(unit.head);
        self.has_end = unit.kind == Kind::Comment && head.trim_start().starts_with(END);
        match unit.kind {
            Kind::Comment => self.comment(&head),
            Kind::Statement => {
                self.longest_statement_bytes = self.longest_statement_bytes.max(unit.bytes);
                self.statement(&head, unit.rows);
            }
            Kind::Delimiter => {}
        }
    }
}

impl Contents {
    fn comment(&mut self, text: &str) {
        let value = |name: &str, end: &[char]| {
            let from = text.find(name)? + name.len();
            text[from..].split(end).next().map(str::to_owned)
        };
        if let (Some(file), Some(Ok(offset))) =
            (value("LOG_FILE='", &['\'']), value("LOG_POS=", &[';', ' ']).map(|text| text.parse()))
        {
            self.position = Some(Position { file, offset, gtid: None });
        }
        if let (Some(gtid), Some(position)) = (value("gtid_slave_pos='", &['\'']), &mut self.position) {
            position.gtid = Some(gtid);
        }
    }

    fn statement(&mut self, head: &str, rows: u64) {
        match Statement::of(head) {
            Statement::Use(name) => self.database = name,
            Statement::Create { kind, name } => {
                let database = match kind {
                    "database" => String::new(),
                    _ => self.database.clone(),
                };
                if kind == "table" {
                    self.rows.entry((database.clone(), name.clone())).or_default();
                }
                self.objects.insert((kind.to_owned(), database, name));
            }
            Statement::Insert(name) => {
                *self.rows.entry((self.database.clone(), name)).or_default() += rows;
            }
            Statement::SetValue(name, next) => {
                self.sequences.insert((self.database.clone(), name), next);
            }
            Statement::Other => {}
        }
    }
}

/// What a statement of a dump does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Another database follows.
    Use(String),
    /// Makes something.
    Create {
        /// What.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Fills a table.
    Insert(String),
    /// Sets a sequence.
    SetValue(String, i64),
    /// Anything else.
    Other,
}

/// Kinds of objects, by the words that make them.
const KINDS: &[(&str, &str)] = &[
    ("DATABASE", "database"),
    ("TABLE", "table"),
    ("SEQUENCE", "sequence"),
    ("VIEW", "view"),
    ("TRIGGER", "trigger"),
    ("PROCEDURE", "procedure"),
    ("FUNCTION", "function"),
    ("EVENT", "event"),
];

impl Statement {
    /// Of the statement that begins so.
    pub(crate) fn of(head: &str) -> Self {
        let plain = without_versions(head);
        let (word, rest) = next_word(&plain);
        match word.to_ascii_uppercase().as_str() {
            "USE" => leading_name(rest).map_or(Self::Other, |(name, _)| Self::Use(name)),
            "CREATE" => Self::create(rest).unwrap_or(Self::Other),
            "INSERT" | "REPLACE" => {
                let mut rest = rest;
                while let (word, after) = next_word(rest)
                    && matches!(word.to_ascii_uppercase().as_str(), "INTO" | "IGNORE" | "DELAYED")
                {
                    rest = after;
                }
                leading_name(rest).map_or(Self::Other, |(name, _)| Self::Insert(name))
            }
            "DO" | "SELECT" => Self::set_value(rest).unwrap_or(Self::Other),
            _ => Self::Other,
        }
    }

    fn create(rest: &str) -> Option<Self> {
        let (mut rest, mut whole_view) = (rest, false);
        loop {
            let (word, after) = next_word(rest);
            let upper = word.to_ascii_uppercase();
            rest = match upper.as_str() {
                "" => return None,
                // There is also SQL SECURITY DEFINER.
                "DEFINER" => match after.trim_start().strip_prefix('=') {
                    None => after,
                    Some(after) => {
                        let (_, host) = leading_name(after)?;
                        host.strip_prefix('@').and_then(leading_name).map_or(host, |(_, rest)| rest)
                    }
                },
                "ALGORITHM" => {
                    whole_view = true;
                    next_word(after.trim_start().strip_prefix('=')?).1
                }
                "PACKAGE" => {
                    let (word, body) = next_word(after);
                    let is_body = word.eq_ignore_ascii_case("BODY");
                    let kind = if is_body { "package body" } else { "package" };
                    return Some(Self::Create { kind, name: named(if is_body { body } else { after })? });
                }
                // A stand-in for the time until all tables are there.
                "VIEW" if !whole_view => return None,
                word => match KINDS.iter().find(|(other, _)| *other == word) {
                    Some((_, kind)) => return Some(Self::Create { kind, name: named(after)? }),
                    None => after,
                },
            };
        }
    }

    fn set_value(rest: &str) -> Option<Self> {
        let rest = rest.trim_start();
        let inside = rest.get(..7).filter(|word| word.eq_ignore_ascii_case("SETVAL(")).map(|_| &rest[7..])?;
        let (name, rest) = leading_name(inside)?;
        let next = rest.trim_start_matches([',', ' ']).split([',', ')']).next()?.trim().parse().ok()?;
        Some(Self::SetValue(name, next))
    }
}

/// The name of what is made; the last part of it when it has several.
fn named(text: &str) -> Option<String> {
    let mut text = text;
    while let (word, after) = next_word(text)
        && matches!(word.to_ascii_uppercase().as_str(), "IF" | "NOT" | "EXISTS")
    {
        text = after;
    }
    let (name, rest) = leading_name(text)?;
    match rest.trim_start().strip_prefix('.') {
        Some(rest) => leading_name(rest).map(|(name, _)| name),
        None => Some(name),
    }
}

/// The word at the start and the rest; an empty word when a quoted name stands there. Other signs are stepped over.
fn next_word(text: &str) -> (&str, &str) {
    let starts = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '`' | '"');
    let text = text.trim_start_matches(|c: char| !starts(c));
    let end = text.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// Without the marks of code that only some versions run.
fn without_versions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        let (before, after) = rest.split_at(at);
        let inner = after[2..].trim_start_matches('M');
        let Some(code) = inner.strip_prefix('!') else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        out.push_str(before);
        out.push(' ');
        rest = code.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out.push_str(rest);
    out.replace("*/", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_recognised() {
        let create = |kind, name: &str| Statement::Create { kind, name: name.to_owned() };
        for (text, expected) in [
            ("USE `odd ``na-me`;", Statement::Use("odd `na-me".into())),
            ("CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT", create("database", "shop")),
            ("CREATE TABLE `we``ird \"n'ame` (", create("table", "we`ird \"n'ame")),
            ("CREATE SEQUENCE `sq` start with 5", create("sequence", "sq")),
            ("/*!50001 CREATE VIEW `v` AS SELECT", Statement::Other),
            (
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS",
                create("view", "v"),
            ),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`a b`@`%`*/ /*!50003 trigger shop.tr1 before insert",
                create("trigger", "tr1"),
            ),
            ("CREATE DEFINER=`root`@`localhost` FUNCTION `f1`(a int)", create("function", "f1")),
            ("CREATE DEFINER=`r1` PROCEDURE `p`(", create("procedure", "p")),
            ("CREATE DEFINER=\"root\"@\"localhost\" PACKAGE \"pk\" as", create("package", "pk")),
            ("CREATE DEFINER=\"root\"@\"localhost\" PACKAGE BODY \"pk\" as", create("package body", "pk")),
            (
                "/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ /*!50106 EVENT `ev` ON SCHEDULE",
                create("event", "ev"),
            ),
            ("INSERT IGNORE INTO `t` (`a`) VALUES", Statement::Insert("t".into())),
            ("DO SETVAL(`sq`, -3005, 0);", Statement::SetValue("sq".into(), -3005)),
            ("LOCK TABLES `ar` WRITE;", Statement::Other),
        ] {
            assert_eq!(Statement::of(text), expected, "{text}");
        }
    }

    #[test]
    fn the_end_is_the_end() {
        let read = |text: &str| {
            let mut reading = Reading::default();
            reading.feed(text.as_bytes());
            reading.finish()
        };
        assert!(read("SELECT 1;\n-- Dump completed on 2026\n").is_ok());
        assert!(read("SELECT 1;\n").is_err());
        assert!(read("-- Dump completed\nSELECT 1;\n").is_err());
        assert!(read("SELECT 'a\n-- Dump completed\n").is_err());
        let contents = read(
            "-- CHANGE MASTER TO MASTER_LOG_FILE='b.000001', MASTER_LOG_POS=77;\nUSE `x`;\nCREATE TABLE `t` (a int);\n\
             INSERT INTO `t` VALUES (1),(2);\n-- SET GLOBAL gtid_slave_pos='0-1-2';\n-- Dump completed\n",
        )
        .expect("whole");
        assert_eq!(contents.rows[&("x".to_owned(), "t".to_owned())], 2);
        let position = contents.position.expect("a position");
        assert_eq!((position.offset, position.gtid.as_deref()), (77, Some("0-1-2")));
    }
}
