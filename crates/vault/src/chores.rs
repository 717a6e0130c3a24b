//! What a serving vault does by itself: sweep, scrub, replicate, probe. When each is due is a pure rule; one thread does them one after the other.
//!
//! A chore that fails is done again sooner than one that succeeded, and its failure is kept until it succeeds: nobody reads logs.

pub mod duties;
mod progress;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vow_base::clock::{Clock, Nanos};

/// A chore that failed is tried again after this, or after its own pause when that is shorter.
const RETRY: Duration = Duration::from_secs(3600);
/// How often the thread looks whether something is due, or whether it is to stop.
const LOOK: Duration = Duration::from_millis(500);

/// What a chore says when it is done: a sentence, or why it failed.
pub type Said = Result<String, String>;

/// Something to be done again and again.
pub struct Chore {
    /// Its name, for people and metrics.
    pub name: String,
    /// How long after the last time it is due.
    pub every: Duration,
    /// When it was done the last time, as far as the vault knows.
    pub last: Option<Nanos>,
    /// What came of it then, where that is known.
    pub said: Option<Said>,
    /// Does it. It looks at the flag now and then, and stops when it is set.
    pub work: Box<dyn FnMut(&AtomicBool) -> Said + Send>,
}

/// How a chore stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// How long after the last time it is due, in seconds.
    pub every_secs: u64,
    /// When it was done the last time, well or not, by the vault's clock.
    pub last: Option<Nanos>,
    /// When it succeeded the last time.
    pub last_good: Option<Nanos>,
    /// Since when it has not succeeded any more.
    pub failing_since: Option<Nanos>,
    /// What it said the last time: a sentence, or why it failed.
    pub said: Option<Said>,
}

/// The chores of one vault.
pub struct Chores {
    chores: Mutex<Vec<Chore>>,
    standing: Mutex<Vec<Standing>>,
}

impl Chores {
    /// These chores, none of them begun.
    pub fn new(chores: Vec<Chore>) -> Self {
        let standing = chores.iter().map(|chore| Standing {
            name: chore.name.clone(),
            every_secs: chore.every.as_secs(),
            last: chore.last,
            last_good: chore.last.filter(|_| !matches!(chore.said, Some(Err(_)))),
            failing_since: chore.last.filter(|_| matches!(chore.said, Some(Err(_)))),
            said: chore.said.clone(),
        });
        Self { standing: Mutex::new(standing.collect()), chores: Mutex::new(chores) }
    }

    /// How they stand.
    pub fn standing(&self) -> Vec<Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does them when they are due, until `stop` is set. `log` hears of each that was done.
    pub fn run(&self, clock: &dyn Clock, stop: &AtomicBool, log: &dyn Fn(&Standing)) {
        while !stop.load(Ordering::Relaxed) {
            if !self.do_one(clock, stop, log) {
                std::thread::sleep(LOOK);
            }
        }
    }

    /// Does the chore that is due the longest; whether there was one.
    pub fn do_one(&self, clock: &dyn Clock, stop: &AtomicBool, log: &dyn Fn(&Standing)) -> bool {
        let standing = self.standing();
        let now = clock.now();
        let due = standing.iter().enumerate().filter_map(|(at, chore)| Some((overdue(chore, now)?, at)));
        let Some((_, at)) = due.max_by_key(|(by, at)| (*by, std::cmp::Reverse(*at))) else { return false };
        let mut chores = self.chores.lock().unwrap_or_else(PoisonError::into_inner);
        let work = std::panic::AssertUnwindSafe(|| (chores[at].work)(stop));
        // One chore that panics must not end the others for good, and must not go unnoticed.
        let said = std::panic::catch_unwind(work).unwrap_or_else(|_| Err("it panicked; see the log".into()));
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let chore = &mut standing[at];
        let now = clock.now();
        chore.last = Some(now);
        if said.is_ok() {
            (chore.last_good, chore.failing_since) = (Some(now), None);
        } else {
            chore.failing_since.get_or_insert(now);
        }
        chore.said = Some(said);
        let chore = chore.clone();
        drop(standing);
        log(&chore);
        true
    }
}

/// By how much a chore is overdue; `None` when it is not due yet. One that was never done is due at once; one whose last time lies in the future is due too,
/// since the clock was wrong then or is now, and doing it again harms nothing.
fn overdue(chore: &Standing, now: Nanos) -> Option<Nanos> {
    let Some(last) = chore.last else { return Some(Nanos::MAX) };
    let failed = matches!(chore.said, Some(Err(_)));
    let every = Duration::from_secs(chore.every_secs);
    let pause = if failed { every.min(RETRY) } else { every };
    let pause = Nanos::try_from(pause.as_nanos()).unwrap_or(Nanos::MAX);
    if last > now {
        return Some(0);
    }
    let over = now.saturating_sub(last).saturating_sub(pause);
    (over >= 0).then_some(over)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    const HOUR: Nanos = 3600 * 1_000_000_000;

    #[derive(Default, Clone)]
    struct Hands(Arc<AtomicI64>);

    impl Clock for Hands {
        fn now(&self) -> Nanos {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn chore(name: &str, hours: u64, work: impl FnMut(&AtomicBool) -> Said + Send + 'static) -> Chore {
        let every = Duration::from_secs(hours * 3600);
        Chore { name: name.into(), every, last: None, said: None, work: Box::new(work) }
    }

    /// The names of what was done, hour by hour.
    fn day(chores: &Chores, clock: &Hands, hours: i64) -> Vec<String> {
        let done = Mutex::new(Vec::new());
        let began = clock.now();
        for hour in 0..hours {
            clock.0.store(began + hour * HOUR, Ordering::Relaxed);
            let log = |standing: &Standing| {
                done.lock().expect("one thread").push(format!("{hour} {}", standing.name));
            };
            while chores.do_one(clock, &AtomicBool::new(false), &log) {}
        }
        done.into_inner().expect("one thread")
    }

    #[test]
    fn each_is_done_when_it_is_due_and_not_before() {
        let chores = Chores::new(vec![
            chore("sweep", 4, |_| Ok("fine".into())),
            chore("replicate", 2, |_| Ok("fine".into())),
        ]);
        let done = day(&chores, &Hands::default(), 9);
        let expected = "0 sweep,0 replicate,2 replicate,4 sweep,4 replicate,6 replicate,8 sweep,8 replicate";
        assert_eq!(done.join(","), expected);
    }

    #[test]
    fn a_failure_is_tried_again_within_the_hour_and_stands_until_it_succeeds() {
        let mut left = 2;
        let chores = Chores::new(vec![chore("scrub", 24, move |_| {
            left -= 1;
            if left >= 0 { Err("the disk is gone".into()) } else { Ok("read everything".into()) }
        })]);
        let clock = Hands::default();
        assert_eq!(day(&chores, &clock, 2).join(","), "0 scrub,1 scrub");
        assert_eq!(chores.standing()[0].said, Some(Err("the disk is gone".into())));
        assert_eq!(chores.standing()[0].last_good, None);
        assert_eq!(chores.standing()[0].failing_since, Some(0));
        clock.0.store(2 * HOUR, Ordering::Relaxed);
        assert_eq!(day(&chores, &clock, 20).join(","), "0 scrub");
        assert_eq!(chores.standing()[0].last_good, Some(2 * HOUR));
        assert_eq!(chores.standing()[0].failing_since, None);
    }

    #[test]
    fn one_that_panics_stops_nobody() {
        let chores = Chores::new(vec![
            chore("bad", 1, |_| panic!("on purpose")),
            chore("good", 1, |_| Ok(String::new())),
        ]);
        assert_eq!(day(&chores, &Hands::default(), 2).len(), 4);
        assert!(matches!(&chores.standing()[0].said, Some(Err(text)) if text.contains("panicked")));
    }

    #[test]
    fn a_start_does_not_repeat_what_was_done_lately_and_a_wrong_clock_delays_nothing() {
        let clock = Hands::default();
        clock.0.store(10 * HOUR, Ordering::Relaxed);
        let mut lately = chore("sweep", 4, |_| Ok(String::new()));
        lately.last = Some(9 * HOUR);
        let mut future = chore("scrub", 4, |_| Ok(String::new()));
        future.last = Some(900 * HOUR);
        assert_eq!(day(&Chores::new(vec![lately, future]), &clock, 4).join(","), "0 scrub,3 sweep");
    }
}
