//! What whoever has the console's folder may do from the command line: the same as an administrator in the web.

pub use crate::api::people::{
    NewJoinToken, NewToken, NewUser, add_join_token, add_token, add_user, disable_user, revoke_token,
};
pub use crate::api::{NewPing, add_ping, revoke_ping};
pub use crate::web::{add_login_link, apply};

use crate::auth::{Right, Role, password};
use crate::db::tickets::{self, InTransaction};
use crate::db::vaults::{self, Vault};
use crate::db::{Conn, Scope, hosts, people};
use crate::ingest::{Arrived, IngestError, act};
use crate::records::Action;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::error::Error;
use vow_base::id::hex;
use vow_base::sign::PublicKey;
use vow_protocol::report::Report;

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

/// Makes the key of a host known: what a token does for a host elsewhere, for the one that this console is made on.
pub async fn enrol(app: &App, who: &Caller, key: &PublicKey, tenant: &str, name: &str) -> Result<(), Error> {
    let (now, id) = (app.now(), key.host_id().to_string());
    let mut conn = app.db.write().await?;
    let tenant_id = hosts::tenant_id(&mut conn, tenant, now).await?;
    let host_id = hosts::host_id(&mut conn, tenant_id, name, now).await?;
    if hosts::host_of_key(&mut conn, &id).await?.is_some_and(|known| known != host_id) {
        return Err(Error::Conflict("this key is another host here already".into()));
    }
    if hosts::enrol(&mut conn, host_id, &id, &hex(&key.0), "command", now).await? {
        who.note(&mut conn, Some(tenant_id), "host.join", &format!("host {tenant}/{name}"), &id, now).await?;
    }
    Ok(conn.commit().await?)
}

/// Watches a vault no more. Nothing is asked of it from then on, so nothing else would ever end its tickets.
///
/// # Errors
/// [`Error::Absent`] when none is called so.
pub async fn remove_vault(app: &App, who: &Caller, name: &str) -> Result<(), Error> {
    who.need(Right::Administer)?;
    let now = app.now();
    let store = InTransaction::begin(&app.db, &[]).await?;
    let mut conn = store.lock().await;
    let vault = vault_named(&mut conn, who, name).await?;
    let tenant = vaults::tenant_of(&mut conn, &vault).await?;
    let open = tickets::of_vault(&mut conn, who.scope, &tenant, name).await?;
    vaults::remove(&mut conn, vault.id, now).await?;
    who.note(&mut conn, vault.tenant_id, "vault.remove", &format!("vault {name}"), "", now).await?;
    drop(conn);
    for ticket in open {
        let action = Action::Close { by: who.name.clone(), reason: "this vault is watched no more".into() };
        act(&store, &app.judge, Scope::All, &ticket.id, &action, now).await?;
    }
    Ok(store.into_conn().commit().await?)
}

/// Reads a vault's ledger from its beginning: it was made anew, and a person knows it.
///
/// # Errors
/// [`Error::Absent`] when none is called so.
pub async fn read_vault_anew(app: &App, who: &Caller, name: &str) -> Result<(), Error> {
    who.need(Right::Administer)?;
    let mut conn = app.db.write().await?;
    let vault = vault_named(&mut conn, who, name).await?;
    vaults::read_anew(&mut conn, vault.id).await?;
    who.note(&mut conn, vault.tenant_id, "vault.read-anew", &format!("vault {name}"), "", app.now()).await?;
    Ok(conn.commit().await?)
}

async fn vault_named(conn: &mut Conn, who: &Caller, name: &str) -> Result<Vault, Error> {
    let id = vaults::find(conn, who.scope, name).await?.ok_or(Error::Absent)?;
    vaults::get(conn, who.scope, id).await?.ok_or(Error::Absent)
}

/// Takes a report of a host that is known, as if it had come over the network: it is stored and judged when this returns.
///
/// # Errors
/// Why it was not stored; [`IngestError::Refused`] also when the key is not known.
pub async fn take(app: &App, key: &PublicKey, report: Report) -> Result<(), IngestError> {
    let known = hosts::by_key(&mut app.read().await?, &key.host_id().to_string()).await?;
    let known = known.ok_or_else(|| IngestError::Refused("this key is not known here".into()))?;
    app.queue.put(Arrived { known, report, output: None }).await
}
