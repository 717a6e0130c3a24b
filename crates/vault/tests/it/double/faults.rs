//! How a store can misbehave. Numbers count down to 0; switches stay.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Default)]
pub(crate) struct Faults {
    /// Locked versions can be deleted.
    pub(crate) ignore_lock: AtomicBool,
    /// Locked versions can be deleted, many with one request.
    pub(crate) ignore_lock_of_many: AtomicBool,
    /// Locks in compliance mode can be turned into ones that can be taken off.
    pub(crate) weaken_lock: AtomicBool,
    /// These credentials see neither lifecycle rules nor the policy.
    pub(crate) hide_settings: AtomicBool,
    /// These credentials can only read: they store, lock and remove nothing, and see no settings.
    pub(crate) read_only: AtomicBool,
    /// Nor other versions than the newest.
    pub(crate) hide_versions: AtomicBool,
    /// Locks are accepted and forgotten.
    pub(crate) forget_lock: AtomicBool,
    /// Locks can be made shorter.
    pub(crate) shorten_lock: AtomicBool,
    /// What is there is created again.
    pub(crate) ignore_create_only: AtomicBool,
    /// A delete marker is not said to be the reason.
    pub(crate) silent_markers: AtomicBool,
    /// The credentials can delete nothing.
    pub(crate) refuse_deletes: AtomicBool,
    /// What is stored is something else.
    pub(crate) garble: AtomicBool,
    /// After so many listings one leaves a page out.
    pub(crate) lose_page: AtomicUsize,
    /// The listing ends early, and says nothing of it, after so many.
    pub(crate) empty_end: AtomicUsize,
    /// So many listings are an error that comes with status 200.
    pub(crate) error_in_200: AtomicUsize,
    /// Listings go on at the same place.
    pub(crate) repeat_token: AtomicBool,
    /// Listings go on, and nobody says where.
    pub(crate) no_token: AtomicBool,
    /// Locks cannot be set.
    pub(crate) refuse_locks: AtomicBool,
    /// So many requests pass before the faults that follow begin.
    pub(crate) pass: AtomicUsize,
    /// So many requests are answered with 503.
    pub(crate) slow_down: AtomicUsize,
    /// So many requests are answered with 500.
    pub(crate) internal_error: AtomicUsize,
    /// So many answers are cut off in their body.
    pub(crate) cut: AtomicUsize,
    /// So many connections are closed before the answer, without having done anything.
    pub(crate) hang_up: AtomicUsize,
    /// So many PUTs are done, and their answer is lost.
    pub(crate) lose_answer: AtomicUsize,
    /// So many PUTs are refused with 409, as when two come at once.
    pub(crate) conflict: AtomicUsize,
    /// Each answer takes so many milliseconds.
    pub(crate) slow_ms: AtomicUsize,
}

impl Faults {
    pub(crate) fn on(switch: &AtomicBool) -> bool {
        switch.load(Ordering::SeqCst)
    }

    /// Whether it is this one's turn.
    pub(crate) fn counts_down(number: &AtomicUsize) -> bool {
        number.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    /// Whether it has just come to an end.
    pub(crate) fn is_due(number: &AtomicUsize) -> bool {
        Self::counts_down(number) && number.load(Ordering::SeqCst) == 0
    }
}
