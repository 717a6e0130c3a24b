//! What the plan wants to know of a database that came back: a query, and what it must answer. Pure.
//!
//! Adapters ask in a session that can only read, and cut off what takes too long.

use crate::adapter::Proof;
use std::fmt;
use std::time::Duration;

/// One question may take this long.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(300);
/// A query is quoted to this many characters.
const QUOTED_CHARS: usize = 200;

/// A query and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The database it is asked of; without one, the only one there is. Of SQLite the path.
    pub database: Option<String>,
    /// A query that answers with one value.
    pub sql: String,
    /// What must be answered.
    pub wanted: Wanted,
}

/// What must be answered. Whole numbers, because plans are compared with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Something that is true: `true`, `t`, or a number that is not 0.
    True,
    /// This text.
    Equals(String),
    /// A number within these bounds, both included.
    Between(Option<i64>, Option<i64>),
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows of values; a null is `None`.
    Rows(Vec<Vec<Option<String>>>),
    /// The server refused it, with its words.
    Refused(String),
    /// It took too long.
    Late,
}

/// Why it is not known of which database a question is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDatabase {
    /// It names one that the snapshot does not have.
    Absent(String),
    /// It names none, and there are several or none.
    Unsaid(usize),
}

impl Question {
    /// The database that is meant, by its place among these.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn among(&self, databases: &[&str]) -> Result<usize, NoDatabase> {
        match &self.database {
            Some(name) => databases
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| NoDatabase::Absent(name.clone())),
            None if databases.len() == 1 => Ok(0),
            None => Err(NoDatabase::Unsaid(databases.len())),
        }
    }

    /// What is wrong with an answer, if anything is.
    fn judge(&self, rows: &[Vec<Option<String>>]) -> Result<(), String> {
        let value = match rows {
            [row] if row.len() == 1 => row[0].as_deref(),
            [row] => return Err(format!("answered with {} values, and should with one", row.len())),
            rows => return Err(format!("answered with {} rows, and should with one", rows.len())),
        };
        let is = |met: bool, wanted: fmt::Arguments<'_>| match met {
            true => Ok(()),
            false => Err(format!("gave {}, and should give {wanted}", value.map_or("null".into(), short))),
        };
        match &self.wanted {
            Wanted::True => is(value.is_some_and(is_true), format_args!("true")),
            Wanted::Equals(text) => is(value == Some(text), format_args!("{text:?}")),
            Wanted::Between(least, most) => {
                let number = value.and_then(|value| value.trim().parse::<f64>().ok());
                let met = number.is_some_and(|number| {
                    least.is_none_or(|least| number >= least as f64)
                        && most.is_none_or(|most| number <= most as f64)
                });
                match (least, most) {
                    (Some(least), Some(most)) => is(met, format_args!("{least} to {most}")),
                    (Some(least), None) => is(met, format_args!("{least} or more")),
                    (None, most) => is(met, format_args!("{} or less", most.unwrap_or_default())),
                }
            }
        }
    }
}

/// As it is named in a problem.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the query {:?}", short(&self.sql))
    }
}

impl Proof {
    /// Takes in what came of a question.
    pub fn answered(&mut self, question: &Question, database: &str, answer: &Answer) {
        match answer {
            Answer::Rows(rows) => match question.judge(rows) {
                Ok(()) => self.compared += 1,
                Err(why) => self.problems.push(format!("expected: {database}: {question} {why}")),
            },
            Answer::Refused(said) => {
                self.problems.push(format!("expected: {database}: {question} failed: {said}"))
            }
            Answer::Late => self.blocked.push(format!(
                "{database}: {question} took more than {} s and was cut off",
                ANSWER_WITHIN.as_secs()
            )),
        }
    }

    /// Takes in that a question could not be asked.
    pub fn unasked(&mut self, question: &Question, why: &NoDatabase) {
        match why {
            NoDatabase::Absent(name) => {
                self.problems.push(format!(
                    "expected: {question} is for the database {name:?}, which is not in the snapshot"
                ));
            }
            NoDatabase::Unsaid(count) => self.blocked.push(format!(
                "{question} names no database, and the snapshot has {count}: say which in the plan"
            )),
        }
    }
}

fn is_true(value: &str) -> bool {
    let value = value.trim();
    ["true", "t", "yes", "on"].iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.parse::<f64>().is_ok_and(|number| number != 0.0 && !number.is_nan())
}

fn short(text: &str) -> String {
    let text = crate::process::one_line(text);
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(wanted: Wanted) -> Question {
        Question { database: None, sql: "SELECT x".into(), wanted }
    }

    fn one(value: &str) -> Vec<Vec<Option<String>>> {
        vec![vec![Some(value.to_owned())]]
    }

    #[test]
    fn only_one_value_that_is_wanted_is_good() {
        for good in ["true", "t", "1", "-2.5", "TRUE"] {
            assert_eq!(question(Wanted::True).judge(&one(good)), Ok(()), "{good}");
        }
        for bad in ["false", "f", "0", "0.0", "", "NaN", "something"] {
            assert!(question(Wanted::True).judge(&one(bad)).is_err(), "{bad}");
        }
        for rows in [vec![], vec![vec![None]], vec![vec![]], [one("1"), one("1")].concat()] {
            assert!(question(Wanted::True).judge(&rows).is_err(), "{rows:?}");
        }
        assert_eq!(question(Wanted::Equals("5".into())).judge(&one("5")), Ok(()));
        let said = question(Wanted::Equals("5".into())).judge(&one("6")).expect_err("another");
        assert_eq!(said, "gave 6, and should give \"5\"");
        let between = question(Wanted::Between(Some(2), Some(4)));
        assert!(["2", "3.5", "4"].iter().all(|value| between.judge(&one(value)).is_ok()));
        assert!(["1.9", "5", "x", ""].iter().all(|value| between.judge(&one(value)).is_err()));
    }

    #[test]
    fn a_question_finds_its_database_or_says_why_not() {
        let mut asked = question(Wanted::True);
        assert_eq!(asked.among(&["a"]), Ok(0));
        assert_eq!(asked.among(&["a", "b"]), Err(NoDatabase::Unsaid(2)));
        asked.database = Some("b".into());
        assert_eq!(asked.among(&["a", "b"]), Ok(1));
        assert_eq!(asked.among(&["a"]), Err(NoDatabase::Absent("b".into())));
    }
}
