//! What can be done to hosts, sources, tickets and rules.

use super::gate::{Answer, Known, Named, Sent};
use crate::audit::desk::{self, HostStep};
use crate::auth::Right;
use crate::db::{Conn, hosts, settings, sources};
use crate::ingest::judge::RULES;
use crate::records::{Action, Ticket};
use crate::rules::Settings;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::error::Error;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

fn done() -> Json<Value> {
    Json(json!({"done": true}))
}

async fn known_host(conn: &mut Conn, who: &Caller, id: i64) -> Result<hosts::Host, Error> {
    who.need(Right::Work)?;
    hosts::get(conn, who.scope, id).await?.ok_or(Error::Absent)
}

/// For how long nothing is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quiet {
    hours: i64,
}

pub(super) async fn quiet(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(sent): Sent<Quiet>,
) -> Answer<Value> {
    quiet_host(&app, &who, id, sent.hours).await?;
    Ok(done())
}

/// How long nothing is heard of a ticket: ninety days at most.
pub(crate) fn snooze_hours(hours: i64) -> Result<i64, Error> {
    let sane = Some(hours).filter(|hours| (1..=HOURS_MAX).contains(hours));
    sane.ok_or_else(|| Error::Malformed(format!("a snooze lasts from 1 to {HOURS_MAX} hours")))
}

/// Ninety days.
const HOURS_MAX: i64 = 2160;

/// Nothing is expected of a host for some hours; 0 ends that.
pub(crate) async fn quiet_host(app: &App, who: &Caller, id: i64, hours: i64) -> Result<(), Error> {
    who.need(Right::Work)?;
    if !(0..=HOURS_MAX).contains(&hours) {
        return Err(Error::Malformed(format!("nothing is expected for 0 to {HOURS_MAX} hours")));
    }
    let now = app.now();
    let mut conn = app.db.write().await?;
    let host = known_host(&mut conn, who, id).await?;
    hosts::quiet(&mut conn, id, (hours > 0).then_some(now + hours * 3600)).await?;
    let object = format!("host {}/{}", host.tenant, host.name);
    who.note(&mut conn, Some(host.tenant_id), "host.quiet", &object, &format!("{hours} hours"), now).await?;
    Ok(conn.commit().await?)
}

/// Whether it is closed, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Close {
    closed: bool,
    reason: Option<String>,
}

pub(super) async fn close(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(sent): Sent<Close>,
) -> Answer<Value> {
    let step = match sent.closed {
        true => HostStep::Decommission { by: who.name.clone(), reason: sent.reason.unwrap_or_default() },
        false => HostStep::Recommission,
    };
    desk::change_host(&app, &who, id, step).await?;
    Ok(done())
}

pub(super) async fn revoke_key(
    State(app): State<Arc<App>>,
    who: Known,
    Named((id, key)): Named<(i64, String)>,
) -> Answer<Value> {
    who.need(Right::Admit)?;
    let now = app.now();
    let mut conn = app.db.write().await?;
    let host = known_host(&mut conn, &who, id).await?;
    if !hosts::revoke_key(&mut conn, id, &key, now).await? {
        return Err(Error::Absent.into());
    }
    let object = format!("host {}/{}", host.tenant, host.name);
    who.note(&mut conn, Some(host.tenant_id), "host.revoke-key", &object, &key, now).await?;
    conn.commit().await?;
    Ok(done())
}

pub(super) async fn adjust(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(wanted): Sent<Value>,
) -> Answer<Value> {
    who.need(Right::Work)?;
    Settings::layered([&wanted]).map_err(|error| Error::Malformed(error.to_string()))?;
    let mut conn = app.db.write().await?;
    let source = sources::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    sources::adjust(&mut conn, id, Some(&wanted)).await?;
    let object = format!("source {}/{}/{}", source.tenant, source.host, source.name);
    who.note(&mut conn, Some(source.tenant_id), "source.adjust", &object, &wanted.to_string(), app.now())
        .await?;
    conn.commit().await?;
    Ok(done())
}

pub(super) async fn set_rules(
    State(app): State<Arc<App>>,
    who: Known,
    Sent(wanted): Sent<Value>,
) -> Answer<Value> {
    who.need(Right::Administer)?;
    if who.scope.tenant().is_some() {
        return Err(Error::Forbidden.into());
    }
    Settings::layered([&wanted]).map_err(|error| Error::Malformed(error.to_string()))?;
    let mut conn = app.db.write().await?;
    settings::set(&mut conn, RULES, &wanted).await?;
    who.note(&mut conn, None, "rules.set", "rules", &wanted.to_string(), app.now()).await?;
    conn.commit().await?;
    Ok(done())
}

/// What is wanted of a ticket. Who wants it is known.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Wanted {
    Acknowledge {},
    Assign { owner: Option<String> },
    Comment { text: String },
    Snooze { hours: i64 },
    Close { reason: String },
    Expect { reason: String },
}

pub(super) async fn act(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<String>,
    Sent(wanted): Sent<Wanted>,
) -> Answer<Ticket> {
    who.need(Right::Work)?;
    let by = who.name.clone();
    let action = match wanted {
        Wanted::Acknowledge {} => Action::Acknowledge { by },
        Wanted::Assign { owner } => Action::Assign { by, owner },
        Wanted::Comment { text } => Action::Comment { by, text },
        Wanted::Snooze { hours } => {
            Action::Snooze { by, until_secs: app.now() + snooze_hours(hours)? * 3600 }
        }
        Wanted::Close { reason } => Action::Close { by, reason },
        Wanted::Expect { reason } => Action::Expect { by, reason },
    };
    Ok(Json(crate::web::apply(&app, &who, &id, &action).await?))
}
