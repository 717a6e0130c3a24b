//! The audit of hosts and of tenants: what hosts found about themselves, and whether a tenant's policy is kept. `docs/audit.md` describes it for people.
//!
//! Rules are pure: facts in, answers out (`checks`, `score`). `collect` reads the facts, `run` keeps what comes of them and makes tickets say so.

mod checks;
mod collect;
pub mod desk;
mod facts;
mod host;
mod judge;
mod policy;
mod records;
mod run;
mod score;

pub use checks::{Answer, CHECKS, Checked, all as check_all};
pub use collect::facts as collect_facts;
pub use facts::{
    CopyFact, HostFact, HostRecord, InventoryFact, Place, SourceFact, TenantFacts, VaultFact, VaultRecord,
};
pub use host::{HostAudit, HostFinding, HostWaiver};
pub use judge::{host_judged, tenant_judged};
pub use policy::{Policy, PolicyError};
pub use records::{Approved, Records, RecordsError, Waiver};
pub use run::{Outcome, audit_tenant, take_host};
pub use score::{Points, points_of_host, score};

/// The day of a time, as people write it: 2026-11-28, UTC.
pub(crate) fn date_of(secs: i64) -> String {
    match jiff::Timestamp::from_second(secs) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => String::new(),
    }
}

/// The beginning of a day, UTC; `None` for what is no day.
pub(crate) fn day_secs(date: &str) -> Option<i64> {
    let date: jiff::civil::Date = date.trim().parse().ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}
