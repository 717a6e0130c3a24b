//! The definitions of a database as a script of `pg_dump --schema-only`, cut into the blocks that belong to one object each, and what
//! two such scripts differ in. Pure.
//!
//! Every block of a script has a comment before it that names its object. A function's body may contain lines that look like one; then it
//! is cut there on both sides, and is compared all the same.

use super::words::plain;
use std::collections::BTreeMap;
use std::fmt;

/// How the comment before a block begins.
const HEAD: &str = "-- Name: ";
/// Lines that say who dumped, and random words against scripts that were tampered with.
const NOT_COMPARED: &[&str] =
    &["-- Dumped from database version ", "-- Dumped by pg_dump version ", "\\restrict ", "\\unrestrict "];
/// The storage of the tables that follow. It is written only where it changes, so it belongs to what follows.
const METHOD: &str = "SET default_table_access_method = ";
/// Said with each object as well.
const TABLESPACE: &str = "SET default_tablespace = ";
/// The last line, which belongs to no block.
const END: &str = "-- PostgreSQL database dump complete";
/// Types of blocks whose statements are privileges, one a line: they come in the order in which they were granted.
const PRIVILEGES: &[&str] = &["ACL", "DEFAULT ACL"];
/// Types of blocks that define nothing, of which only one of the two programs speaks: `pg_restore` fills materialized views.
const CONTENT: &[&str] = &["MATERIALIZED VIEW DATA", "SEQUENCE SET", "STATISTICS DATA"];
/// Types of blocks with tables of rows.
const TABLES: &[&str] = &["TABLE", "MATERIALIZED VIEW"];
/// Types of blocks in which the server writes expressions that it has parsed.
const EXPRESSIONS: &[&str] = &[
    "CHECK CONSTRAINT",
    "CONSTRAINT",
    "DEFAULT",
    "DOMAIN",
    "EVENT TRIGGER",
    "FK CONSTRAINT",
    "INDEX",
    "MATERIALIZED VIEW",
    "POLICY",
    "PUBLICATION TABLE",
    "RULE",
    "STATISTICS",
    "TABLE",
    "TABLE ATTACH",
    "TRIGGER",
    "VIEW",
];
/// Routines whose body the server has parsed.
const PARSED_BODIES: &[&str] = &["FUNCTION", "PROCEDURE"];
/// What such a body begins with, on a line of its own.
const PARSED_BODY: &[&str] = &["BEGIN ATOMIC", "RETURN "];

/// What a block is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    /// `TABLE`, `COMMENT`, …
    kind: String,
    /// With what it is about, for privileges and comments: `TABLE orders`.
    name: String,
    schema: String,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, schema } = self;
        match (kind.is_empty(), schema.as_str()) {
            (true, _) => f.write_str("the settings at its beginning"),
            (false, "-" | "") => write!(f, "{kind} {name}"),
            (false, schema) => write!(f, "{kind} {name} in {schema}"),
        }
    }
}

/// The blocks of a script. Several of one label are sorted: they come in any order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocks(BTreeMap<Label, Vec<String>>);

/// In what a script differs from another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// What is not there any more.
    pub(crate) missing: Vec<Label>,
    /// What was not there before.
    pub(crate) new: Vec<Label>,
    /// What is something else now.
    pub(crate) other: Vec<Label>,
    /// What only has other casts and brackets: the server reads an expression, and writes it in its own way.
    pub(crate) reworded: Vec<Label>,
    /// Blocks that are the same.
    pub(crate) same: u64,
}

impl Blocks {
    /// Of this script.
    pub(crate) fn of(script: &str) -> Self {
        let mut blocks = Self::default();
        let (mut label, mut text, mut method) = (Label::none(), String::new(), String::new());
        for line in script.lines() {
            if let Some((next, rest)) = head(line) {
                blocks.add(std::mem::replace(&mut label, next), &std::mem::take(&mut text));
                // Owner and tablespace.
                text.push_str(rest);
                text.push('\n');
                if TABLES.contains(&label.kind.as_str()) {
                    text.push_str(&method);
                    text.push('\n');
                }
            } else if line.starts_with(METHOD) {
                line.clone_into(&mut method);
            } else if !line.starts_with(TABLESPACE)
                && !NOT_COMPARED.iter().any(|start| line.starts_with(start))
            {
                text.push_str(line);
                text.push('\n');
            }
        }
        blocks.add(label, &text);
        blocks
    }

    fn add(&mut self, label: Label, text: &str) {
        if CONTENT.contains(&label.kind.as_str()) {
            return;
        }
        // Lines of the comment after it, or of the last one.
        let ends = |line: &str| line.is_empty() || line == "--" || line == END;
        let mut lines: Vec<_> = text.lines().collect();
        while lines.last().is_some_and(|line| ends(line)) {
            lines.pop();
        }
        if PRIVILEGES.contains(&label.kind.as_str()) {
            lines.sort_unstable();
        }
        let all = self.0.entry(label).or_default();
        all.push(lines.join("\n"));
        all.sort_unstable();
    }

    /// What `now` differs in.
    pub(crate) fn differences(&self, now: &Self) -> Differences {
        let mut out = Differences::default();
        for (label, before) in &self.0 {
            match now.0.get(label) {
                None => out.missing.push(label.clone()),
                Some(now) if now == before => out.same += 1,
                Some(now) if is_reworded(label, before, now) => out.reworded.push(label.clone()),
                Some(_) => out.other.push(label.clone()),
            }
        }
        out.new.extend(now.0.keys().filter(|label| !self.0.contains_key(label)).cloned());
        out
    }
}

impl Label {
    fn none() -> Self {
        Self { kind: String::new(), name: String::new(), schema: String::new() }
    }
}

/// The label in the comment before a block, and the rest of it: `-- Name: t; Type: TABLE; Schema: app; Owner: bob; Tablespace: ts`.
fn head(line: &str) -> Option<(Label, &str)> {
    // A name may contain any of these words; what follows it cannot but by malice, and then it does so on both sides.
    let (name, rest) = line.strip_prefix(HEAD)?.rsplit_once("; Type: ")?;
    let (kind, rest) = rest.split_once("; Schema: ")?;
    let (schema, rest) = rest.split_once("; Owner: ")?;
    Some((Label { kind: kind.into(), name: name.into(), schema: schema.into() }, rest))
}

fn is_reworded(label: &Label, before: &[String], now: &[String]) -> bool {
    let kind = label.kind.as_str();
    let is_parsed = |text: &String| {
        text.lines().any(|line| PARSED_BODY.iter().any(|start| line.trim_start().starts_with(start)))
    };
    let may_be = EXPRESSIONS.contains(&kind)
        || PARSED_BODIES.contains(&kind) && before.iter().chain(now).all(is_parsed);
    may_be
        && before.len() == now.len()
        && before.iter().zip(now).all(|(before, now)| plain(before) == plain(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15.18\n\nSET x = 1;\n\n\
        --\n-- Name: f(integer); Type: FUNCTION; Schema: app; Owner: bob\n--\n\nCREATE FUNCTION app.f(integer) AS $_$\n-- Name: no head\n\nselect ($1)\n$_$;\n\n\n\
        SET default_tablespace = '';\n\nSET default_table_access_method = heap;\n\n\
        --\n-- Name: t; Type: TABLE; Schema: app; Owner: bob\n--\n\nCREATE TABLE app.t (\n    s character varying(9),\n    CONSTRAINT c CHECK (((s)::text = ANY ((ARRAY['a'::character varying])::text[])))\n);\n\n\n\
        --\n-- Name: TABLE t; Type: COMMENT; Schema: app; Owner: bob\n--\n\nCOMMENT ON TABLE app.t IS 'x';\n\n\n\
        --\n-- Name: TABLE t; Type: ACL; Schema: app; Owner: bob\n--\n\nGRANT SELECT ON TABLE app.t TO a;\nGRANT SELECT ON TABLE app.t TO b;\n\n\n\
        --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n";

    fn changed(from: &str, to: &str) -> Differences {
        assert!(SCRIPT.contains(from), "{from}");
        Blocks::of(SCRIPT).differences(&Blocks::of(&SCRIPT.replace(from, to)))
    }

    fn labels(labels: &[Label]) -> Vec<String> {
        labels.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_may_differ_does_not_matter() {
        for (from, to) in [
            ("15.18", "15.19"),
            ("abc", "xyz"),
            ("TO a;\nGRANT SELECT ON TABLE app.t TO b;", "TO b;\nGRANT SELECT ON TABLE app.t TO a;"),
        ] {
            let found = changed(from, to);
            assert_eq!(found, Differences { same: 5, ..Differences::default() }, "{from}");
        }
        // In another order.
        let (first, rest) = SCRIPT.split_once("--\n-- Name: f(integer)").expect("a function");
        let (function, rest) = rest.split_once("SET default_tablespace").expect("a table");
        let (table, end) = rest.split_once("--\n-- Name: TABLE t; Type: COMMENT").expect("a comment");
        let turned = format!(
            "{first}SET default_tablespace{table}--\n-- Name: f(integer){function}--\n-- Name: TABLE t; Type: COMMENT{end}"
        );
        assert_eq!(Blocks::of(&turned), Blocks::of(SCRIPT));
    }

    #[test]
    fn what_was_lost_or_changed_is_named() {
        for (from, to, name) in [
            ("select ($1)", "select $1", "FUNCTION f(integer) in app"),
            ("-- Name: no head", "-- Name: other", "FUNCTION f(integer) in app"),
            ("IS 'x'", "IS 'y'", "COMMENT TABLE t in app"),
            ("GRANT SELECT ON TABLE app.t TO b;\n", "", "ACL TABLE t in app"),
            ("= heap", "= other", "TABLE t in app"),
            ("['a'", "['b'", "TABLE t in app"),
            ("s character varying(9)", "s character varying(8)", "TABLE t in app"),
            ("TABLE; Schema: app; Owner: bob", "TABLE; Schema: app; Owner: eve", "TABLE t in app"),
            ("SET x = 1", "SET x = 2", "the settings at its beginning"),
        ] {
            let found = changed(from, to);
            assert_eq!((labels(&found.other), found.same), (vec![name.to_owned()], 4), "{from}");
        }
        let found = changed("-- Name: TABLE t; Type: COMMENT", "-- Name: TABLE u; Type: COMMENT");
        assert_eq!(labels(&found.missing), ["COMMENT TABLE t in app"]);
        assert_eq!(labels(&found.new), ["COMMENT TABLE u in app"]);
    }

    #[test]
    fn the_server_may_write_an_expression_in_its_own_way() {
        let from = "ANY ((ARRAY['a'::character varying])::text[])";
        let found = changed(from, "ANY (ARRAY[('a'::character varying)::text])");
        assert_eq!((labels(&found.reworded), found.other.len()), (vec!["TABLE t in app".to_owned()], 0));
    }
}
