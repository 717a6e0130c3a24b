//! Bringing a level up to date from another, reported to a monitor.

use crate::monitor::{Monitor, add};
use std::ops::ControlFlow;
use vow_base::HostId;
use vow_base::copy::{Copied, Ended, copy_snapshot, lacking};
use vow_base::vault::{Deposit, Retrieve, VaultError};

/// Objects under way at once.
const THREADS: usize = 4;

/// Copies every snapshot of `host` that `to` lacks, oldest first. Stops at the first error; what was committed stays.
pub fn catch_up(
    from: &dyn Retrieve,
    host: &HostId,
    to: &dyn Deposit,
    monitor: &Monitor,
) -> Result<Copied, VaultError> {
    let mut done = Copied::default();
    let progress = |bytes| {
        add(&monitor.counters.stored_bytes, bytes);
        if monitor.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    for receipt in lacking(from, host, to)? {
        if monitor.is_cancelled() {
            break;
        }
        match copy_snapshot(from, host, &receipt.manifest, to, THREADS, &progress)? {
            Ended::Done(copied) => done.add(copied),
            Ended::Stopped(copied) => {
                done.add(copied);
                break;
            }
        }
    }
    Ok(done)
}
