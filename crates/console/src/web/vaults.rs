//! Vaults: how they do, and when they are full.

use super::charts::Chart;
use super::draw::{bytes, chip, count, maybe_ago, plain, short, stamp};
use super::guard::{Page, Who};
use super::{layout, tickets};
use crate::auth::Right;
use crate::db::vaults::{self, Vault};
use crate::db::{Conn, audits, day_of, tickets as rows};
use crate::records::Usage;
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, State};
use maud::{Markup, html};
use std::sync::Arc;

/// What is expected of a vault's space.
struct Outlook {
    usage: Vec<Usage>,
    /// Days until it is full, when it fills at all.
    days_left: Option<f64>,
    /// Bytes that come to a day.
    per_day: f64,
}

async fn outlook(conn: &mut Conn, vault: &Vault, now: i64) -> Result<Outlook, Error> {
    let usage = vaults::usage(conn, vault.id, day_of(now) - 120).await?;
    let forecast = crate::rules::forecast(&usage);
    let (per_day, days_left) =
        forecast.map_or((0.0, None), |forecast| (forecast.bytes_a_day, forecast.days_left));
    Ok(Outlook { usage, days_left, per_day })
}

fn state(vault: &Vault) -> Markup {
    if vault.set_back.is_some() {
        return chip("bad", "set back");
    }
    match (&vault.error, vault.answered_secs) {
        (Some(_), _) => chip("bad", "does not answer"),
        (None, None) => chip("idle", "not asked yet"),
        (None, Some(_)) => match vault.status.as_ref().map_or(0, |status| status.findings.len()) {
            0 => chip("good", "well"),
            number => chip("warn", if number == 1 { "a finding" } else { "findings" }),
        },
    }
}

/// The name of a vault, and the way to it for those who may go there.
pub(super) fn link(who: &Who, id: i64, name: &str) -> Markup {
    html! { @if who.role.may(Right::SeeVaults) { a href={ "/vaults/" (id) } { (plain(name)) } } @else { (plain(name)) } }
}

fn left(outlook: &Outlook) -> String {
    match outlook.days_left {
        Some(days) if days < 3650.0 => format!("full in about {} days", days.max(0.0).round()),
        _ => "not filling up".to_owned(),
    }
}

pub(super) async fn list(State(app): State<Arc<App>>, who: Who) -> Page {
    who.need(Right::SeeVaults)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let all = vaults::list(&mut conn, who.scope).await?;
    let mut cards = Vec::new();
    for vault in &all {
        cards.push((vault, outlook(&mut conn, vault, now).await?));
    }
    let body = html! {
        h1 { "Vaults" }
        @if cards.is_empty() { section.card {
            p { "No vault is watched: what arrived is known from the hosts' own reports alone." }
            p { b { "Next step: " } "on the vault " code { "vow vault join-token --role console" } ", on this console's machine " code { "vow console vault add NAME TOKEN" } "." }
        } }
        div.row { @for (vault, outlook) in &cards {
            section.card {
                h2 { a href={ "/vaults/" (vault.id) } { (plain(&vault.name)) } " " (state(vault)) }
                @if let (Some(total), Some(free)) = (vault.total_bytes, vault.free_bytes) {
                    p { (bytes(free)) " free of " (bytes(total)) ", " (left(outlook)) }
                    meter aria-label="Space in use" min="0" max=(total) high=(total / 10 * 9) value=(total - free) {}
                }
                p.soft { "answered " (maybe_ago(vault.answered_secs, now)) @if let Some(status) = &vault.status { ", " (count(i64::try_from(status.counts.snapshots).unwrap_or(0))) " snapshots of " (status.counts.hosts) " hosts" } }
                @if let Some(error) = &vault.error { p { (plain(error)) } }
            }
        } }
    };
    Ok(layout::page("Vaults", "/vaults", &who, body))
}

pub(super) async fn vault(State(app): State<Arc<App>>, who: Who, Path(id): Path<i64>) -> Page {
    who.need(Right::SeeVaults)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let vault = vaults::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let outlook = outlook(&mut conn, &vault, now).await?;
    let hosts = vaults::hosts(&mut conn, id, 200).await?;
    let tenant = vaults::tenant_of(&mut conn, &vault).await?;
    let open = rows::of_vault(&mut conn, who.scope, &tenant, &vault.name).await?;
    let record = audits::vault_records(&mut conn).await?.remove(&id).unwrap_or_default();
    let points: Vec<_> =
        outlook.usage.iter().map(|usage| (day_of(usage.at_secs), usage.used_bytes as f64)).collect();
    let limit = outlook.usage.last().map(|usage| usage.total_bytes as f64);
    let ahead = match points.last() {
        Some((day, used)) if outlook.per_day > 0.0 => vec![(day + 30, used + 30.0 * outlook.per_day)],
        _ => vec![],
    };
    let status = vault.status.clone().unwrap_or_default();
    let body = html! {
        (layout::trail(&[("/vaults".into(), "Vaults".into())]))
        h1 { (plain(&vault.name)) " " (state(&vault)) }
        @if !open.is_empty() { section.card { h2 { "Open tickets" } (tickets::some(&open, now)) } }
        @if let Some(how) = vault.set_back.as_ref().or(vault.error.as_ref()) {
            section.card { h2 { "What is wrong" } p { (plain(how)) }
                @if vault.set_back.is_some() { p { b { "Next step: " } "find out who restored or changed it before anything is removed anywhere. When you know why: " code { "vow console vault read-anew " (plain(&vault.name)) } } }
            }
        }
        section.card {
            (layout::facts(&[
                ("Address", html! { (plain(&vault.address)) }),
                ("Fingerprint", html! { code { (plain(&vault.fingerprint)) } }),
                ("For", html! { @if tenant.is_empty() { "all tenants" } @else { (plain(&tenant)) } }),
                ("Answered", maybe_ago(vault.answered_secs, now)),
                ("Program", html! { (plain(&status.software)) }),
                ("Ledger read to", html! { (count(vault.position)) " " code { (short(vault.head.as_deref().unwrap_or("—"))) } }),
                ("Kept snapshots compared", maybe_ago(Some(vault.reconciled_secs).filter(|at| *at > 0), now)),
                ("Everything read again", maybe_ago(vault.scrubbed_secs, now)),
                ("Space", html! { @match (vault.free_bytes, vault.total_bytes) { (Some(free), Some(total)) => { (bytes(free)) " free of " (bytes(total)) } _ => { @if vault.status.is_some() { "without an end" } @else { "not known yet" } } } }),
                ("Forecast", html! { (left(&outlook)) @if outlook.per_day > 0.0 { ", " (bytes(outlook.per_day as i64)) " a day" } }),
                ("Place", html! { @if record.place.name.is_empty() { span.none { "not written down" } } @else { (plain(&record.place.name)) } }),
            ]))
            p { a href={ "/vaults/" (id) "/record" } { "What is written down about it: place, medium, lock" } }
        }
        @if !status.findings.is_empty() {
            section.card { h2 { "What the vault itself has found" } ul.list { @for finding in &status.findings { li { (plain(&finding.message)) " " span.soft { (plain(&finding.kind)) ", since " (stamp(finding.since / 1_000_000_000)) } } } } }
        }
        section.card { (Chart { title: "Space in use, and in 30 days", points, ahead, limit, write: |value| bytes(value as i64) }.draw()) }
        section.card {
            h2 { "Hosts" small { "the largest first" } }
            @if hosts.is_empty() { p.none { "No host has anything here, as far as this console knows." } }
            @else { div.scroll { table {
                thead { tr { th { "Host" } th.number { "Snapshots" } th.number { "Stored" } th { "Newest" } } }
                tbody { @for host in &hosts {
                    tr {
                        td { (plain(&host.tenant)) " / " @match host.host_id { Some(id) => a href={ "/hosts/" (id) } { (plain(&host.name)) }, None => (plain(&host.name)) } @if host.revoked { " " (chip("idle", "shut out")) } }
                        td.number { (count(host.snapshots)) }
                        td.number { (bytes(host.bytes)) }
                        td { (maybe_ago(host.last_commit_secs, now)) }
                    }
                } }
            } } }
        }
    };
    Ok(layout::page(&vault.name, "/vaults", &who, body))
}
