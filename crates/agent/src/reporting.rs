//! What a host says to its console: how reports are made, and how they get there. `docs/reports.md` describes them.

mod courier;
mod shape;

pub use courier::{Backoff, Delivery, Reporter, deliver};
pub use shape::Looker;

use std::time::{SystemTime, UNIX_EPOCH};
use vow_base::id::hex;
use vow_base::sign::random_run_id;
use vow_protocol::report::{Body, FORMAT, Report, VERSION};

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct NoRandomness;

/// A report of this host, made now.
///
/// # Errors
/// Without randomness it could not be told from others.
pub fn report(tenant: &str, host: &str, body: Body) -> Result<Report, NoRandomness> {
    Ok(Report {
        format: FORMAT.to_owned(),
        version: VERSION,
        id: hex(&random_run_id().map_err(|_| NoRandomness)?),
        tenant: tenant.to_owned(),
        host: host.to_owned(),
        made_secs: now_secs(),
        software: concat!("vow ", env!("CARGO_PKG_VERSION")).to_owned(),
        body,
    })
}

/// Seconds since 1970 by this host's clock.
pub fn now_secs() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |secs| -secs),
    }
}
