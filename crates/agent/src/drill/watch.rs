//! Watches the room in a scratch place while something is restored there. Programs that find no room say so in many ways, or wait for
//! ever until somebody makes some; whatever else goes wrong then says nothing about the snapshot.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Less than this is none: it is not gone on.
const NONE_BYTES: u64 = 1 << 20;
/// With less than this a server may have failed to add to its log.
const LITTLE_BYTES: u64 = 17 << 20;
const PAUSE: Duration = Duration::from_millis(50);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Room {
    little: AtomicBool,
    none: AtomicBool,
}

impl Room {
    /// Runs `act` and watches `place` meanwhile.
    pub(super) fn watch<T>(&self, place: &Path, act: impl FnOnce() -> T) -> T {
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
    pub(super) fn is_none(&self) -> bool {
        self.none.load(Ordering::Relaxed)
    }

    /// There was so little room that something may have failed for the lack of it.
    pub(super) fn is_little(&self) -> bool {
        self.little.load(Ordering::Relaxed)
    }

    fn look(&self, place: &Path) {
        // What cannot be looked at says nothing about its room.
        let Ok(stat) = rustix::fs::statvfs(place) else { return };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        self.little.fetch_or(free < LITTLE_BYTES, Ordering::Relaxed);
        self.none.fetch_or(free < NONE_BYTES, Ordering::Relaxed);
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
}
