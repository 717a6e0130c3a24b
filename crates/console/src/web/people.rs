//! Users, tokens of programs, tokens with which hosts join, and addresses to ping.

use super::draw::{chip, maybe_ago, plain, stamp};
use super::forms::Posted;
use super::guard::{Page, Who};
use super::layout;
use crate::auth::{Right, Role};
use crate::db::{Scope, hosts, people, pings};
use crate::server::App;
use crate::server::error::Error;
use axum::extract::State;
use maud::{Markup, html};
use std::sync::Arc;

pub(super) async fn list(State(app): State<Arc<App>>, who: Who) -> Page {
    who.need(Right::Admit)?;
    show(&app, &who, None).await
}

/// The page, with what is shown once.
async fn show(app: &App, who: &Who, once: Option<(&str, String)>) -> Page {
    let now = app.now();
    let mut conn = app.read().await?;
    let users = people::users(&mut conn, who.scope).await?;
    let tokens = people::tokens(&mut conn, who.scope).await?;
    let addresses = pings::list(&mut conn, who.scope).await?;
    let tenants = hosts::tenants(&mut conn, who.scope).await?;
    let administers = who.role.may(Right::Administer);
    let base = app.config.web_base();
    let tenant_field = html! {
        label { "Tenant" select name="tenant" {
            @if who.scope == Scope::All { option value="" { "all" } }
            @for tenant in &tenants { option value=(tenant.name) { (plain(&tenant.name)) } }
        } }
    };
    let role_field = html! { label { "Role" select name="role" { @for role in Role::ALL.into_iter().rev() { option value=(role) { (role) } } } } };
    let form = |what: &str, inside: Markup| html! { form.inline method="post" { (layout::token(who)) input type="hidden" name="do" value=(what); (inside) } };
    let body = html! {
        h1 { "Access" }
        @if let Some((what, text)) = &once { section.card.flash { h2 { (what) } p { "It is shown this once." } pre { (text) } } }
        section.card {
            h2 { "Users" }
            div.scroll { table.wrap {
                thead { tr { th { "Name" } th { "Role" } th { "Tenant" } th { "Second factor" } th { "Last login" } th { "Change" } } }
                tbody { @for user in &users { tr {
                    td { (plain(&user.name)) @if user.disabled_secs.is_some() { " " (chip("idle", "shut out")) } }
                    td data-label="Role" { (user.role) }
                    td data-label="Tenant" { (plain(user.tenant.as_deref().unwrap_or("all"))) }
                    td data-label="Second factor" { @if user.second_factor { "yes" } @else { span.none { "no" } } }
                    td data-label="Last login" { (maybe_ago(user.last_login_secs, now)) }
                    td { @if administers {
                        (form(if user.disabled_secs.is_some() { "user-enable" } else { "user-disable" }, html! { input type="hidden" name="id" value=(user.id); button.quiet type="submit" { @if user.disabled_secs.is_some() { "Let in again" } @else { "Shut out" } } }))
                    } }
                } } }
            } }
            @if administers { (form("user-add", html! {
                label { "Name" input name="name" required maxlength="100"; }
                label { "Password" input type="password" name="password" autocomplete="new-password" required minlength="10"; }
                (role_field) (tenant_field)
                button type="submit" { "Add" }
            })) }
        }
        div.row {
            section.card {
                h2 { "Let a host in" }
                p.soft { "A token joins one host, within a day. Hosts of a vault that is watched come by themselves." }
                (form("join-token", html! {
                    label { "Tenant" input name="tenant" maxlength="63" required; }
                    label { "Name, if it is fixed" input name="name" maxlength="63"; }
                    button type="submit" { "Make a token" }
                }))
            }
            section.card {
                h2 { "Pings of other tools" }
                p.soft { "An address to ping when a backup ends; add /start, /log, /fail or the exit status. What is posted is kept and judged." }
                (form("ping", html! {
                    label { "Tenant" input name="tenant" maxlength="63" required; }
                    label { "Host" input name="host" maxlength="63" required; }
                    label { "Backup" input name="source" maxlength="100" required; }
                    label { "Tool" select name="parser" { @for parser in crate::import::Parser::WORDS { option value=(parser) { (parser) } } } }
                    label { "Due every … hours" input type="number" name="every" min="1" max="8784"; }
                    button type="submit" { "Make an address" }
                }))
                @if !addresses.is_empty() { ul.list { @for ping in &addresses { li {
                    (plain(&ping.tenant)) " / " (plain(&ping.host)) " / " a href={ "/sources/" (ping.source_id) } { (plain(&ping.source)) } ", " @match ping.pinged_secs { Some(_) => { "pinged " (maybe_ago(ping.pinged_secs, now)) } None => "never pinged" }
                    br; code { (base) "/ping/" (ping.uuid) }
                    (form("ping-revoke", html! { input type="hidden" name="id" value=(ping.id); button.quiet type="submit" { "End it" } }))
                } } } }
            }
        }
        @if administers {
            section.card {
                h2 { "Tokens of programs" }
                div.scroll { table.wrap {
                    thead { tr { th { "Name" } th { "Role" } th { "Made by" } th { "Ends" } th { "Last used" } th { "Change" } } }
                    tbody { @for token in &tokens { tr {
                        td { (plain(&token.name)) }
                        td data-label="Role" { (token.role) }
                        td data-label="Made by" { (plain(&token.created_by)) }
                        td data-label="Ends" { @match token.ends_secs { Some(at) => (stamp(at)), None => "never" } }
                        td data-label="Last used" { (maybe_ago(token.used_secs, now)) }
                        td { (form("token-revoke", html! { input type="hidden" name="id" value=(token.id); button.quiet type="submit" { "Revoke" } })) }
                    } } }
                } }
                (form("token-add", html! {
                    label { "Name" input name="name" required maxlength="100"; }
                    (role_field) (tenant_field)
                    label { "Days, 0 for ever" input type="number" name="days" min="0" max="3650" value="365"; }
                    button type="submit" { "Make a token" }
                }))
            }
        }
    };
    Ok(layout::page("Access", "/users", who, body))
}

pub(super) async fn change(State(app): State<Arc<App>>, posted: Posted) -> Page {
    let who = &posted.who;
    let id = || posted.field("id").parse::<i64>().map_err(|_| Error::Malformed("which one?".into()));
    let role = || posted.field("role").parse::<Role>().map_err(|error| Error::Malformed(error.to_string()));
    let text = |name: &str| Some(posted.field(name).to_owned()).filter(|text| !text.is_empty());
    let once = match posted.field("do") {
        "user-add" => {
            let new = crate::api::people::NewUser {
                name: posted.needed("name", "a name")?.to_owned(),
                password: posted.raw("password").to_owned().into(),
                role: role()?,
                tenant: text("tenant"),
            };
            crate::api::people::add_user(&app, who, &new).await?;
            None
        }
        "user-disable" => {
            crate::api::people::disable_user(&app, who, id()?, true).await?;
            None
        }
        "user-enable" => {
            crate::api::people::disable_user(&app, who, id()?, false).await?;
            None
        }
        "token-add" => {
            let days: i64 = posted.field("days").parse().unwrap_or(365);
            let new = crate::api::people::NewToken {
                name: posted.needed("name", "a name")?.to_owned(),
                role: role()?,
                tenant: text("tenant"),
                days: Some(days).filter(|days| *days > 0),
            };
            Some(("The new token", crate::api::people::add_token(&app, who, &new).await?.to_string()))
        }
        "token-revoke" => {
            crate::api::people::revoke_token(&app, who, id()?).await?;
            None
        }
        "join-token" => {
            let new =
                crate::api::people::NewJoinToken { tenant: text("tenant"), name: text("name"), hours: None };
            Some((
                "The token: on the host, `vow console join TOKEN`",
                crate::api::people::add_join_token(&app, who, &new).await?.to_string(),
            ))
        }
        "ping" => {
            let new = crate::api::NewPing {
                tenant: posted.needed("tenant", "a tenant")?.to_owned(),
                host: posted.needed("host", "a host")?.to_owned(),
                source: posted.needed("source", "a name of the backup")?.to_owned(),
                parser: text("parser"),
                every_secs: match posted.field("every") {
                    "" => None,
                    hours => Some(
                        hours.parse::<u16>().map_err(|_| Error::Malformed("hours are a number".into()))?,
                    )
                    .map(|hours| i64::from(hours) * 3600),
                },
            };
            crate::api::add_ping(&app, who, &new).await?;
            None
        }
        "ping-revoke" => {
            crate::api::revoke_ping(&app, who, id()?).await?;
            None
        }
        _ => return Err(Error::Malformed("what is to be done?".into()).into()),
    };
    show(&app, who, once).await
}
