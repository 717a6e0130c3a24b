//! The same work for many items, on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `work` once for each number below `count`, in order of their start.
pub(crate) fn for_each(threads: usize, count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= count {
                break;
            }
            work(item);
        }
    };
    let threads = threads.clamp(1, count.max(1));
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
}

/// How many threads to use when asked for `wanted` (0: as many as there are processors).
pub(crate) fn threads(wanted: usize) -> usize {
    const THREADS_MAX: usize = 64;
    let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if wanted == 0 { processors() } else { wanted }.min(THREADS_MAX)
}
