//! Results of other tools' backups, as pure parsers: what they print fills in the report of a run, so that hosts which were not yet
//! moved are judged beside the others.
//!
//! A parser never makes a failure better: it is what the exit status says, or worse.

mod borg;
mod pgbackrest;
mod restic;

use crate::ingest::AMOUNT_MAX;
use serde_json::Value;
use std::str::FromStr;
use vow_protocol::report::{NAMED_MAX, Outcome, RunReport};

/// Who printed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parser {
    /// Any script: its exit status, and its last line when it failed.
    Plain,
    /// `restic backup --json`.
    Restic,
    /// `borg create --json --log-json`.
    Borg,
    /// `pgbackrest info --output=json`, after the backup.
    PgBackRest,
}

/// The type of sources of which nothing is known but how they ended.
pub const PLAIN_TYPE: &str = "ping";

impl Parser {
    /// The words, as a ping is made with.
    pub const WORDS: [&str; 4] = ["plain", "restic", "borg", "pgbackrest"];

    /// The type of a source whose output it reads.
    pub fn source_type(self) -> &'static str {
        match self {
            Self::Plain => PLAIN_TYPE,
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::PgBackRest => "pgbackrest",
        }
    }
}

impl FromStr for Parser {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "plain" => Ok(Self::Plain),
            "restic" => Ok(Self::Restic),
            "borg" => Ok(Self::Borg),
            "pgbackrest" => Ok(Self::PgBackRest),
            _ => Err(format!("there is no parser {word:?}: {}", Self::WORDS.join(", "))),
        }
    }
}

/// How a program said that it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Well: whoever pinged said no more.
    Done,
    /// With this exit status.
    Exit(u8),
    /// Badly: whoever pinged said no more.
    Failed,
}

/// What came of it, by that alone.
pub fn outcome(parser: Parser, end: End) -> Outcome {
    match (parser, end) {
        (_, End::Done | End::Exit(0)) => Outcome::Ok,
        // restic: some files could not be read. borg: warnings, also in its newer numbers.
        (Parser::Restic, End::Exit(3)) | (Parser::Borg, End::Exit(1 | 100..=127)) => Outcome::Partial,
        _ => Outcome::Failed,
    }
}

/// Fills in what the output says; `report` comes with its outcome by exit status.
pub fn fill(parser: Parser, output: &str, report: &mut RunReport) {
    match parser {
        Parser::Plain => {}
        Parser::Restic => restic::fill(output, report),
        Parser::Borg => borg::fill(output, report),
        Parser::PgBackRest => pgbackrest::fill(output, report),
    }
    sane(report);
    if report.outcome == Outcome::Failed && report.error.is_none() {
        let last = output.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let last = last.map_or("it said nothing".to_owned(), |line| line.chars().take(500).collect());
        report.error = Some(format!("the backup reported a failure: {last}"));
        report.hint.get_or_insert_with(|| "Read its captured output.".to_owned());
    }
}

/// The output has not what this tool prints when it is done: then it was not.
fn incomplete(report: &mut RunReport, what: &str) {
    if report.outcome != Outcome::Failed {
        report.outcome = Outcome::Failed;
        report.error = Some(format!("it ended well, but {what}"));
        report.hint =
            Some("Look at the options that it is called with, and that its whole output is sent.".to_owned());
    }
}

/// Longer is no backup: the output is not what it seems.
const DURATION_SECS_MAX: f64 = 366.0 * 86_400.0;

/// Numbers that cannot be are not believed: nor is then the rest.
fn sane(report: &mut RunReport) {
    let amounts = [&mut report.files, &mut report.dirs, &mut report.bytes, &mut report.added_bytes];
    let mut wrong = false;
    for amount in amounts.into_iter().filter(|amount| **amount > AMOUNT_MAX) {
        *amount = 0;
        wrong = true;
    }
    if !(0.0..=DURATION_SECS_MAX).contains(&report.duration_secs) {
        report.duration_secs = 0.0;
        wrong = true;
    }
    if wrong {
        incomplete(report, "its output has numbers that cannot be");
    }
}

/// Names what the tool calls the backup that it made: no vault of ours has it.
fn made(report: &mut RunReport, what: &str, name: Option<&Value>) {
    if let Some(name) = name.and_then(Value::as_str) {
        report.notes.push(format!("{what} {}", name.chars().take(200).collect::<String>()));
    }
}

/// Counts a problem, and names the first ones.
fn problem(report: &mut RunReport, text: &str) {
    report.errors += 1;
    if report.problems.len() < NAMED_MAX {
        report.problems.push(text.chars().take(500).collect());
    }
    if report.outcome == Outcome::Ok {
        report.outcome = Outcome::Partial;
    }
}

#[cfg(test)]
mod tests;
