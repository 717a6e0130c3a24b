//! Pauses and bounds, with time that only passes when somebody sleeps.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::sync::Mutex;

#[derive(Default)]
struct Fake {
    now: Mutex<Duration>,
    random: f64,
    slept: Mutex<Vec<Duration>>,
    cancelled: AtomicBool,
}

impl Timing for Fake {
    fn now(&self) -> Duration {
        *self.now.lock().expect("one thread")
    }

    fn sleep(&self, pause: Duration) {
        *self.now.lock().expect("one thread") += pause;
        self.slept.lock().expect("one thread").push(pause);
    }

    fn random(&self) -> f64 {
        self.random
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

fn seconds(fake: &Fake) -> Vec<f64> {
    fake.slept.lock().expect("one thread").iter().map(Duration::as_secs_f64).collect()
}

/// How many tries were made of something that always fails so.
fn tries(retry: &Retry, fake: &Fake, verdict: Verdict) -> usize {
    let tried = RefCell::new(0);
    let result = run(
        retry,
        fake,
        |()| verdict,
        || -> Result<(), ()> {
            *tried.borrow_mut() += 1;
            Err(())
        },
    );
    assert_eq!(result, Err(()));
    tried.into_inner()
}

#[test]
fn pauses_double_up_to_the_longest() {
    let fake = Fake { random: 1.0, ..Fake::default() };
    assert_eq!(tries(&Retry::default(), &fake, Verdict::Passing(None)), 12);
    assert_eq!(seconds(&fake), [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]);
    let lucky = Fake::default();
    assert_eq!(tries(&Retry::default(), &lucky, Verdict::Passing(None)), 12);
    assert_eq!(lucky.now(), Duration::ZERO);
}

#[test]
fn the_total_time_is_a_bound_too() {
    let fake = Fake { random: 1.0, ..Fake::default() };
    let retry = Retry { tries: u32::MAX, ..Retry::default() };
    tries(&retry, &fake, Verdict::Passing(None));
    assert!(fake.now() <= retry.total && fake.now() > retry.total / 2);
}

#[test]
fn what_fails_for_good_is_tried_once() {
    let fake = Fake::default();
    assert_eq!(tries(&Retry::default(), &fake, Verdict::Final), 1);
    assert_eq!(tries(&Retry::default(), &fake, Verdict::Stubborn(None)), 3);
}

#[test]
fn the_vault_decides_on_the_pause_within_bounds() {
    let fake = Fake { random: 0.5, ..Fake::default() };
    let retry = Retry { tries: 2, ..Retry::default() };
    tries(&retry, &fake, Verdict::Passing(Some(Duration::from_secs(30))));
    tries(&retry, &fake, Verdict::Passing(Some(Duration::from_secs(500))));
    assert_eq!(seconds(&fake), [30.25, 120.25]);
    // One that says that it will not be before everybody has given up is believed at once, as with a quota that is used up.
    let after = Some(Duration::from_secs(3600));
    for verdict in [Verdict::Passing(after), Verdict::Stubborn(after)] {
        let patient = Fake::default();
        assert_eq!(tries(&Retry::default(), &patient, verdict), 1);
        assert_eq!(patient.now(), Duration::ZERO);
    }
    // A full disk is not waited for as long as a vault that is busy.
    for (secs, tried) in [(10, 3), (300, 1)] {
        let full = Fake::default();
        assert_eq!(
            tries(&Retry::default(), &full, Verdict::Stubborn(Some(Duration::from_secs(secs)))),
            tried
        );
        assert!(full.now() < Duration::from_secs(60));
    }
    // A pause that would end after the total time is not begun.
    let brief = Fake::default();
    let retry = Retry { total: Duration::from_secs(10), ..Retry::default() };
    assert_eq!(tries(&retry, &brief, Verdict::Passing(Some(Duration::from_secs(30)))), 1);
    assert_eq!(brief.now(), Duration::ZERO);
}

#[test]
fn nobody_waits_for_what_was_cancelled() {
    let fake = Fake::default();
    fake.cancelled.store(true, Ordering::Relaxed);
    assert_eq!(tries(&Retry::default(), &fake, Verdict::Passing(None)), 1);
    let cancelled = Arc::new(AtomicBool::new(true));
    let start = Instant::now();
    RealTiming::new(cancelled).sleep(Duration::from_mins(1));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn success_after_failures_is_success() {
    let fake = Fake::default();
    let mut left = 5;
    let result = run(
        &Retry::default(),
        &fake,
        |()| Verdict::Passing(None),
        || {
            left -= 1;
            if left == 0 { Ok(7) } else { Err(()) }
        },
    );
    assert_eq!(result, Ok(7));
}

proptest! {
    #[test]
    fn every_history_ends_within_the_bounds(
        verdicts in prop::collection::vec((0u8..3, prop::option::of(0u64..100_000)), 1..20), random in 0.0..=1.0,
    ) {
        let fake = Fake { random, ..Fake::default() };
        let retry = Retry::default();
        let mut tried = 0;
        let result = run(&retry, &fake, |at: &usize| {
            let (kind, after) = verdicts[at % verdicts.len()];
            let after = after.map(Duration::from_millis);
            match kind {
                0 => Verdict::Passing(after),
                1 => Verdict::Stubborn(after),
                _ => Verdict::Final,
            }
        }, || -> Result<(), usize> {
            tried += 1;
            Err(tried - 1)
        });
        prop_assert!(result.is_err());
        prop_assert!(tried <= retry.tries as usize && fake.now() <= retry.total);
    }
}
