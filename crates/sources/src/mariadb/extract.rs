//! Parts of a dump: the statements of one database, under its own name or another; with or without its events.

use super::reading::Statement;
use super::script::{Kind, Script, Sink, Unit};
use super::sql::quoted;
use super::stored::Filter;
use std::io::{self, Write};

/// A statement that names a database or makes an event is known by so much of it.
const KNOWN_BYTES: usize = 4096;

/// What is wanted.
pub(crate) struct Extract {
    script: Script,
    part: Part,
}

struct Part {
    database: String,
    name: String,
    events: bool,
    /// Whether what is read belongs to the database.
    inside: bool,
    /// Nothing was read that belongs to a database: the settings of the dump, which all of it needs.
    prelude: bool,
    /// The unit that is being read, until it is known.
    kept: Vec<u8>,
    known: bool,
    /// And then whether the rest of it is wanted.
    hand_on: bool,
    ready: Vec<u8>,
}

impl Extract {
    /// One database, to be called `name`. Events can be left out: beside the database that they belong to they would run twice.
    pub(crate) fn new(database: &str, name: &str, events: bool) -> Self {
        let part = Part {
            database: database.to_owned(),
            name: name.to_owned(),
            events,
            inside: false,
            prelude: true,
            kept: Vec::new(),
            known: false,
            hand_on: false,
            ready: Vec::new(),
        };
        Self { script: Script::default(), part }
    }
}

impl Filter for Extract {
    fn pass(&mut self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        self.script.feed(bytes, &mut self.part);
        let written = out.write_all(&self.part.ready);
        self.part.ready.clear();
        written
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let kept = std::mem::take(&mut self.part.kept);
        if self.part.wanted() { out.write_all(&kept) } else { Ok(()) }
    }
}

impl Part {
    fn wanted(&self) -> bool {
        self.inside || self.prelude
    }
}

impl Sink for Part {
    fn piece(&mut self, bytes: &[u8]) {
        if self.known {
            if self.hand_on {
                self.ready.extend_from_slice(bytes);
            }
            return;
        }
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > KNOWN_BYTES {
            // Rows, or the body of a routine.
            let kept = std::mem::take(&mut self.kept);
            self.known = true;
            self.hand_on = self.decide(&kept);
        }
    }

    fn end(&mut self, unit: &Unit<'_>) {
        let kept = std::mem::take(&mut self.kept);
        if std::mem::take(&mut self.known) {
            return;
        }
        if unit.kind == Kind::Statement {
            self.decide(&kept);
        } else if self.wanted() {
            self.ready.extend_from_slice(&kept);
        }
    }
}

impl Part {
    /// Hands on the beginning of a statement when it is wanted; says whether it is.
    fn decide(&mut self, kept: &[u8]) -> bool {
        let text = String::from_utf8_lossy(kept);
        match Statement::of(&text) {
            Statement::Use(database) => {
                self.prelude = false;
                self.inside = database == self.database;
                if self.inside {
                    self.ready.extend_from_slice(format!("\nUSE {};", quoted(&self.name)).as_bytes());
                }
                return false;
            }
            Statement::Create { kind: "database", name } => {
                self.prelude = false;
                if name == self.database {
                    let text = text.replacen(&quoted(&name), &quoted(&self.name), 1);
                    self.ready.extend_from_slice(text.as_bytes());
                }
                return false;
            }
            Statement::Create { kind: "event", .. } if !self.events => return false,
            Statement::Create { kind: "trigger", .. } if self.inside && self.name != self.database => {
                // Triggers are kept as they were written, some with the name of the database.
                self.ready.extend_from_slice(unqualified(&text, &self.database).as_bytes());
            }
            _ if self.wanted() => self.ready.extend_from_slice(kept),
            _ => return false,
        }
        true
    }
}

/// A trigger without the name of its database in front of its own and its table's name.
pub(super) fn unqualified(trigger: &str, database: &str) -> String {
    let upper = trigger.to_ascii_uppercase();
    let head = upper.find("FOR EACH ROW").unwrap_or(upper.len());
    let (head, body) = trigger.split_at(head);
    let mut out = head.replace(&format!(" {}.", quoted(database)), " ");
    if database.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$') {
        out = out.replace(&format!(" {database}."), " ");
    }
    format!("{out}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "/*M!999999\\- enable the sandbox mode */ \n/*!40101 SET NAMES utf8mb4 */;\nCREATE DATABASE /*!32312 IF NOT EXISTS*/ `a`;\nUSE `a`;\n\
        INSERT INTO `t` VALUES ('in a');\nDELIMITER ;;\n/*!50106 CREATE*/ /*!50106 EVENT `e` DO select 1 */ ;;\nDELIMITER ;\n\
        CREATE DATABASE `b`;\nUSE `b`;\nINSERT INTO `t` VALUES ('in b; USE `a`;\n');\nUSE `a`;\nselect 'view of a';\nUSE `b`;\nselect 'view of b';\n-- Dump completed\n";

    fn extract(database: &str, name: &str, events: bool, piece: usize) -> String {
        let (mut extract, mut out) = (Extract::new(database, name, events), Vec::new());
        for bytes in DUMP.as_bytes().chunks(piece) {
            extract.pass(bytes, &mut out).expect("written");
        }
        extract.finish(&mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn triggers_lose_the_name_of_their_database() {
        let text =
            "/*!50003 trigger shop.tr2 before insert on `shop`.parent for each row set @x = 'shop.a' */";
        let expected = "/*!50003 trigger tr2 before insert on parent for each row set @x = 'shop.a' */";
        assert_eq!(unqualified(text, "shop"), expected);
    }

    #[test]
    fn a_long_event_is_left_out_whole() {
        let event = format!(
            "USE `a`;\nDELIMITER ;;\n/*!50106 CREATE*/ /*!50106 EVENT `e` DO select '{}' */ ;;\nDELIMITER ;\n",
            "x".repeat(9000)
        );
        let (mut extract, mut out) = (Extract::new("a", "b", false), Vec::new());
        extract.pass(event.as_bytes(), &mut out).expect("written");
        extract.finish(&mut out).expect("written");
        let text = String::from_utf8_lossy(&out);
        assert!(!text.contains("xxx") && text.contains("USE `b`"), "{text}");
    }

    #[test]
    fn one_database_is_cut_out_and_renamed() {
        for piece in [1, 5, 10_000] {
            let out = extract("a", "new", false, piece);
            for wanted in ["SET NAMES", "`new`;", "USE `new`;", "in a", "view of a"] {
                assert!(out.contains(wanted), "{wanted}: {out}");
            }
            assert!(!out.contains(" b") && !out.contains("`a`") && !out.contains("EVENT"), "{out}");
            let out = extract("b", "b", true, piece);
            assert!(out.contains("in b") && out.contains("view of b") && !out.contains("in a"), "{out}");
            assert!(extract("a", "a", true, piece).contains("EVENT"));
        }
    }
}
