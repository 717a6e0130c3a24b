//! One host: its sources, its last days, its tickets, its keys, what was found on it.

use super::draw::{chip, host_state, maybe_ago, outcome, plain, several, short, source_state, stamp};
use super::forms::Posted;
use super::grid::{DAYS, legend, strip};
use super::guard::{Done, Page, Who};
use super::{layout, tickets};
use crate::audit::desk::{self, HostStep};
use crate::auth::Right;
use crate::db::hosts::{self, Document, Host};
use crate::db::{day_of, sources, tickets as rows};
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};
use std::sync::Arc;

pub(super) async fn host(State(app): State<Arc<App>>, who: Who, Path(id): Path<i64>) -> Page {
    who.need(Right::See)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let host = hosts::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let all = sources::of_host(&mut conn, id).await?;
    let ids: Vec<i64> = all.iter().map(|source| source.id).collect();
    let levels = sources::levels(&mut conn, &ids).await?;
    let days = hosts::days(&mut conn, &[id], day_of(now) - DAYS + 1).await?;
    let wanted = rows::Wanted { host_id: Some(id), ..rows::Wanted::default() };
    let open = rows::list(&mut conn, who.scope, &wanted, 50, 0).await?;
    let keys = hosts::keys(&mut conn, id).await?;
    let inventory = hosts::document(&mut conn, id, Document::Inventory).await?;
    let audit = hosts::document(&mut conn, id, Document::Audit).await?;
    let facts = hosts::facts(&mut conn, id).await?;
    let alive = facts.alive.unwrap_or_default();
    let body = html! {
        (layout::trail(&[("/".into(), "Fleet".into()), (format!("/tenants/{}", host.tenant_id), host.tenant.clone())]))
        h1 { (plain(&host.name)) " " (host_state(&host)) }
        @if !open.is_empty() { section.card id="tickets" { h2 { "Open tickets" } (tickets::some(&open, now)) } }
        section.card {
            (layout::facts(&[
                ("Last heard", maybe_ago(host.heard_secs, now)),
                ("Program", html! { (plain(host.software.as_deref().unwrap_or("—"))) }),
                ("Reports waiting there", html! { (alive.waiting) }),
                ("Snapshots waiting there", html! { (alive.spooled_snapshots) }),
                ("Known since", html! { (stamp(host.created_secs)) }),
                ("Nothing expected until", html! { @match host.quiet_until_secs.filter(|until| *until > now) { Some(until) => (stamp(until)), None => "—" } }),
            ]))
        }
        section.card { h2 { "The last " (DAYS) " days" } (legend()) (strip(&days.iter().collect::<Vec<_>>(), day_of(now))) }
        section.card {
            h2 { "Sources" }
            @if all.is_empty() { p.none { "Nothing was reported yet: the host reports when its agent runs, and after each backup." } }
            div.scroll {
                table.wrap {
                    thead { tr { th { "Source" } th { "State" } th { "Last run" } th { "Next" } th { "Newest copy by level" } th { "Proven" } } }
                    tbody {
                        @for source in &all {
                            @let own: Vec<_> = levels.iter().filter(|level| level.source_id == source.id).collect();
                            tr {
                                td { a href={ "/sources/" (source.id) } { (plain(&source.name)) } " " span.soft { (plain(&source.source_type)) } }
                                td data-label="State" { (source_state(source)) }
                                td data-label="Last run" { (outcome(source.last_outcome.as_deref().unwrap_or(""))) " " (maybe_ago(source.last_started_secs, now)) }
                                td data-label="Next" { @match source.next_secs { Some(next) => (stamp(next)), None => span.none { "by hand" } } }
                                td data-label="Newest copy" { @for level in &own { div { (plain(&level.name)) ": " (super::sources::newest_copy(level, now)) } } }
                                td data-label="Proven" { (maybe_ago(own.iter().filter_map(|level| level.proven_secs).max(), now)) }
                            }
                        }
                    }
                }
            }
        }
        div.row {
            @if let Some((at, document)) = &inventory { (inventory_card(*at, document, now)) }
            @if let Some((at, document)) = &audit { (audit_card(id, *at, document, now)) }
            section.card {
                h2 { "Keys" }
                @for key in &keys {
                    p { code { (short(&key.key_id)) } ", " (plain(&key.origin)) ", since " (stamp(key.created_secs))
                        @if key.revoked_secs.is_some() { " " (chip("idle", "revoked")) } }
                }
                @if keys.is_empty() { p.none { "None: pings only." } }
            }
        }
        @if who.role.may(Right::Work) { (work(&who, &host)) }
    };
    Ok(layout::page(&host.name, "/", &who, body))
}

fn work(who: &Who, host: &Host) -> Markup {
    html! {
        section.card {
            h2 { "Maintenance" }
            div.row {
                form.inline method="post" {
                    (layout::token(who)) input type="hidden" name="do" value="quiet";
                    label { "Nothing is expected for (hours)" input type="number" name="hours" min="0" max="2160" value="4"; }
                    button.second type="submit" { "Be quiet" }
                }
                form.inline method="post" {
                    (layout::token(who))
                    @if host.closed_secs.is_some() {
                        input type="hidden" name="do" value="reopen";
                        button.second type="submit" { "Open this host again" }
                    } @else {
                        input type="hidden" name="do" value="close";
                        label { "Why it is gone for good" input type="text" name="reason" required maxlength="500"; }
                        button.danger type="submit" { "Close this host" }
                    }
                }
            }
        }
    }
}

/// The newest of what `vow discover` found: how much of it nothing covers.
fn inventory_card(at: i64, document: &serde_json::Value, now: i64) -> Markup {
    let items = document.get("ledger").and_then(|items| items.as_array());
    let uncovered =
        |item: &&serde_json::Value| item.get("state").and_then(|state| state.as_str()) == Some("unknown");
    html! {
        section.card {
            h2 { "Found on it" small { (maybe_ago(Some(at), now)) } }
            @if let Some(items) = items {
                p { (items.len()) " things, " (items.iter().filter(uncovered).count()) " without a source that covers them." }
            }
            details { summary { "The whole document" } pre { (plain(&pretty(document))) } }
        }
    }
}

fn audit_card(host_id: i64, at: i64, document: &serde_json::Value, now: i64) -> Markup {
    let audit = crate::audit::HostAudit::read(document);
    let open: Vec<_> = audit.findings.iter().filter(|one| !one.is_waived(now)).collect();
    html! {
        section.card {
            h2 { "Audit" small { (maybe_ago(Some(at), now)) } }
            p { a href=(format!("/hosts/{host_id}/audit")) { (several(open.len(), "finding", "findings")) } ", " (audit.findings.len() - open.len()) " accepted, " (audit.unknown) " things that nobody covers" }
            details { summary { "The whole document" } pre { (plain(&pretty(document))) } }
        }
    }
}

const DOCUMENT_CHARS_MAX: usize = 60_000;

fn pretty(document: &serde_json::Value) -> String {
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.chars().take(DOCUMENT_CHARS_MAX).collect()
}

pub(super) async fn change(State(app): State<Arc<App>>, Path(id): Path<i64>, posted: Posted) -> Done {
    let who = &posted.who;
    match posted.field("do") {
        "quiet" => {
            let hours: i64 =
                posted.field("hours").parse().map_err(|_| Error::Malformed("hours are a number".into()))?;
            crate::api::quiet_host(&app, who, id, hours).await?;
        }
        "close" => {
            let reason = posted.needed("reason", "why it is gone for good")?.to_owned();
            desk::change_host(&app, who, id, HostStep::Decommission { by: who.name.clone(), reason }).await?;
        }
        "reopen" => {
            desk::change_host(&app, who, id, HostStep::Recommission).await?;
        }
        _ => return Err(Error::Malformed("what is to be done?".into()).into()),
    }
    Ok(Redirect::to(&format!("/hosts/{id}")))
}
