//! Reads what the checks see.

use super::facts::TenantFacts;
use super::policy::Policy;
use super::records::Records;
use crate::db::audits::Kept;
use crate::db::{Conn, DbError, audit_facts};
use std::collections::BTreeSet;

/// Everything about a tenant; what people wrote down is in `kept`.
pub async fn facts(
    conn: &mut Conn,
    (tenant_id, tenant): (i64, &str),
    kept: &Kept,
    channels: BTreeSet<String>,
) -> Result<TenantFacts, DbError> {
    let mut facts = audit_facts(conn, tenant_id, tenant).await?;
    facts.records = records_of(kept);
    facts.channels = channels;
    Ok(facts)
}

/// The policy that was agreed, or the ready-made one, and whether it was agreed.
pub(super) fn policy_of(kept: &Kept) -> (Policy, bool) {
    match &kept.policy {
        None => (Policy::default(), false),
        // It was checked when it was set; one of a newer program may not be known here.
        Some(value) => (Policy::parse(value.clone()).unwrap_or_default(), true),
    }
}

/// What people wrote down.
pub(super) fn records_of(kept: &Kept) -> Records {
    kept.records.clone().and_then(|value| Records::parse(value).ok()).unwrap_or_default()
}
