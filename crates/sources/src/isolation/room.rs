//! The room that is left in a scratch place while something is restored there. Programs that find none say so in many ways, or wait for
//! ever until somebody makes some; whatever else goes wrong then says nothing about the snapshot.

use crate::adapter::Stop;
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Less than this free, and a server is ended: one that cannot go on frees some of it again, so that none is ever seen.
const FULL_BYTES: u64 = 32 << 20;
/// With less than this a server may have failed to add to its log.
const LITTLE_BYTES: u64 = 17 << 20;
/// Less than this is none, for whatever it is: it is not gone on.
const NONE_BYTES: u64 = 1 << 20;
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// What is free in a place, in bytes.
pub(super) fn free_bytes(place: &Path) -> rustix::io::Result<u64> {
    rustix::fs::statvfs(place).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// What cannot be looked at says nothing about its room.
fn has_less_than(place: &Path, bytes: u64) -> bool {
    free_bytes(place).is_ok_and(|free| free < bytes)
}

/// Does something with a scratch server below `place`, and ends it when the disk there is full. `full` makes an error of the rest of a
/// sentence about the scratch server.
pub(crate) fn with_room<T, E>(
    place: &Path,
    stop: Stop<'_>,
    full: impl FnOnce(String) -> E,
    work: impl FnOnce(Stop<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let was_full = Cell::new(false);
    let over = || {
        was_full.set(was_full.get() || has_less_than(place, FULL_BYTES));
        was_full.get() || stop()
    };
    let done = work(&over);
    match done {
        Err(_) if was_full.get() && !stop() => Err(full(format!(
            "was ended because the scratch place is full: less than {1} MiB are left in {0}; name a roomier place with --scratch",
            place.display(),
            FULL_BYTES >> 20
        ))),
        done => done,
    }
}

/// What was seen of the room in a place.
#[derive(Debug, Default)]
pub struct Room {
    little: AtomicBool,
    none: AtomicBool,
}

impl Room {
    /// Runs `act` and watches `place` meanwhile, whoever works there.
    pub fn watch<T>(&self, place: &Path, act: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.look(place);
                    std::thread::park_timeout(PAUSE);
                }
            });
            let acted = act();
            done.store(true, Ordering::Relaxed);
            watcher.thread().unpark();
            acted
        })
    }

    /// There was no room left.
    pub fn is_none(&self) -> bool {
        self.none.load(Ordering::Relaxed)
    }

    /// There was so little room that something may have failed for the lack of it.
    pub fn is_little(&self) -> bool {
        self.little.load(Ordering::Relaxed)
    }

    fn look(&self, place: &Path) {
        self.little.fetch_or(has_less_than(place, LITTLE_BYTES), Ordering::Relaxed);
        self.none.fetch_or(has_less_than(place, NONE_BYTES), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_room_is_left_alone_and_the_result_comes_back() {
        let (room, place) = (Room::default(), tempfile::tempdir().expect("a folder"));
        assert_eq!(room.watch(place.path(), || 7), 7);
        assert!(!room.is_none());
        // A file system that never has any.
        let full = Room::default();
        full.look(Path::new("/proc"));
        assert!(full.is_none() && full.is_little());
        let unknown = Room::default();
        unknown.look(Path::new("/no/such/place"));
        assert!(!unknown.is_none() && !unknown.is_little());
    }

    #[test]
    fn what_fails_in_a_full_place_is_the_places_fault() {
        let failing = |stop: Stop<'_>| if stop() { Err("the server ended".to_owned()) } else { Ok(7) };
        let place = tempfile::tempdir().expect("a folder");
        assert_eq!(with_room(place.path(), &|| false, |why| why, failing), Ok(7));
        let why = with_room(Path::new("/proc"), &|| false, |why| why, failing).expect_err("no room");
        assert!(why.contains("scratch place is full") && why.contains("--scratch"), "{why}");
        // Asked to stop, it says so.
        let stopped = with_room(Path::new("/proc"), &|| true, |why| why, failing);
        assert_eq!(stopped, Err("the server ended".into()));
    }
}
