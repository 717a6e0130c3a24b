//! What is due by the clock: vaults are asked, hosts and sources are looked at, tickets grow older, what is over goes.

use super::app::App;
use super::asking::Asking;
use super::deliver;
use super::error::Error;
use crate::apart::apart;
use crate::db::prune::{self, Terms};
use crate::db::tickets::InTransaction;
use crate::db::{DbError, audits, lease};
use crate::ingest;
use crate::tickets::Desk;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vow_base::sign::SigningKey;

/// How often something may be due.
const TICK: Duration = Duration::from_secs(10);
/// A tenant is held against its policy this often.
const AUDIT_SECS: i64 = 3600;
/// Tenants in one go: a lease must not end meanwhile.
const AUDIT_MAX: i64 = 50;
const PRUNE_SECS: i64 = 3600;
/// A lease that its holder does not renew ends after this time.
const LEASE_SECS: i64 = 180;

/// Does what is due until told to stop.
pub(super) async fn run(app: Arc<App>, key: Arc<SigningKey>, mut stop: watch::Receiver<bool>) {
    let holder = crate::auth::secret::random_id().unwrap_or_default();
    let mut asking = Asking::new(app.clone(), key, holder.clone());
    let mut tick =
        tokio::time::interval(TICK.min(app.config.ask_vaults_every.0).min(app.config.look_every.0));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        let work = async {
            asking.round().await;
            chore(&app, "looking at hosts", look(app.clone(), holder.clone())).await;
            chore(&app, "auditing", audit(app.clone(), holder.clone())).await;
            chore(&app, "testing the alarm path", deliver::test(app.clone(), holder.clone())).await;
            chore(&app, "tidying up", tidy(app.clone(), holder.clone())).await;
        };
        tokio::select! {
            () = work => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    asking.stop();
}

/// One that stumbles must not end the others, for ever and without a word.
async fn chore(app: &App, what: &str, work: impl Future<Output = Result<(), Error>> + Send + 'static) {
    let done = apart(work).await.unwrap_or_else(|error| Err(Error::Internal(error.to_string())));
    note(app, what, done);
}

pub(super) fn note(app: &App, what: &str, done: Result<(), Error>) {
    if let Err(error) = done {
        app.figures.chores_failed.inc();
        match &error {
            Error::Db(cause) => tracing::warn!(error = %cause, "{what} failed"),
            other => tracing::warn!(error = %other, "{what} failed"),
        }
    }
}

/// Takes the lease of a piece of work, or takes it again; gives whether it is ours.
pub(super) async fn renew(app: &App, name: &str, holder: &str) -> Result<bool, DbError> {
    let now = app.now();
    lease::take(&app.db, name, holder, now, now + LEASE_SECS).await
}

/// Whether a piece of work is ours now, and not done by anybody for `every` seconds.
pub(super) async fn is_ours(app: &App, name: &str, holder: &str, every: i64) -> Result<bool, DbError> {
    if !renew(app, name, holder).await? {
        return Ok(false);
    }
    let now = app.now();
    let done = format!("done/{name}");
    let mut conn = app.db.write().await?;
    let last: Option<i64> = crate::db::settings::get(&mut conn, &done).await?;
    // A clock that was set back must not stop everything.
    if last.is_some_and(|last| last <= now && now < last + every) {
        return Ok(false);
    }
    crate::db::settings::set(&mut conn, &done, &now).await?;
    conn.commit().await?;
    Ok(true)
}

async fn look(app: Arc<App>, holder: String) -> Result<(), Error> {
    if !is_ours(&app, "look", &holder, 0).await? {
        return Ok(());
    }
    let now = app.now();
    ingest::look(&app.db, &app.judge, now - app.config.look_every.secs(), now).await?;
    let desk = Desk { store: &app.db, settings: &app.judge.tickets, routes: &app.judge.routes };
    desk.tick(now).await.map_err(|error| Error::Internal(error.to_string()))?;
    Ok(())
}

/// Tenants whose turn it is, each in a transaction of its own.
async fn audit(app: Arc<App>, holder: String) -> Result<(), Error> {
    if !is_ours(&app, "audit", &holder, 0).await? {
        return Ok(());
    }
    let now = app.now();
    let due = audits::due(&mut app.read().await?, now - AUDIT_SECS, AUDIT_MAX).await?;
    for (id, name) in due {
        let store = InTransaction::begin(&app.db, &[]).await?;
        crate::audit::audit_tenant(&store, &app.judge, (id, &name), now).await?;
        store.into_conn().commit().await?;
    }
    Ok(())
}

async fn tidy(app: Arc<App>, holder: String) -> Result<(), Error> {
    if !is_ours(&app, "prune", &holder, PRUNE_SECS).await? {
        return Ok(());
    }
    let config = &app.config;
    let terms = Terms {
        runs_secs: config.keep_runs.secs(),
        problems_secs: config.keep_problems.secs(),
        days_secs: config.keep_days.secs(),
    };
    let removed = prune::all(&app.db, terms, app.now()).await?;
    if removed > 0 {
        tracing::info!(rows = removed, "what is over was removed");
    }
    Ok(())
}
