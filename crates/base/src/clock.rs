//! Time as the rest of Vow sees it: nanoseconds since 1970, from a clock that tests can replace.

/// Nanoseconds since 1970-01-01 UTC.
pub type Nanos = i64;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now, in nanoseconds since 1970.
    fn now(&self) -> Nanos;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Nanos {
        // The coarse clock is the one Linux stamps files with, so a file's ctime can be compared with it.
        // It is asked through the C library, so that the tests of whole months can put another day before a process.
        let Ok(time) = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME_COARSE) else {
            unreachable!("Linux has had this clock since 2.6.32");
        };
        time.tv_sec().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec())
    }
}
