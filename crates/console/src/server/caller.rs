//! Who asks: a person with a session, or a program with a token.

use super::app::App;
use super::client_address;
use super::error::Error;
use super::speak::Peer;
use crate::auth::{Right, Role, secret};
use crate::db::people::{self, Session};
use crate::db::{Conn, DbError, Scope, audit};
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;

/// The cookie of a session.
pub(crate) const COOKIE_NAME: &str = "vow_session";
/// A session ends after this time without use, …
pub(crate) const IDLE_SECS: i64 = 12 * 3600;
/// … and after this time in all.
pub(crate) const WHOLE_SECS: i64 = 7 * 86_400;
/// How often it is written down that a session or a token is in use.
const TOUCH_SECS: i64 = 300;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `user NAME` or `token NAME`, for the audit log.
    pub actor: String,
    /// The name alone.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What they may see.
    pub scope: Scope,
    /// From where.
    pub address: String,
    /// The session, of a person.
    pub session: Option<Session>,
}

impl Caller {
    /// Refuses whoever may not do this.
    pub fn need(&self, right: Right) -> Result<(), Error> {
        if self.role.may(right) { Ok(()) } else { Err(Error::Forbidden) }
    }

    /// Writes down what they did, within the transaction that does it.
    pub async fn note(
        &self,
        conn: &mut Conn,
        tenant_id: Option<i64>,
        action: &str,
        object: &str,
        detail: &str,
        now: i64,
    ) -> Result<(), DbError> {
        let act = audit::Act { actor: &self.actor, address: &self.address, action, object, detail };
        audit::note(conn, tenant_id.or(self.scope.tenant()), act, now).await
    }

    /// What every form of the session carries.
    pub fn form_token(&self) -> &str {
        self.session.as_ref().map_or("", |session| &session.form_token)
    }
}

/// Who asks, by a session's cookie or a token; `None` when nobody does.
pub async fn caller(app: &App, parts: &Parts) -> Result<Option<Caller>, Error> {
    let address = client_address::of(app, parts.extensions.get::<Peer>(), &parts.headers);
    let now = app.now();
    if let Some(token) = bearer(&parts.headers) {
        let mut conn = app.read().await?;
        let Some(token) = people::token_by_hash(&mut conn, &secret::hash(token), now).await? else {
            return Ok(None);
        };
        drop(conn);
        if token.used_secs.is_none_or(|used| used < now - TOUCH_SECS) {
            let mut conn = app.db.write().await?;
            people::touch_token(&mut conn, token.id, now).await?;
            conn.commit().await?;
        }
        return Ok(Some(Caller {
            actor: format!("token {}", token.name),
            name: token.name,
            role: token.role,
            scope: token.tenant_id.map_or(Scope::All, Scope::Tenant),
            address,
            session: None,
        }));
    }
    let Some(cookie) = cookie(&parts.headers) else { return Ok(None) };
    let mut conn = app.read().await?;
    let Some(session) = people::session(&mut conn, &secret::hash(cookie), IDLE_SECS, now).await? else {
        return Ok(None);
    };
    drop(conn);
    if session.used_secs < now - TOUCH_SECS {
        let mut conn = app.db.write().await?;
        people::touch_session(&mut conn, &session.id, now).await?;
        conn.commit().await?;
    }
    let user = &session.user;
    Ok(Some(Caller {
        actor: format!("user {}", user.name),
        name: user.name.clone(),
        role: user.role,
        scope: user.tenant_id.map_or(Scope::All, Scope::Tenant),
        address,
        session: Some(session),
    }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Whether a request that changes something was made by a page of this console: what a browser says of that, where it says something.
pub(crate) fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, origin)| origin == host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ones_own_change_anything() {
        let good = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, http::HeaderValue::from_static(value));
            }
            same_origin(&headers)
        };
        assert!(good(&[]));
        assert!(good(&[
            ("origin", "https://c.example"),
            ("host", "c.example"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!good(&[("origin", "https://evil.example"), ("host", "c.example")]));
        assert!(!good(&[("origin", "null"), ("host", "c.example")]));
        assert!(!good(&[("sec-fetch-site", "cross-site")]));
        assert!(!good(&[("sec-fetch-site", "same-site")]));
    }
}
