//! Why a snapshot is kept, and why it expires, in words for a tired person.

use super::healthy::Uncounted;
use super::slots::{Period, Slot, stamp};
use super::term::Term;
use std::fmt;
use vow_base::ObjectId;
use vow_base::clock::Nanos;

/// Why a snapshot is kept. One is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// A person wants it; until a release counts.
    Pinned(Option<Nanos>),
    /// Somebody must keep it; until a release counts.
    Held(Option<Nanos>),
    /// The last one of its source that was restored and found right.
    LastProven,
    /// The last one of its source that a drill host attested from afar.
    LastAttested,
    /// The newest of its source, counted or not.
    Newest,
    /// The newest of its source that counts.
    NewestCounted,
    /// The newest of its host, counted or not.
    NewestOfHost,
    /// It does not count, but nothing that counts came after it.
    NothingBetterSince,
    /// It is too young to go, whatever it is.
    Locked(Nanos),
    /// It counts and is younger than `keep_within`; until then.
    Within(Term, Nanos),
    /// One of so many newest that count.
    Last(u32),
    /// The first in a slot that is one of so many newest.
    First(Slot, Period, u32),
    /// The newest that counts, in a slot that has another first.
    NewestIn(Slot, Period),
}

/// Why nothing keeps a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expire {
    /// It does not count, and this one after it does.
    Uncounted(Uncounted, ObjectId),
    /// So many newer ones count.
    NotLast(u32),
    /// It is older than `keep_within`.
    NotWithin(Term),
    /// Another one is the first in its slot.
    NotFirst(Period, ObjectId),
    /// Its slot is older than so many newest.
    PastSlot(Period, u32),
}

impl Keep {
    /// One word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pinned(_) => "pinned",
            Self::Held(_) => "held",
            Self::LastProven => "last-proven",
            Self::LastAttested => "last-attested",
            Self::Newest => "newest",
            Self::NewestCounted => "newest-counted",
            Self::NewestOfHost => "newest-of-host",
            Self::NothingBetterSince => "nothing-better-since",
            Self::Locked(_) => "locked",
            Self::Within(..) => "within",
            Self::Last(_) => "last",
            Self::First(_, period, _) | Self::NewestIn(_, period) => period.word(),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(None) => f.write_str("pinned"),
            Self::Pinned(Some(until)) => write!(f, "pin released, but holds until {}", stamp(*until)),
            Self::Held(None) => f.write_str("on hold"),
            Self::Held(Some(until)) => write!(f, "hold released, but holds until {}", stamp(*until)),
            Self::LastProven => f.write_str("last proven"),
            Self::LastAttested => f.write_str("last proven by a drill host"),
            Self::Newest => f.write_str("newest of its source"),
            Self::NewestCounted => f.write_str("newest good one"),
            Self::NewestOfHost => f.write_str("newest of its host"),
            Self::NothingBetterSince => f.write_str("no good one since"),
            Self::Locked(until) => write!(f, "locked until {}", stamp(*until)),
            Self::Within(term, until) => write!(f, "younger than {term}, until {}", stamp(*until)),
            Self::Last(1) => f.write_str("last good one"),
            Self::Last(count) => write!(f, "one of the last {count}"),
            Self::First(slot, period, count) => {
                write!(f, "first of {} {slot} (last {count} {}s)", period.word(), period.word())
            }
            Self::NewestIn(slot, period) => write!(f, "newest of {} {slot}", period.word()),
        }
    }
}

impl Expire {
    /// One word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Uncounted(why, _) => why.word(),
            Self::NotLast(_) => "not-last",
            Self::NotWithin(_) => "not-within",
            Self::NotFirst(period, _) | Self::PastSlot(period, _) => period.word(),
        }
    }
}

impl fmt::Display for Expire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncounted(why, later) => {
                write!(f, "does not count: {why}; its lock ended, and {} is good and later", later.short())
            }
            Self::NotLast(1) => f.write_str("a good one is newer"),
            Self::NotLast(count) => write!(f, "{count} good ones are newer"),
            Self::NotWithin(term) => write!(f, "older than {term}"),
            Self::NotFirst(period, first) => write!(f, "its {} has {}", period.word(), first.short()),
            Self::PastSlot(period, count) => {
                write!(f, "not of the last {count} {}s", period.word())
            }
        }
    }
}
