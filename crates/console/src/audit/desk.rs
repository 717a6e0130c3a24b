//! What people do about an audit: policy, records, plans, places, the end of a host. Each is written down; pages, API and commands all come here.

use super::collect::{policy_of, records_of};
use super::facts::{HostRecord, Place, VaultRecord};
use super::policy::Policy;
use super::records::{Approved, Records, Waiver};
use super::run::{Outcome, audit_tenant};
use crate::auth::Right;
use crate::db::audits::{self, Kept};
use crate::db::hosts::{self, Host};
use crate::db::tickets::{self, InTransaction};
use crate::db::{Conn, Scope, vaults};
use crate::ingest::act;
use crate::records::Action;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::error::Error;

/// A tenant's audit, as it is kept.
pub struct Seen {
    /// The tenant.
    pub tenant: hosts::Tenant,
    /// What was agreed, or the ready-made policy.
    pub policy: Policy,
    /// Whether it was agreed.
    pub agreed: bool,
    /// What people wrote down.
    pub records: Records,
    /// The last audit.
    pub kept: Kept,
}

/// A tenant within the scope of whoever asks.
pub async fn tenant(conn: &mut Conn, who: &Caller, id: i64) -> Result<hosts::Tenant, Error> {
    if !who.scope.has(id) {
        return Err(Error::Absent);
    }
    hosts::tenants(conn, Scope::Tenant(id)).await?.pop().ok_or(Error::Absent)
}

/// A tenant's audit.
pub async fn see(conn: &mut Conn, who: &Caller, id: i64) -> Result<Seen, Error> {
    who.need(Right::See)?;
    let tenant = tenant(conn, who, id).await?;
    let kept = audits::kept(conn, id).await?;
    let (policy, agreed) = policy_of(&kept);
    Ok(Seen { tenant, policy, agreed, records: records_of(&kept), kept })
}

/// Audits a tenant now.
pub async fn audit(app: &App, who: &Caller, id: i64) -> Result<Outcome, Error> {
    who.need(Right::Work)?;
    let store = InTransaction::begin(&app.db, &[]).await?;
    let found = tenant(&mut *store.lock().await, who, id).await?;
    let outcome = audit_tenant(&store, &app.judge, (id, &found.name), app.now()).await?;
    store.into_conn().commit().await?;
    Ok(outcome)
}

/// Agrees on a policy; `null` takes it away.
pub async fn set_policy(app: &App, who: &Caller, id: i64, wanted: serde_json::Value) -> Result<(), Error> {
    who.need(Right::Administer)?;
    let policy = match wanted.is_null() {
        true => None,
        false => Some(Policy::parse(wanted).map_err(|error| Error::Malformed(error.to_string()))?),
    };
    let mut conn = app.db.write().await?;
    let tenant = tenant(&mut conn, who, id).await?;
    audits::set_policy(&mut conn, id, policy.as_ref()).await?;
    let detail = policy.map(|policy| serde_json::to_string(&policy).unwrap_or_default()).unwrap_or_default();
    let object = format!("tenant {}", tenant.name);
    who.note(&mut conn, Some(id), "policy.set", &object, &detail, app.now()).await?;
    conn.commit().await?;
    again(app, &tenant).await
}

/// Writes records down, all of them at once.
pub async fn set_records(app: &App, who: &Caller, id: i64, wanted: serde_json::Value) -> Result<(), Error> {
    let records = Records::parse(wanted).map_err(|error| Error::Malformed(error.to_string()))?;
    change_records(app, who, id, "records.set", |now| {
        *now = records;
        Ok(String::new())
    })
    .await
}

/// Somebody looked whether owner and contact still hold.
pub async fn review(app: &App, who: &Caller, id: i64, owner: &str, contact: &str) -> Result<(), Error> {
    let (today, by) = (super::date_of(app.now()), who.name.clone());
    change_records(app, who, id, "records.review", |records| {
        (records.owner, records.contact) = (owner.to_owned(), contact.to_owned());
        (records.reviewed, records.reviewed_by) = (today, by);
        Ok(format!("{owner}, {contact}"))
    })
    .await
}

/// Approves a recovery key, or takes the approval away.
pub async fn approve(
    app: &App,
    who: &Caller,
    id: i64,
    wanted: Approved,
    approved: bool,
) -> Result<(), Error> {
    who.need(Right::Administer)?;
    let action = if approved { "recipient.approve" } else { "recipient.withdraw" };
    change_records(app, who, id, action, |records| {
        let print = wanted.fingerprint.to_lowercase();
        records.recipients.retain(|one| one.fingerprint != print);
        if approved {
            records.recipients.push(Approved { fingerprint: print.clone(), holder: wanted.holder });
        }
        Ok(print)
    })
    .await
}

/// Accepts a finding of the policy until a day; an empty day ends that.
pub async fn waive(
    app: &App,
    who: &Caller,
    id: i64,
    finding: &str,
    reason: &str,
    until: &str,
) -> Result<(), Error> {
    let by = who.name.clone();
    change_records(app, who, id, "finding.waive", |records| {
        records.waivers.retain(|one| one.finding != finding);
        if !until.is_empty() {
            let own = str::to_owned;
            records.waivers.push(Waiver {
                finding: own(finding),
                reason: own(reason),
                by,
                until: own(until),
            });
        }
        Ok(format!("{finding} until {until}: {reason}"))
    })
    .await
}

async fn change_records(
    app: &App,
    who: &Caller,
    id: i64,
    action: &str,
    change: impl FnOnce(&mut Records) -> Result<String, Error>,
) -> Result<(), Error> {
    who.need(Right::Work)?;
    let mut conn = app.db.write().await?;
    let tenant = tenant(&mut conn, who, id).await?;
    let kept = audits::kept(&mut conn, id).await?;
    let mut records = records_of(&kept);
    let approved = records.recipients.clone();
    let detail = change(&mut records)?;
    // Who may open the backups is for administrators, however it is written.
    if records.recipients != approved {
        who.need(Right::Administer)?;
    }
    records.check().map_err(|error| Error::Malformed(error.to_string()))?;
    audits::set_records(&mut conn, id, &records).await?;
    who.note(&mut conn, Some(id), action, &format!("tenant {}", tenant.name), &detail, app.now()).await?;
    conn.commit().await?;
    again(app, &tenant).await
}

/// What was changed shows at once.
async fn again(app: &App, tenant: &hosts::Tenant) -> Result<(), Error> {
    let store = InTransaction::begin(&app.db, &[]).await?;
    audit_tenant(&store, &app.judge, (tenant.id, &tenant.name), app.now()).await?;
    Ok(store.into_conn().commit().await?)
}

/// What somebody does about a host.
#[derive(Debug, Clone)]
pub enum HostStep {
    /// Its plan with this hash is the right one.
    ApprovePlan {
        /// SHA-256, 64 hexadecimal digits.
        plan: String,
    },
    /// It stands here.
    Place(Place),
    /// It is gone for good.
    Decommission {
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// It is there after all.
    Recommission,
}

/// Does it.
pub async fn change_host(app: &App, who: &Caller, id: i64, step: HostStep) -> Result<Host, Error> {
    who.need(Right::Work)?;
    let now = app.now();
    let malformed = |why: &str| Err(Error::Malformed(why.to_owned()));
    let store = InTransaction::begin(&app.db, &[id]).await?;
    let mut conn = store.lock().await;
    let host = hosts::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let mut record = audits::host_record(&mut conn, id).await?;
    let (action, detail) = match step {
        HostStep::ApprovePlan { plan } => {
            if plan.len() != 64 || !plan.bytes().all(|c| c.is_ascii_hexdigit()) {
                return malformed("a plan is approved by its hash, 64 hexadecimal digits");
            }
            (record.plan, record.plan_by, record.plan_secs) =
                (Some(plan.to_lowercase()), who.name.clone(), now);
            ("host.approve-plan", plan)
        }
        HostStep::Place(place) => {
            if !place.is_sound() {
                return malformed("a place has at most 200 characters, latitude ±90 and longitude ±180");
            }
            record.place = place;
            ("host.place", record.place.name.clone())
        }
        HostStep::Decommission { by, reason } => {
            if by.trim().is_empty() || reason.trim().is_empty() || by.len() + reason.len() > 2000 {
                return malformed("a host is decommissioned by a named person, with a reason");
            }
            end(&mut conn, &host, &mut record, (by, reason), now).await?;
            ("host.decommission", format!("{}: {}", record.gone_by, record.gone_reason))
        }
        HostStep::Recommission => {
            record = HostRecord {
                gone_by: String::new(),
                gone_reason: String::new(),
                gone_secs: None,
                gone_points: 0,
                ..record
            };
            hosts::close(&mut conn, id, None).await?;
            ("host.reopen", String::new())
        }
    };
    audits::set_host_record(&mut conn, id, &record).await?;
    let object = format!("host {}/{}", host.tenant, host.name);
    who.note(&mut conn, Some(host.tenant_id), action, &object, &detail, now).await?;
    drop(conn);
    if record.gone_secs == Some(now) {
        close_tickets(app, &store, &record, id, now).await?;
    }
    store.into_conn().commit().await?;
    let tenant = tenant(&mut app.read().await?, who, host.tenant_id).await?;
    again(app, &tenant).await?;
    Ok(host)
}

/// It keeps the points that it had: the score is not better without it.
async fn end(
    conn: &mut Conn,
    host: &Host,
    record: &mut HostRecord,
    (by, reason): (String, String),
    now: i64,
) -> Result<(), Error> {
    if record.gone_secs.is_some() {
        return Err(Error::Conflict("it was decommissioned before".into()));
    }
    let kept = audits::kept(conn, host.tenant_id).await?;
    let points = kept.result.and_then(|result| result.points.get(&host.name).copied());
    record.gone_points = points.unwrap_or(0);
    (record.gone_by, record.gone_reason, record.gone_secs) = (by, reason, Some(now));
    hosts::close(conn, host.id, Some(now)).await?;
    Ok(())
}

/// Nothing comes any more from a host that is gone, so nothing else would ever end its tickets.
async fn close_tickets(
    app: &App,
    store: &InTransaction,
    record: &HostRecord,
    id: i64,
    now: i64,
) -> Result<(), Error> {
    let reason = format!("the host was closed: {}", record.gone_reason);
    let wanted = tickets::Wanted { host_id: Some(id), ..tickets::Wanted::default() };
    let open = tickets::list(&mut *store.lock().await, Scope::All, &wanted, i64::MAX, 0).await?;
    for ticket in open {
        let action = Action::Close { by: record.gone_by.clone(), reason: reason.clone() };
        act(store, &app.judge, Scope::All, &ticket.id, &action, now).await?;
    }
    Ok(())
}

/// Writes down where a vault stands and what it is.
pub async fn set_vault(app: &App, who: &Caller, id: i64, record: VaultRecord) -> Result<(), Error> {
    who.need(Right::Administer)?;
    if !record.is_sound() {
        return Err(Error::Malformed("place, medium or lock of the vault cannot be meant".into()));
    }
    let mut conn = app.db.write().await?;
    let vault = vaults::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    audits::set_vault_record(&mut conn, id, &record).await?;
    let detail = serde_json::to_string(&record).unwrap_or_default();
    who.note(
        &mut conn,
        vault.tenant_id,
        "vault.record",
        &format!("vault {}", vault.name),
        &detail,
        app.now(),
    )
    .await?;
    Ok(conn.commit().await?)
}
