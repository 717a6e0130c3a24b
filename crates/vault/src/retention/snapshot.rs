//! What retention needs to know of a snapshot.

use super::term::Term;
use vow_base::clock::Nanos;
use vow_base::manifest::Status;
use vow_base::{HostId, ObjectId};

/// A snapshot as the vault sees it. Nothing of it is from the host's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The id of its manifest.
    pub manifest: ObjectId,
    /// Whose it is.
    pub host: HostId,
    /// The tenant that the host joined for; never what a manifest says of itself.
    pub tenant: String,
    /// Of which source.
    pub source: String,
    /// Its place in the vault's ledger: the order of snapshots, whatever clocks say.
    pub position: u64,
    /// The host's own number of it.
    pub sequence: u64,
    /// Received, by the vault's clock.
    pub received: Nanos,
    /// Whole or partial.
    pub status: Status,
    /// Regular files in it, as the host counted.
    pub files: u64,
    /// Bytes of their content, as the host counted.
    pub bytes: u64,
    /// What was said about it.
    pub marks: Marks,
    /// It expired earlier. It is remembered, because later ones were judged by it.
    pub gone: bool,
}

/// What people and drills said about a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Kept because a person wants it.
    pub pin: Hold,
    /// Kept because somebody must: a dispute, an investigation.
    pub hold: Hold,
    /// When it was last restored and found right.
    pub proven: Option<Nanos>,
    /// When it was last found wrong.
    pub doubted: Option<Nanos>,
    /// When a drill host last said from afar that it was restored and found right. It keeps, and does nothing else.
    pub attested: Option<Nanos>,
}

/// A pin or a hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hold {
    /// There never was one.
    #[default]
    None,
    /// It is in place.
    On,
    /// It was released, at this time.
    Released(Nanos),
}

impl Hold {
    /// Whether it keeps at `now`; a release counts after `delay`. With the time it ends, when it does.
    pub(super) fn keeps(self, now: Nanos, delay: Term) -> Option<Option<Nanos>> {
        match self {
            Self::None => None,
            Self::On => Some(None),
            Self::Released(at) => {
                let until = delay.after(at);
                (now < until).then_some(Some(until))
            }
        }
    }
}

impl Marks {
    /// Found wrong, and not right since.
    pub fn is_doubted(&self) -> bool {
        self.doubted > self.proven
    }
}

impl Snapshot {
    /// Neither files nor bytes.
    pub(super) fn is_empty(&self) -> bool {
        self.files == 0 && self.bytes == 0
    }
}

/// Times that a wrong clock gave, as right as they can be known from the order of the ledger.
///
/// Takes the entries of a ledger in its order: their times, and whether a person confirmed the clock there. What came before a
/// confirmed time cannot have been later than it; what came after an entry cannot have been earlier. So a clock that was ten
/// years ahead for a day locks nothing for ten years, and one that was ten years behind makes no snapshot look old. Of several
/// confirmations the latest time holds: a person who confirms a clock that is behind unlocks nothing by that.
pub fn settle_times(entries: &[(Nanos, bool)]) -> Vec<Nanos> {
    let mut times: Vec<Nanos> = Vec::with_capacity(entries.len());
    let mut latest: Option<Nanos> = None;
    for &(time, confirmed) in entries.iter().rev() {
        if confirmed {
            latest = latest.max(Some(time));
        }
        times.push(latest.map_or(time, |latest| time.min(latest)));
    }
    times.reverse();
    never_back(times.iter_mut());
    times
}

/// No time before the one before it.
pub(super) fn never_back<'t>(times: impl Iterator<Item = &'t mut Nanos>) {
    let mut before = Nanos::MIN;
    for time in times {
        before = before.max(*time);
        *time = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_that_jumped_is_set_right_by_the_order_of_the_ledger() {
        // Ahead for two entries, then confirmed at 12.
        let times = settle_times(&[(10, false), (1000, false), (1001, false), (12, true), (13, false)]);
        assert_eq!(times, [10, 12, 12, 12, 13]);
        // Behind for two entries.
        assert_eq!(settle_times(&[(10, false), (0, false), (1, false), (12, true)]), [10, 10, 10, 12]);
        // Ahead and not yet confirmed: what comes later is not taken for earlier.
        assert_eq!(settle_times(&[(10, false), (1000, false), (12, false)]), [10, 1000, 1000]);
        // Behind, and confirmed by mistake, then set right: the first one is not 1 old.
        assert_eq!(settle_times(&[(10, false), (1, true), (12, true)]), [10, 10, 12]);
        assert!(settle_times(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn settled_times_never_run_back_and_right_ones_stay(times in prop::collection::vec((0i64..50, any::<bool>()), 0..30)) {
            let settled = settle_times(&times);
            prop_assert!(settled.is_sorted());
            let mut right = times.clone();
            right.sort_unstable();
            let expected: Vec<_> = right.iter().map(|(time, _)| *time).collect();
            prop_assert_eq!(settle_times(&right), expected);
        }
    }

    #[test]
    fn a_doubt_ends_with_a_later_proof() {
        let marks = |doubted, proven| Marks { doubted, proven, ..Marks::default() };
        assert!(!marks(None, None).is_doubted());
        assert!(marks(Some(1), None).is_doubted());
        assert!(marks(Some(2), Some(1)).is_doubted());
        assert!(!marks(Some(1), Some(2)).is_doubted());
        assert!(!marks(Some(1), Some(1)).is_doubted(), "in one entry, the proof is what a drill found");
    }

    #[test]
    fn a_release_counts_after_the_delay() {
        let (day, delay) = (Term::days(1).nanos(), Term::days(7));
        assert_eq!(Hold::None.keeps(0, delay), None);
        assert_eq!(Hold::On.keeps(i64::MAX, delay), Some(None));
        assert_eq!(Hold::Released(day).keeps(8 * day - 1, delay), Some(Some(8 * day)));
        assert_eq!(Hold::Released(day).keeps(8 * day, delay), None);
    }
}
