//! Logging in and out, and what a person may change of themselves.

use super::draw::plain;
use super::forms::{Posted, fields};
use super::guard::{Done, Page, PageError, Who};
use super::layout;
use crate::auth::{password, secret, totp};
use crate::db::audit;
use crate::db::people::{self, User};
use crate::server::App;
use crate::server::caller::{COOKIE_NAME, WHOLE_SECS};
use crate::server::error::Error;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use maud::{Markup, html};
use std::sync::Arc;
use zeroize::Zeroizing;

const SLOT_SECS: i64 = 900;
const PER_NAME: i64 = 10;
const PER_ADDRESS: i64 = 30;

pub(super) async fn form() -> Markup {
    login_page(None)
}

fn login_page(wrong: Option<&str>) -> Markup {
    layout::bare(
        "Log in",
        html! {
            section.card {
                h1 { "Log in" }
                @if let Some(wrong) = wrong { p role="alert" { (wrong) } }
                form.stack method="post" action="/login" {
                    label { "Name" input name="name" autocomplete="username" required maxlength="100"; }
                    label { "Password" input type="password" name="password" autocomplete="current-password" required maxlength="1024"; }
                    label { "Code, if you have a second factor" input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="10"; }
                    button type="submit" { "Log in" }
                }
            }
        },
    )
}

pub(super) async fn login(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let address = crate::server::address_of(&app, &request);
    let mut typed = fields(request).await?;
    let mut take = |name: &str| Zeroizing::new(typed.remove(name).unwrap_or_default());
    let (name, password, code) = (take("name"), take("password"), take("code"));
    let now = app.now();
    let slot = now.div_euclid(SLOT_SECS) * SLOT_SECS;
    let (by_name, by_address) = (format!("login name {}", name.trim()), format!("login from {address}"));
    let mut conn = app.read().await?;
    limit(&mut conn, &by_name, &by_address, slot).await?;
    let user =
        people::user_by_name(&mut conn, name.trim()).await?.filter(|user| user.disabled_secs.is_none());
    drop(conn);
    let fits = password::check(password, user.as_ref().and_then(|user| user.password.clone())).await;
    let mut conn = app.db.write().await?;
    // Again: many may have asked at once, each before the first had failed.
    limit(&mut conn, &by_name, &by_address, slot).await?;
    let entered = match user.filter(|_| fits) {
        Some(user) => second_factor(&mut conn, &user, &code, now).await?.then_some(user),
        None => None,
    };
    let Some(user) = entered else {
        people::count_failure(&mut conn, &by_name, slot).await?;
        people::count_failure(&mut conn, &by_address, slot).await?;
        let object = format!("user {}", name.trim().chars().take(100).collect::<String>());
        let act = audit::Act {
            actor: "nobody",
            address: &address,
            action: "login.failed",
            object: &object,
            detail: "",
        };
        audit::note(&mut conn, None, act, now).await?;
        conn.commit().await?;
        let wrong = "Name, password or code is wrong. A code is good once: wait for the next one.";
        return Ok((http::StatusCode::UNAUTHORIZED, login_page(Some(wrong))).into_response());
    };
    people::forget_failures(&mut conn, &by_name).await?;
    let entered = begin(&app, &mut conn, &user, &address, "login", now).await?;
    conn.commit().await?;
    Ok(entered)
}

/// Refuses whoever has failed too often.
async fn limit(conn: &mut crate::db::Conn, by_name: &str, by_address: &str, slot: i64) -> Result<(), Error> {
    let since = slot - SLOT_SECS + 1;
    if people::failures(conn, by_name, since).await? >= PER_NAME
        || people::failures(conn, by_address, since).await? >= PER_ADDRESS
    {
        return Err(Error::Limit);
    }
    Ok(())
}

/// Begins a session of somebody who has shown who they are, within the transaction that decided so.
pub(super) async fn begin(
    app: &App,
    conn: &mut crate::db::Conn,
    user: &User,
    address: &str,
    action: &str,
    now: i64,
) -> Result<Response, Error> {
    let cookie = random()?;
    people::begin_session(conn, &secret::hash(&cookie), user.id, &random()?, address, WHOLE_SECS, now)
        .await?;
    let actor = format!("user {}", user.name);
    let act = audit::Act { actor: &actor, address, action, object: &actor, detail: "" };
    audit::note(conn, user.tenant_id, act, now).await?;
    Ok(([(SET_COOKIE, cookie_text(app, &cookie, WHOLE_SECS))], Redirect::to("/")).into_response())
}

fn random() -> Result<Zeroizing<String>, Error> {
    secret::random().map_err(|error| Error::Internal(error.to_string()))
}

/// Whether the second factor is right, or none is needed. Its code is used up.
async fn second_factor(conn: &mut crate::db::Conn, user: &User, code: &str, now: i64) -> Result<bool, Error> {
    let Some(shared) = &user.totp_secret else { return Ok(true) };
    match totp::step_of(shared, code, now) {
        Some(step) => Ok(people::use_totp_step(conn, user.id, step).await?),
        None => Ok(false),
    }
}

fn cookie_text(app: &App, value: &str, secs: i64) -> String {
    let secure = if app.config.is_secure() { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={value}; Path=/; Max-Age={secs}; HttpOnly; SameSite=Lax{secure}")
}

pub(super) async fn logout(State(app): State<Arc<App>>, posted: Posted) -> Result<Response, PageError> {
    let now = app.now();
    if let Some(session) = &posted.who.session {
        let mut conn = app.db.write().await?;
        people::end_session(&mut conn, &session.id).await?;
        posted.who.note(&mut conn, None, "logout", &posted.who.actor, "", now).await?;
        conn.commit().await?;
    }
    Ok(([(SET_COOKIE, cookie_text(&app, "", 0))], Redirect::to("/login")).into_response())
}

pub(super) async fn me(State(app): State<Arc<App>>, who: Who) -> Page {
    let session = who.session.clone().ok_or(Error::Forbidden)?;
    let user = people::user_by_id(&mut app.read().await?, session.user.id).await?.ok_or(Error::Absent)?;
    // Offered with the form, and kept only when a code of it comes back.
    let offered = totp::generate().map_err(|error| Error::Internal(error.to_string()))?;
    let body = html! {
        h1 { (plain(&user.name)) " " small { (user.role) @if let Some(tenant) = &user.tenant { ", " (plain(tenant)) } } }
        div.row {
            section.card {
                h2 { "Another password" }
                form.stack method="post" {
                    (layout::token(&who)) input type="hidden" name="do" value="password";
                    label { "The one you have" input type="password" name="old" autocomplete="current-password" required; }
                    label { "The new one, at least " (password::CHARS_MIN) " characters" input type="password" name="new" autocomplete="new-password" required minlength="10" maxlength="1024"; }
                    button type="submit" { "Change" }
                }
                p.soft { "Your other sessions end." }
            }
            section.card {
                h2 { "Second factor" }
                @if user.second_factor {
                    p { "There is one: every login asks for a code." }
                    form.stack method="post" {
                        (layout::token(&who)) input type="hidden" name="do" value="totp-off";
                        label { "Your password" input type="password" name="old" autocomplete="current-password" required; }
                        button.danger type="submit" { "Take it away" }
                    }
                } @else {
                    p { "Enter this key into an authenticator (time-based, 6 digits, 30 seconds):" }
                    pre { (*offered) }
                    p { a href=(totp::link(&user.name, &offered)) { "Open it in an authenticator on this device" } }
                    form.stack method="post" {
                        (layout::token(&who)) input type="hidden" name="do" value="totp-on"; input type="hidden" name="secret" value=(*offered);
                        label { "The code that it shows now" input name="code" inputmode="numeric" autocomplete="one-time-code" required maxlength="10"; }
                        label { "Your password" input type="password" name="old" autocomplete="current-password" required; }
                        button type="submit" { "Use it from now on" }
                    }
                }
            }
        }
    };
    Ok(layout::page("You", "/me", &who, body))
}

pub(super) async fn change(State(app): State<Arc<App>>, posted: Posted) -> Done {
    let session = posted.who.session.clone().ok_or(Error::Forbidden)?;
    let now = app.now();
    let user = people::user_by_id(&mut app.read().await?, session.user.id).await?.ok_or(Error::Absent)?;
    let by_name = format!("login name {}", user.name);
    let slot = now.div_euclid(SLOT_SECS) * SLOT_SECS;
    if people::failures(&mut app.read().await?, &by_name, slot - SLOT_SECS + 1).await? >= PER_NAME {
        return Err(Error::Limit.into());
    }
    let old = Zeroizing::new(posted.raw("old").to_owned());
    if !password::check(old, user.password.clone()).await {
        let mut conn = app.db.write().await?;
        people::count_failure(&mut conn, &by_name, slot).await?;
        conn.commit().await?;
        return Err(Error::Malformed("your password is another one".into()).into());
    }
    let mut conn;
    let action = match posted.field("do") {
        "password" => {
            let new = Zeroizing::new(posted.raw("new").to_owned());
            let hashed = tokio::task::spawn_blocking(move || password::hash(&new)).await;
            let hashed = hashed.map_err(|error| Error::Internal(error.to_string()))?;
            let hashed = hashed.map_err(|error| Error::Malformed(error.to_string()))?;
            conn = app.db.write().await?;
            people::set_password(&mut conn, user.id, &hashed, &session.id).await?;
            "user.password"
        }
        "totp-on" => {
            let shared = Zeroizing::new(posted.field("secret").to_owned());
            let step = totp::step_of(&shared, posted.field("code"), now);
            let step = step.ok_or_else(|| {
                Error::Malformed("this is not the code of that key: nothing was changed".into())
            })?;
            conn = app.db.write().await?;
            people::set_totp(&mut conn, user.id, Some(&shared)).await?;
            people::use_totp_step(&mut conn, user.id, step).await?;
            "user.totp-on"
        }
        "totp-off" => {
            conn = app.db.write().await?;
            people::set_totp(&mut conn, user.id, None).await?;
            "user.totp-off"
        }
        _ => return Err(Error::Malformed("what is to be done?".into()).into()),
    };
    posted.who.note(&mut conn, user.tenant_id, action, &format!("user {}", user.name), "", now).await?;
    conn.commit().await?;
    Ok(Redirect::to("/me"))
}
