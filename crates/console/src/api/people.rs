//! Users and tokens.

use super::gate::{Answer, Known, List, Named, Sent};
use crate::auth::{Right, Role, password, secret};
use crate::db::people::{self as rows, Token, User};
use crate::db::{Conn, hosts};
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::error::Error;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use vow_base::Fingerprint;
use vow_protocol::limits::is_name;
use vow_protocol::{JoinSecret, JoinToken};
use zeroize::Zeroizing;

/// A new user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name.
    pub name: String,
    /// The password.
    #[serde(deserialize_with = "secret_text")]
    pub password: Zeroizing<String>,
    /// What they may do.
    pub role: Role,
    /// The only tenant that they see.
    pub tenant: Option<String>,
}

fn secret_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// A new token of a program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only tenant that it sees.
    pub tenant: Option<String>,
    /// How long it lasts; for ever when nothing is said.
    pub days: Option<i64>,
}

/// A new token with which a host joins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJoinToken {
    /// The tenant that the host gets.
    pub tenant: Option<String>,
    /// The name that it must have.
    pub name: Option<String>,
    /// How long it can be used; a day when nothing is said.
    pub hours: Option<i64>,
}

const NAME_CHARS_MAX: usize = 100;

fn proper(name: &str) -> Result<&str, Error> {
    let good = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.chars().any(char::is_control)
        && name.trim() == name;
    if good { Ok(name) } else { Err(Error::Malformed("a name has 1 to 100 characters".into())) }
}

/// The tenant that somebody new is of: within the scope of whoever makes them.
async fn tenant(
    conn: &mut Conn,
    who: &Caller,
    role: Role,
    wanted: Option<&str>,
) -> Result<Option<i64>, Error> {
    let id = match wanted {
        Some(name) => {
            let id = hosts::find_tenant(conn, name).await?;
            Some(
                id.filter(|id| who.scope.has(*id))
                    .ok_or_else(|| Error::Malformed(format!("there is no tenant {name:?}")))?,
            )
        }
        None => who.scope.tenant(),
    };
    if role == Role::Customer && id.is_none() {
        return Err(Error::Malformed("a customer needs a tenant".into()));
    }
    Ok(id)
}

/// Adds a user.
pub async fn add_user(app: &App, who: &Caller, new: &NewUser) -> Result<i64, Error> {
    who.need(Right::Administer)?;
    let name = proper(&new.name)?;
    let typed = new.password.clone();
    let hashed = tokio::task::spawn_blocking(move || password::hash(&typed)).await;
    let hashed = hashed
        .map_err(|error| Error::Internal(error.to_string()))?
        .map_err(|error| Error::Malformed(error.to_string()))?;
    let mut conn = app.db.write().await?;
    let tenant_id = tenant(&mut conn, who, new.role, new.tenant.as_deref()).await?;
    let id = rows::add_user(&mut conn, name, new.role, tenant_id, &hashed, app.now()).await?;
    let id = id.ok_or_else(|| Error::Conflict(format!("there is a user {name:?} already")))?;
    who.note(&mut conn, tenant_id, "user.add", &format!("user {name}"), new.role.word(), app.now()).await?;
    conn.commit().await?;
    Ok(id)
}

/// Shuts a user out, or lets them in again.
pub async fn disable_user(app: &App, who: &Caller, id: i64, disabled: bool) -> Result<(), Error> {
    who.need(Right::Administer)?;
    let mut conn = app.db.write().await?;
    let user = rows::user_by_id(&mut conn, id).await?.ok_or(Error::Absent)?;
    if who.scope.tenant().is_some() && user.tenant_id != who.scope.tenant() {
        return Err(Error::Absent);
    }
    if who.session.as_ref().is_some_and(|session| session.user.id == id) {
        return Err(Error::Conflict("nobody shuts themselves out".into()));
    }
    rows::disable(&mut conn, id, disabled.then(|| app.now())).await?;
    let action = if disabled { "user.disable" } else { "user.enable" };
    who.note(&mut conn, user.tenant_id, action, &format!("user {}", user.name), "", app.now()).await?;
    conn.commit().await?;
    Ok(())
}

/// Makes a token of a program; the only time that it is seen.
pub async fn add_token(app: &App, who: &Caller, new: &NewToken) -> Result<Zeroizing<String>, Error> {
    who.need(Right::Administer)?;
    let name = proper(&new.name)?;
    let made = secret::random().map_err(|error| Error::Internal(error.to_string()))?;
    let mut conn = app.db.write().await?;
    let tenant_id = tenant(&mut conn, who, new.role, new.tenant.as_deref()).await?;
    let now = app.now();
    let ends_secs = new.days.map(|days| now + days.clamp(1, 36_500) * 86_400);
    let hash = secret::hash(&made);
    let row = rows::NewToken { hash: &hash, name, role: new.role, tenant_id, by: &who.actor, ends_secs };
    rows::add_token(&mut conn, &row, now).await?;
    who.note(&mut conn, tenant_id, "token.add", &format!("token {name}"), new.role.word(), now).await?;
    conn.commit().await?;
    Ok(made)
}

/// Revokes a token.
pub async fn revoke_token(app: &App, who: &Caller, id: i64) -> Result<(), Error> {
    who.need(Right::Administer)?;
    let mut conn = app.db.write().await?;
    if !rows::revoke_token(&mut conn, who.scope, id, app.now()).await? {
        return Err(Error::Absent);
    }
    who.note(&mut conn, None, "token.revoke", &format!("token number {id}"), "", app.now()).await?;
    conn.commit().await?;
    Ok(())
}

/// Makes a token with which a host joins; the only time that it is seen.
pub async fn add_join_token(app: &App, who: &Caller, new: &NewJoinToken) -> Result<Zeroizing<String>, Error> {
    who.need(Right::Admit)?;
    let address = app.config.address.clone();
    let address = address.ok_or_else(|| {
        Error::Conflict("console.toml does not say where hosts reach this console: set address".into())
    })?;
    if [&new.tenant, &new.name].into_iter().flatten().any(|name| !is_name(name)) {
        return Err(Error::Malformed("tenant and name are 1 to 63 characters of a-z 0-9 . _ -".into()));
    }
    let made = JoinSecret::generate().map_err(|error| Error::Internal(error.to_string()))?;
    let mut conn = app.db.write().await?;
    let now = app.now();
    if let Some(own) = who.scope.tenant() {
        let known = match &new.tenant {
            Some(name) => hosts::find_tenant(&mut conn, name).await?,
            None => None,
        };
        if known != Some(own) {
            return Err(Error::Malformed("the tenant must be your own".into()));
        }
    }
    let ends_secs = now + new.hours.unwrap_or(24).clamp(1, 24 * 365) * 3600;
    let (hash, object) = (
        made.name(),
        format!("host {}/{}", new.tenant.as_deref().unwrap_or("*"), new.name.as_deref().unwrap_or("*")),
    );
    let row = rows::NewJoinToken {
        hash: &hash,
        tenant: new.tenant.as_deref(),
        name: new.name.as_deref(),
        by: &who.actor,
        ends_secs,
    };
    rows::add_join_token(&mut conn, &row, now).await?;
    who.note(&mut conn, None, "join-token.add", &object, "", now).await?;
    conn.commit().await?;
    Ok(JoinToken { address, fingerprint: Fingerprint::of(&app.public_key), secret: made }.text())
}

pub(super) async fn users(State(app): State<Arc<App>>, who: Known) -> Answer<List<User>> {
    who.need(Right::Admit)?;
    Ok(Json(List::of(rows::users(&mut app.read().await?, who.scope).await?)))
}

pub(super) async fn post_user(
    State(app): State<Arc<App>>,
    who: Known,
    Sent(new): Sent<NewUser>,
) -> Answer<Value> {
    Ok(Json(json!({"id": add_user(&app, &who, &new).await?})))
}

/// Whether a user is shut out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disable {
    disabled: bool,
}

pub(super) async fn post_disable(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
    Sent(sent): Sent<Disable>,
) -> Answer<Value> {
    disable_user(&app, &who, id, sent.disabled).await?;
    Ok(Json(json!({"done": true})))
}

pub(super) async fn tokens(State(app): State<Arc<App>>, who: Known) -> Answer<List<Token>> {
    who.need(Right::Administer)?;
    Ok(Json(List::of(rows::tokens(&mut app.read().await?, who.scope).await?)))
}

pub(super) async fn post_token(
    State(app): State<Arc<App>>,
    who: Known,
    Sent(new): Sent<NewToken>,
) -> Answer<Value> {
    Ok(Json(json!({"token": *add_token(&app, &who, &new).await?})))
}

pub(super) async fn post_revoke(
    State(app): State<Arc<App>>,
    who: Known,
    Named(id): Named<i64>,
) -> Answer<Value> {
    revoke_token(&app, &who, id).await?;
    Ok(Json(json!({"done": true})))
}

pub(super) async fn post_join_token(
    State(app): State<Arc<App>>,
    who: Known,
    Sent(new): Sent<NewJoinToken>,
) -> Answer<Value> {
    Ok(Json(json!({"token": *add_join_token(&app, &who, &new).await?})))
}
