//! What whoever has the console's folder may do from the command line: the same as an administrator in the web.

pub use crate::api::people::{
    NewJoinToken, NewToken, NewUser, add_join_token, add_token, add_user, disable_user, revoke_token,
};
pub use crate::api::{NewPing, add_ping, revoke_ping};
pub use crate::web::apply;

use crate::auth::{Role, password};
use crate::db::{Scope, people};
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::error::Error;

/// Whoever sits at the machine.
pub fn at_the_machine() -> Caller {
    Caller {
        actor: "command".into(),
        name: std::env::var("USER").unwrap_or_else(|_| "command".into()),
        role: Role::Administrator,
        scope: Scope::All,
        address: "-".into(),
        session: None,
    }
}

/// Gives a user another password, and takes the second factor away: for whoever has lost both.
pub async fn reset_user(app: &App, who: &Caller, name: &str, new: &str) -> Result<(), Error> {
    let hashed = password::hash(new).map_err(|error| Error::Malformed(error.to_string()))?;
    let mut conn = app.db.write().await?;
    let user = people::user_by_name(&mut conn, name).await?.ok_or(Error::Absent)?;
    people::set_password(&mut conn, user.id, &hashed, "").await?;
    people::set_totp(&mut conn, user.id, None).await?;
    who.note(&mut conn, user.tenant_id, "user.reset", &format!("user {name}"), "", app.now()).await?;
    Ok(conn.commit().await?)
}
