//! The audit of a host: what it found about itself, what nobody covers, what patterns hide, what was accepted; and what people wrote down about it.

use super::draw::{ago, bytes, chip, count, lasting, maybe_ago, plain, prose, short, stamp};
use super::forms::Posted;
use super::guard::{Done, Page, Who};
use super::layout;
use crate::audit::desk::{self, HostStep};
use crate::audit::{HostRecord, Place, VaultRecord, date_of};
use crate::auth::Right;
use crate::db::audits::{self, Finding};
use crate::db::hosts::{self, Document, Host};
use crate::db::{Scope, vaults};
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};
use serde_json::Value;
use std::sync::Arc;

const SHOWN_MAX: usize = 200;

pub(super) async fn host(State(app): State<Arc<App>>, who: Who, Path(id): Path<i64>) -> Page {
    who.need(Right::See)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let host = hosts::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let document = hosts::document(&mut conn, id, Document::Audit).await?;
    let of = |closed| audits::Wanted { host_id: Some(id), closed, since_secs: 0 };
    let scope = Scope::Tenant(host.tenant_id);
    let found = audits::findings(&mut conn, scope, of(false), 1000).await?;
    let over = audits::findings(&mut conn, scope, of(true), 50).await?;
    let record = audits::host_record(&mut conn, id).await?;
    let plan = hosts::facts(&mut conn, id).await?.alive.and_then(|alive| alive.plan);
    let (open, waived): (Vec<_>, Vec<_>) = found.iter().partition(|one| !one.waived);
    let whole = document.as_ref().map_or(&Value::Null, |(_, document)| document);
    let body = html! {
        (layout::trail(&[("/".into(), "Fleet".into()), (format!("/tenants/{}/audit", host.tenant_id), host.tenant.clone()), (format!("/hosts/{id}"), host.name.clone())]))
        h1 { "Audit of " (plain(&host.name)) }
        p { "Last audited on the host " (maybe_ago(document.as_ref().map(|(at, _)| *at), now)) "." }
        section.card { h2 { "Findings" small { (open.len()) } } @if open.is_empty() { p.none { "None is open." } } (list(&open, now)) }
        @if !waived.is_empty() { section.card { h2 { "Accepted" small { (waived.len()) } } (list(&waived, now)) } }
        (unknown(whole))
        (exclusions(whole))
        (unseen(whole))
        section.card { h2 { "What is over" } @if over.is_empty() { p.none { "Nothing yet." } } (list(&over.iter().collect::<Vec<_>>(), now)) }
        (written(&who, &host, &record, plan.as_deref()))
    };
    Ok(layout::page("Audit", "/", &who, body))
}

fn list(findings: &[&Finding], now: i64) -> Markup {
    let text = |one: &Finding, name: &str| one.body.get(name).and_then(Value::as_str).map(plain);
    html! {
        ul.list { @for one in findings {
            li {
                (super::draw::severity(one.severity)) " " code { (plain(&one.name)) } " " (plain(&one.sentence))
                " " span.soft { @match one.closed_secs { None => (lasting(one.since_secs, now)), Some(at) => { "from " (stamp(one.since_secs)) ", over " (ago(at, now)) } } }
                @if let Some(waiver) = text(one, "waiver") { p.soft { (waiver) } }
                @if let Some(step) = text(one, "next_step").filter(|step| !step.is_empty()) { p.soft { "Next step: " (prose(&step)) } }
                @if let Some(offer) = text(one, "offer") { details { summary { "Lines for vow.toml that would close it" } pre { (offer) } } }
            }
        } }
    }
}

fn rows<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    document.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn word(value: &Value, name: &str) -> String {
    plain(value.get(name).and_then(Value::as_str).unwrap_or("—"))
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or(0)
}

fn least(value: &Value) -> &'static str {
    if value.get("at_least").and_then(Value::as_bool).unwrap_or(false) { "≥ " } else { "" }
}

/// What the host's own ledger calls unknown.
fn unknown(document: &Value) -> Markup {
    let is_unknown = |entry: &&Value| entry.get("state").and_then(Value::as_str) == Some("unknown");
    let unknown: Vec<_> = rows(document, "ledger").iter().filter(is_unknown).collect();
    let sum: i64 = unknown.iter().map(|entry| number(entry, "bytes").max(0)).fold(0, i64::saturating_add);
    html! {
        section.card {
            h2 { "What nobody covers" small { (unknown.len()) " things, " (bytes(sum)) } }
            @if unknown.is_empty() { p.none { "Nothing that is known." } }
            @if !unknown.is_empty() { div.scroll tabindex="0" { table {
                thead { tr { th { "What" } th { "Where" } th.number { "Bytes" } } }
                tbody { @for entry in unknown.iter().take(SHOWN_MAX) {
                    tr { td { (word(entry, "what")) } td { (word(entry, "path")) } td.number { @match entry.get("bytes").and_then(Value::as_i64) { Some(sum) => { (least(entry)) (bytes(sum)) } None => "—" } } }
                } }
            } } }
        }
    }
}

fn exclusions(document: &Value) -> Markup {
    let all = rows(document, "exclusions");
    html! {
        @if !all.is_empty() { section.card {
            h2 { "What patterns leave out" }
            div.scroll tabindex="0" { table {
                thead { tr { th { "Source" } th { "Pattern" } th.number { "Files" } th.number { "Bytes" } th { "Newest" } } }
                tbody { @for one in all.iter().take(SHOWN_MAX) {
                    tr {
                        td { (word(one, "source")) } td { code { (word(one, "pattern")) } }
                        td.number { (least(one)) (count(number(one, "files"))) } td.number { (least(one)) (bytes(number(one, "bytes"))) }
                        td { @match one.get("newest_secs").and_then(Value::as_i64) { Some(at) => (stamp(at)), None => "—" } }
                    }
                } }
            } }
        } }
    }
}

fn unseen(document: &Value) -> Markup {
    let all = rows(document, "unseen");
    let text = |one: &Value| {
        one.as_str().map_or_else(|| format!("{}: {}", word(one, "what"), word(one, "why")), plain)
    };
    html! { @if !all.is_empty() { section.card { h2 { "What it could not see" } ul.list { @for one in all.iter().take(SHOWN_MAX) { li { (text(one)) } } } } } }
}

fn written(who: &Who, host: &Host, record: &HostRecord, plan: Option<&str>) -> Markup {
    let degrees = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    html! {
        section.card {
            h2 { "Records" }
            (layout::facts(&[
                ("Plan now", html! { code { (plain(&short(plan.unwrap_or("—")))) } }),
                ("Plan approved", html! { @match &record.plan { Some(plan) => { code { (short(plan)) } " by " (plain(&record.plan_by)) " on " (date_of(record.plan_secs)) } None => "never" } }),
                ("Place", html! { (layout::written(&record.place.name)) " " (degrees(record.place.latitude)) " " (degrees(record.place.longitude)) }),
            ]))
            @if let Some(at) = record.gone_secs { p { (chip("idle", "decommissioned")) " on " (date_of(at)) " by " (plain(&record.gone_by)) ": " (plain(&record.gone_reason)) } }
            @if who.role.may(Right::Work) {
                @if let Some(plan) = plan.filter(|plan| record.plan.as_deref() != Some(plan)) {
                    form.inline method="post" { (layout::token(who)) input type="hidden" name="do" value="approve-plan"; input type="hidden" name="plan" value=(plain(plan));
                        button.second type="submit" { "Approve the plan that it has now" } }
                }
                form.inline method="post" {
                    (layout::token(who)) input type="hidden" name="do" value="place";
                    label { "Place" input type="text" name="place" maxlength="200" value=(plain(&record.place.name)); }
                    label { "Latitude" input type="number" step="any" min="-90" max="90" name="latitude" value=(degrees(record.place.latitude)); }
                    label { "Longitude" input type="number" step="any" min="-180" max="180" name="longitude" value=(degrees(record.place.longitude)); }
                    button.second type="submit" { "It stands here" }
                }
                @if record.gone_secs.is_none() {
                    form.inline method="post" {
                        (layout::token(who)) input type="hidden" name="do" value="decommission";
                        label { "Who says so" input type="text" name="by" required maxlength="200" value=(plain(&who.name)); }
                        label { "Why " (plain(&host.name)) " is gone for good" input type="text" name="reason" required maxlength="500"; }
                        button.danger type="submit" { "Decommission" }
                    }
                } @else {
                    form.inline method="post" { (layout::token(who)) input type="hidden" name="do" value="recommission"; button.second type="submit" { "It is there after all" } }
                }
            }
        }
    }
}

fn place(posted: &Posted) -> Result<Place, Error> {
    let degrees = |name: &str| match posted.field(name) {
        "" => Ok(None),
        text => {
            text.parse().map(Some).map_err(|_| Error::Malformed(format!("{name} is a number of degrees")))
        }
    };
    Ok(Place {
        name: posted.field("place").to_owned(),
        latitude: degrees("latitude")?,
        longitude: degrees("longitude")?,
    })
}

pub(super) async fn change(State(app): State<Arc<App>>, Path(id): Path<i64>, posted: Posted) -> Done {
    let own = str::to_owned;
    let step = match posted.field("do") {
        "approve-plan" => HostStep::ApprovePlan { plan: own(posted.needed("plan", "the plan")?) },
        "place" => HostStep::Place(place(&posted)?),
        "decommission" => HostStep::Decommission {
            by: own(posted.needed("by", "the name")?),
            reason: own(posted.needed("reason", "the reason")?),
        },
        "recommission" => HostStep::Recommission,
        _ => return Err(Error::Malformed("what is to be done?".into()).into()),
    };
    desk::change_host(&app, &posted.who, id, step).await?;
    Ok(Redirect::to(&format!("/hosts/{id}/audit")))
}

/// What is written down about a vault.
pub(super) async fn vault(State(app): State<Arc<App>>, who: Who, Path(id): Path<i64>) -> Page {
    who.need(Right::SeeVaults)?;
    let mut conn = app.read().await?;
    let vault = vaults::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let record = audits::vault_records(&mut conn).await?.remove(&id).unwrap_or_default();
    let degrees = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let body = html! {
        (layout::trail(&[("/vaults".into(), "Vaults".into()), (format!("/vaults/{id}"), vault.name.clone())]))
        h1 { "What " (plain(&vault.name)) " is" }
        section.card {
            p { "Policies of tenants are judged by this: whether a copy is at another place, on another medium, and cannot be changed." }
            @if !who.role.may(Right::Administer) {
                (layout::facts(&[
                    ("Place", layout::written(&record.place.name)),
                    ("Medium", layout::written(&record.medium)),
                    ("Cannot be changed", html! { @if record.immutable { "yes" } @else { "no" } }),
                    ("Locks for", html! { @match record.lock_days { Some(days) => { (days) " days" } None => (layout::written("")) } }),
                ]))
            } @else {
                form.stack method="post" {
                    (layout::token(&who))
                    label { "Place" input type="text" name="place" maxlength="200" value=(plain(&record.place.name)); }
                    label { "Latitude" input type="number" step="any" min="-90" max="90" name="latitude" value=(degrees(record.place.latitude)); }
                    label { "Longitude" input type="number" step="any" min="-180" max="180" name="longitude" value=(degrees(record.place.longitude)); }
                    label { "Medium (disk, object store, tape, …)" input type="text" name="medium" maxlength="100" value=(plain(&record.medium)); }
                    label { "Days for which it locks: lock of its rules" input type="number" name="lock_days" min="0" max="100000" value=(record.lock_days.map(|days| days.to_string()).unwrap_or_default()); }
                    label.tick { input type="checkbox" name="immutable" value="yes" checked[record.immutable]; "Nobody can change it before its time: locked storage, or not connected" }
                    button type="submit" { "Write it down" }
                }
            }
        }
    };
    Ok(layout::page("Vault", "/vaults", &who, body))
}

pub(super) async fn change_vault(State(app): State<Arc<App>>, Path(id): Path<i64>, posted: Posted) -> Done {
    let lock_days = match posted.field("lock_days") {
        "" => None,
        text => Some(text.parse().map_err(|_| Error::Malformed("days are a number".into()))?),
    };
    let record = VaultRecord {
        place: place(&posted)?,
        medium: posted.field("medium").to_owned(),
        immutable: posted.field("immutable") == "yes",
        lock_days,
    };
    desk::set_vault(&app, &posted.who, id, record).await?;
    Ok(Redirect::to(&format!("/vaults/{id}/record")))
}
