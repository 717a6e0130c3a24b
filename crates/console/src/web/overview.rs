//! The fleet: every host, the worst first; tenants, and one of them.

use super::draw::{count, host_state, maybe_ago, plain, severity};
use super::grid::{DAYS, legend, strip};
use super::guard::{Page, Who};
use super::{layout, tickets};
use crate::auth::Right;
use crate::db::hosts::{self, HostDay, Wanted};
use crate::db::{Conn, Scope, day_of, sources, tickets as rows};
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

/// What is asked of the fleet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    least: i64,
    closed: bool,
    page: i64,
}

const PAGE_HOSTS: i64 = 50;
/// Proven within this time counts as proven.
pub(crate) const PROVEN_SECS: i64 = 35 * 86_400;

pub(super) async fn fleet(State(app): State<Arc<App>>, who: Who, Query(asked): Query<Asked>) -> Page {
    who.need(Right::See)?;
    let mut conn = app.read().await?;
    let body = html! {
        h1 { "Fleet" }
        (numbers(&mut conn, who.scope, "/", app.now()).await?)
        (worst(&mut conn, who.scope, app.now()).await?)
        (hosts_card(&mut conn, &who, who.scope, &asked, "/", app.now()).await?)
    };
    Ok(layout::page("Fleet", "/", &who, body))
}

/// The numbers that matter first.
async fn numbers(conn: &mut Conn, scope: Scope, at: &str, now: i64) -> Result<Markup, Error> {
    let hosts = hosts::severities(conn, scope).await?;
    let unheard = hosts::unheard(conn, scope).await?;
    let open = rows::severities(conn, scope).await?;
    let proven = sources::proven(conn, scope, now - PROVEN_SECS).await?;
    let debt = proven.sources - proven.proven;
    let board = scope.tenant().map_or_else(|| "/tickets".to_owned(), |id| format!("/tickets?tenant={id}"));
    Ok(html! {
        ul.numbers {
            li.bad { a href={ (at) "?least=3" } { b { (count(hosts[3])) } span { "hosts critical" } } }
            li.warn { a href={ (at) "?least=2" } { b { (count(hosts[2])) } span { "hosts with warnings" } } }
            li.good { b { (count(hosts[0] + hosts[1] - unheard)) } span { "hosts well" @if unheard > 0 { ", " (count(unheard)) " never heard" } } }
            li.note { a href=(board) { b { (count(open.iter().sum())) } span { "open tickets" } } }
            li class=(if debt > 0 { "warn" } else { "good" }) {
                a href="/proofs" { b { (count(proven.proven)) " of " (count(proven.sources)) } span { "sources proven in 35 days" } }
            }
        }
    })
}

/// Tickets that are shown before anything is asked.
const WORST: i64 = 5;

/// What is wrong now, since when, and what to do: for whoever was just woken.
async fn worst(conn: &mut Conn, scope: Scope, now: i64) -> Result<Markup, Error> {
    let found = rows::list(conn, scope, &rows::Wanted::default(), WORST, 0).await?;
    let number = rows::count(conn, scope, &rows::Wanted::default()).await?;
    Ok(html! {
        @if !found.is_empty() {
            section.card {
                h2 { "What is wrong" small { "worst first" } }
                (tickets::items(&found, now))
                @if number > WORST { p { a href="/tickets" { "All " (count(number)) " tickets" } } }
            }
        }
    })
}

async fn hosts_card(
    conn: &mut Conn,
    who: &Who,
    scope: Scope,
    asked: &Asked,
    at: &str,
    now: i64,
) -> Result<Markup, Error> {
    let wanted = Wanted { text: asked.q.clone(), severity: asked.least, closed: asked.closed };
    let page = asked.page.clamp(0, 100_000);
    let found = hosts::list(conn, scope, &wanted, PAGE_HOSTS, page * PAGE_HOSTS).await?;
    let number = hosts::count(conn, scope, &wanted).await?;
    let none_at_all = found.is_empty() && {
        let all = Wanted { closed: true, ..Wanted::default() };
        hosts::count(conn, scope, &all).await? == 0
    };
    let ids: Vec<i64> = found.iter().map(|host| host.id).collect();
    let today = day_of(now);
    let days = hosts::days(conn, &ids, today - DAYS + 1).await?;
    let next = |page: i64| {
        let q = percent_encoding::utf8_percent_encode(&asked.q, percent_encoding::NON_ALPHANUMERIC);
        format!("{at}?q={q}&least={}&closed={}&page={page}", asked.least, asked.closed)
    };
    Ok(html! {
        section.card {
            h2 { "Hosts" small { (count(number)) ", worst first" } }
            form.inline method="get" action=(at) {
                label { "Name or tenant" input type="search" name="q" value=(plain(&asked.q)) maxlength="100"; }
                label { "At least"
                    select name="least" {
                        @for (value, word) in [(0, "any state"), (1, "notice"), (2, "warning"), (3, "critical")] {
                            option value=(value) selected[value == asked.least] { (word) }
                        }
                    }
                }
                label.tick { input type="checkbox" name="closed" value="true" checked[asked.closed]; "closed ones too" }
                button.second type="submit" { "Show" }
            }
            p {}
            @if found.is_empty() {
                @if none_at_all { (first_steps(who)) }
                @else { p.none { "No host is like that. " a href={ (at) "?closed=true" } { "Show all of them" } } }
            } @else { (legend()) }
            ul.fleet {
                @for host in &found {
                    @let own: Vec<&HostDay> = days.iter().filter(|day| day.host_id == host.id).collect();
                    li {
                        div.name { a href={ "/hosts/" (host.id) } { (plain(&host.name)) } small { (plain(&host.tenant)) } }
                        div { (host_state(host)) }
                        div.strip { (strip(&own, today)) }
                        div.when {
                            @if host.open_tickets > 0 { a href={ "/hosts/" (host.id) "#tickets" } { (host.open_tickets) " open" } @if host.heard_secs.is_some() { ", " } }
                            @if host.heard_secs.is_some() { "heard " (maybe_ago(host.heard_secs, now)) }
                        }
                    }
                }
            }
            div.pages {
                @if page > 0 { a href=(next(page - 1)) { "← before" } }
                @if (page + 1) * PAGE_HOSTS < number { a href=(next(page + 1)) { "more →" } }
            }
        }
    })
}

/// What to do when there is nothing yet.
fn first_steps(who: &Who) -> Markup {
    html! {
        p { "No host is known here yet." }
        @if who.role.may(Right::Admit) {
            ul.list {
                li { "A vault brings its hosts: on the vault " code { "vow vault join-token --role console" } ", on this console's machine " code { "vow console vault add NAME TOKEN" } "." }
                li { "A host joins by itself with a token from " a href="/users" { "Access" } ": on the host " code { "vow console join TOKEN" } "." }
                li { "Backups of other tools report to an address, from " a href="/users" { "Access" } " too." }
            }
        } @else { p { "Whoever runs this console lets hosts in." } }
    }
}

pub(super) async fn tenants(State(app): State<Arc<App>>, who: Who) -> Page {
    who.need(Right::See)?;
    let all = hosts::tenants(&mut app.read().await?, who.scope).await?;
    let body = html! {
        h1 { "Tenants" }
        section.card {
            @if all.is_empty() { p.none { "None yet: a tenant comes with its first " a href="/" { "host" } "." } }
            div.scroll {
                table {
                    thead { tr { th { "Tenant" } th { "State" } th.number { "Hosts" } th.number { "Open tickets" } } }
                    tbody {
                        @for tenant in &all {
                            tr {
                                td { a href={ "/tenants/" (tenant.id) } { (plain(&tenant.name)) } }
                                td { (severity(tenant.severity)) }
                                td.number { (count(tenant.hosts)) }
                                td.number { (count(tenant.open_tickets)) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(layout::page("Tenants", "/tenants", &who, body))
}

pub(super) async fn tenant(
    State(app): State<Arc<App>>,
    who: Who,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Page {
    who.need(Right::See)?;
    if !who.scope.has(id) {
        return Err(Error::Absent.into());
    }
    let mut conn = app.read().await?;
    let scope = Scope::Tenant(id);
    let tenant = hosts::tenants(&mut conn, scope).await?.pop().ok_or(Error::Absent)?;
    let open = rows::list(&mut conn, scope, &rows::Wanted::default(), 50, 0).await?;
    let at = format!("/tenants/{id}");
    let body = html! {
        (layout::trail(&[("/tenants".into(), "Tenants".into())]))
        h1 { (plain(&tenant.name)) }
        (numbers(&mut conn, scope, &at, app.now()).await?)
        p { a href=(format!("/tenants/{id}/audit")) { "Audit, policy and reports" } }
        @if !open.is_empty() { section.card { h2 { "Open tickets" } (tickets::some(&open, app.now())) } }
        (hosts_card(&mut conn, &who, scope, &asked, &at, app.now()).await?)
    };
    Ok(layout::page(&tenant.name, "/tenants", &who, body))
}
