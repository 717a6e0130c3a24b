//! Carrying reports from the spool to the console.

use crate::spool::{Spool, SpoolError, Stored};
use std::time::Duration;
use vow_protocol::client::{ConsoleError, RemoteConsole};
use vow_protocol::report::Report;

/// Somebody who takes reports: a console.
pub trait Reporter {
    /// Sends one; returns when it is stored there.
    ///
    /// # Errors
    /// Why it was not taken.
    fn report(&self, report: &Report) -> Result<(), ConsoleError>;
}

impl Reporter for RemoteConsole {
    fn report(&self, report: &Report) -> Result<(), ConsoleError> {
        Self::report(self, report)
    }
}

/// What became of the reports that waited.
#[derive(Debug, Default)]
pub struct Delivery {
    /// How many the console has stored.
    pub sent: u64,
    /// What it refused for good; those are put aside.
    pub refused: Vec<String>,
    /// How many still wait.
    pub waiting: u64,
    /// Why, when that is not because somebody else sends them just now.
    pub error: Option<String>,
}

/// Sends what waits, oldest first, until nothing is left, the console does not answer, or `stop` says so.
///
/// # Errors
/// When the spool cannot be read.
pub fn deliver(
    spool: &Spool,
    console: &dyn Reporter,
    stop: &dyn Fn() -> bool,
) -> Result<Delivery, SpoolError> {
    let mut delivery = Delivery::default();
    if let Some(_lock) = spool.lock()? {
        for waiting in spool.waiting()? {
            if stop() {
                break;
            }
            let said = match spool.read(&waiting)? {
                None => continue,
                Some(Stored::Damaged) => {
                    spool.refused(&waiting);
                    delivery.refused.push("a report that waited is damaged".to_owned());
                    continue;
                }
                Some(Stored::Whole(report)) => console.report(&report),
            };
            match said {
                Ok(()) => {
                    spool.taken(&waiting);
                    delivery.sent += 1;
                }
                Err(error @ ConsoleError::Refused { .. }) => {
                    spool.refused(&waiting);
                    delivery.refused.push(error.to_string());
                }
                Err(error) => {
                    delivery.error = Some(error.to_string());
                    break;
                }
            }
        }
    }
    delivery.waiting = spool.waiting()?.len() as u64;
    Ok(delivery)
}

/// How long to wait before the console is asked again.
#[derive(Debug, Clone)]
pub struct Backoff {
    failures: u32,
}

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

impl Backoff {
    /// Nothing has failed yet.
    pub fn new() -> Self {
        Self { failures: 0 }
    }

    /// It answered.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// It did not. `random` is from 0 to 1: a console that comes back is not met by all hosts at once.
    pub fn next(&mut self, random: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporting::report;
    use std::cell::RefCell;
    use vow_protocol::report::Body;

    /// Answers as it is told, and keeps what it took.
    struct Double {
        answers: RefCell<Vec<Result<(), ConsoleError>>>,
        took: RefCell<Vec<Report>>,
    }

    impl Reporter for Double {
        fn report(&self, report: &Report) -> Result<(), ConsoleError> {
            let mut answers = self.answers.borrow_mut();
            let answer = if answers.is_empty() { Ok(()) } else { answers.remove(0) };
            if answer.is_ok() {
                self.took.borrow_mut().push(report.clone());
            }
            answer
        }
    }

    fn double(answers: Vec<Result<(), ConsoleError>>) -> Double {
        Double { answers: RefCell::new(answers), took: RefCell::default() }
    }

    fn with_reports(number: i64) -> (tempfile::TempDir, Spool) {
        let state = tempfile::tempdir().expect("a folder");
        let spool = Spool::new(state.path());
        for at in 0..number {
            let body = Body::Proof(Box::new(serde_json::from_value(proof()).expect("a proof")));
            let made = Report { made_secs: at, ..report("acme", "web-1", body).expect("randomness") };
            spool.put(&made).expect("kept");
        }
        (state, spool)
    }

    fn proof() -> serde_json::Value {
        serde_json::json!({
            "source": "a", "source_type": "files", "snapshot": "", "received_secs": 0, "level": "local", "recipient": "",
            "started_secs": 0, "restore_secs": 0.0, "compare_secs": 0.0, "verdict": "proven", "compared": 1, "files": 1,
            "files_read": 1, "bytes": 1,
        })
    }

    fn away() -> ConsoleError {
        ConsoleError::Away { place: "x".into(), reason: "no".into() }
    }

    #[test]
    fn reports_are_sent_in_order_and_kept_until_they_are_taken() {
        let (_state, spool) = with_reports(3);
        let console = double(vec![Ok(()), Err(away())]);
        let delivery = deliver(&spool, &console, &|| false).expect("sent");
        assert_eq!((delivery.sent, delivery.waiting), (1, 2));
        assert!(delivery.error.is_some());
        let delivery = deliver(&spool, &console, &|| false).expect("sent");
        assert_eq!((delivery.sent, delivery.waiting, delivery.error), (2, 0, None));
        let took: Vec<_> = console.took.borrow().iter().map(|report| report.made_secs).collect();
        assert_eq!(took, [0, 1, 2]);
    }

    #[test]
    fn what_is_refused_for_good_holds_nothing_up() {
        let (state, spool) = with_reports(3);
        let refused = ConsoleError::Refused { place: "x".into(), reason: "from the future".into() };
        let console = double(vec![Ok(()), Err(refused)]);
        let delivery = deliver(&spool, &console, &|| false).expect("sent");
        assert_eq!((delivery.sent, delivery.waiting, delivery.refused.len()), (2, 0, 1));
        assert_eq!(std::fs::read_dir(state.path().join("reports/refused")).expect("put aside").count(), 1);
    }

    #[test]
    fn stopping_and_another_sender_leave_everything_where_it_is() {
        let (_state, spool) = with_reports(2);
        let console = double(Vec::new());
        assert_eq!(deliver(&spool, &console, &|| true).expect("nothing").waiting, 2);
        let _lock = spool.lock().expect("no error").expect("free");
        let delivery = deliver(&spool, &console, &|| false).expect("nothing");
        assert_eq!((delivery.sent, delivery.waiting, delivery.error), (0, 2, None));
    }

    #[test]
    fn pauses_grow_to_a_bound_and_are_spread() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..12).map(|_| backoff.next(1.0)).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((pauses[0], pauses[11]), (FIRST, LONGEST));
        backoff.reset();
        assert_eq!(backoff.next(0.0), FIRST / 2);
    }
}
