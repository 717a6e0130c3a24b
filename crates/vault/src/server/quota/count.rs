//! Counting what hosts have stored: at the start, every day, and after a sweep took something away. In the background, one host at a time.

use super::Tally;
use crate::access::AdmittedHost;
use crate::server::app::App;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use vow_base::vault::{Kind, VaultError};

/// How often it is looked whether it is to stop, …
const LOOK: Duration = Duration::from_secs(1);
/// … and whether a sweep has gone by: in a bucket, looking costs requests.
const SWEPT: Duration = Duration::from_secs(15);
/// Everything is counted this often, …
const DAILY: Duration = Duration::from_secs(24 * 3600);
/// … and so soon again when something was stored while it was counted.
const SOON: Duration = Duration::from_secs(600);

const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

/// Counts until it is told to stop.
pub(crate) fn keep_counting(app: &Arc<App>, stop: &AtomicBool) {
    let (mut due, mut look) = (Instant::now(), Instant::now());
    let mut passes = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut swept = passes;
        if Instant::now() >= look {
            // A pass is the last thing that a sweep writes: counting while it still removes would be counting in vain, again and again.
            swept = app.vault.state().map_or(passes, |state| state.passes.len());
            look = Instant::now() + SWEPT;
        }
        if Instant::now() >= due || swept != passes {
            passes = swept;
            let doubtful = count_all(app, stop);
            due = Instant::now() + if doubtful { SOON } else { DAILY };
        }
        sleep(LOOK);
    }
}

/// Whether something was stored meanwhile, or could not be counted.
fn count_all(app: &Arc<App>, stop: &AtomicBool) -> bool {
    let mut doubtful = false;
    for host in app.book.hosts().values() {
        if stop.load(Ordering::Relaxed) {
            return doubtful;
        }
        let mark = app.usage.begin_count(host);
        match count(app, host) {
            Ok(found) => doubtful |= app.usage.end_count(&host.key.host_id(), mark, found),
            Err(error) => {
                tracing::warn!(host = %host.key.host_id().short(), %error, "what a host has stored cannot be counted");
                doubtful = true;
            }
        }
    }
    doubtful
}

fn count(app: &App, host: &AdmittedHost) -> Result<Tally, VaultError> {
    let mut tally = Tally::default();
    for kind in KINDS {
        let (objects, bytes) = app.vault.stored_in(&host.key.host_id(), kind)?;
        tally.objects += objects;
        tally.bytes += bytes;
    }
    Ok(tally)
}
