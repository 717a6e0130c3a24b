//! Results of other tools' backups, as pure parsers: what they print fills in the report of a run, so that hosts which were not yet
//! moved are judged beside the others.
//!
//! A parser never makes a failure better: it is what the exit status says, or worse.

mod borg;
mod pgbackrest;
mod restic;

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

impl Parser {
    /// The words, as a ping is made with.
    pub const WORDS: [&str; 4] = ["plain", "restic", "borg", "pgbackrest"];
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

/// How a program ended, by its exit status. `None` is a ping that only said "done".
pub fn outcome(parser: Parser, exit: Option<u8>) -> Outcome {
    match (parser, exit) {
        (_, None | Some(0)) => Outcome::Ok,
        // restic: some files could not be read. borg: warnings.
        (Parser::Restic, Some(3)) | (Parser::Borg, Some(1)) => Outcome::Partial,
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
