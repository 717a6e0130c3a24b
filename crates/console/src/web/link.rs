//! Logging in once with a link, for whoever sits at the console's machine: made by a command, good for one use and a short time.
//!
//! Opening it changes nothing (browsers and programs look at links beforehand): the page that it shows asks for one click.

use super::forms::fields;
use super::guard::PageError;
use super::{layout, login};
use crate::auth::{Right, secret};
use crate::db::{people, settings};
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::error::Error;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Settings with this name are links; behind it stands the hash of the secret.
const NAME: &str = "login-link ";

/// Whom a link lets in, and how long.
#[derive(Serialize, Deserialize)]
struct Link {
    user_id: i64,
    ends_secs: i64,
}

/// Makes a link with which a user logs in once, without a password or a second factor. It takes the place of any that was made before.
/// Gives the path of it, which is a secret.
///
/// # Errors
/// When there is no such user, or whoever asks may not.
pub async fn add_login_link(
    app: &App,
    who: &Caller,
    user: &str,
    secs: i64,
) -> Result<Zeroizing<String>, Error> {
    who.need(Right::Administer)?;
    let made = secret::random().map_err(|error| Error::Internal(error.to_string()))?;
    let mut conn = app.db.write().await?;
    let user = people::user_by_name(&mut conn, user).await?.filter(|user| user.disabled_secs.is_none());
    let user = user.ok_or(Error::Absent)?;
    settings::clear(&mut conn, NAME).await?;
    let link = Link { user_id: user.id, ends_secs: app.now() + secs };
    settings::set(&mut conn, &format!("{NAME}{}", secret::hash(&made)), &link).await?;
    who.note(&mut conn, user.tenant_id, "login-link.add", &format!("user {}", user.name), "", app.now())
        .await?;
    conn.commit().await?;
    Ok(Zeroizing::new(format!("/login/link/{}", *made)))
}

/// What the link shows. Whether it is good is said when it is used.
pub(super) async fn form(Path(secret): Path<String>) -> Markup {
    layout::bare(
        "Log in",
        html! {
            section.card {
                h1 { "Log in" }
                p { "This link is good for one login." }
                form.stack method="post" action="/login/link" {
                    input type="hidden" name="secret" value=(secret);
                    button type="submit" { "Log in" }
                }
            }
        },
    )
}

/// Uses it up.
pub(super) async fn login(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let address = crate::server::address_of(&app, &request);
    let mut typed = fields(request).await?;
    let shown = Zeroizing::new(typed.remove("secret").unwrap_or_default());
    let now = app.now();
    let mut conn = app.db.write().await?;
    let link: Option<Link> = settings::take(&mut conn, &format!("{NAME}{}", secret::hash(&shown))).await?;
    let user = match link.filter(|link| link.ends_secs > now) {
        Some(link) => people::user_by_id(&mut conn, link.user_id).await?,
        None => None,
    };
    let Some(user) = user.filter(|user| user.disabled_secs.is_none()) else {
        conn.commit().await?;
        let page = layout::bare(
            "Log in",
            html! {
                section.card {
                    h1 { "This link is used up" }
                    p role="alert" { "A link is good once and for a short time. Make another one at the machine, or log in with a password." }
                    p { a href="/login" { "Log in with a password" } }
                }
            },
        );
        return Ok((http::StatusCode::UNAUTHORIZED, page).into_response());
    };
    let entered = login::begin(&app, &mut conn, &user, &address, "login.link", now).await?;
    conn.commit().await?;
    Ok(entered)
}
