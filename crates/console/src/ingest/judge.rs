//! What judging needs from the database, and what comes of it.

use crate::db::{Conn, DbError, hosts, proofs, settings, sources, tickets::InTransaction, vaults};
use crate::notify::route::Routes;
use crate::records::{Around, Judged, Ticket};
use crate::rules::{Settings, watch_host, watch_source, watch_vault};
use crate::tickets::{Desk, DeskError, TicketSettings};

/// Who is told, how tickets behave, and since when this console listens.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    /// Who is told.
    pub routes: Routes,
    /// How tickets behave.
    pub tickets: TicketSettings,
    /// Since when this console listens: nobody is silent before.
    pub listening_since_secs: i64,
}

/// The setting with the rules for all.
pub const RULES: &str = "rules";

impl Judge {
    /// The settings of rules for a source, or for everything else.
    pub async fn settings(&self, conn: &mut Conn, source_id: Option<i64>) -> Result<Settings, DbError> {
        let mut layers: Vec<serde_json::Value> = Vec::new();
        layers.extend(settings::get(conn, RULES).await?);
        if let Some(id) = source_id {
            layers.extend(sources::adjusted(conn, id).await?);
        }
        let made = Settings::layered(&layers).unwrap_or_else(|error| {
            // They were checked when they were set; those of a newer program may not be known here.
            tracing::warn!(%error, "settings of rules cannot be used, the usual ones are");
            Settings::default()
        });
        Ok(Settings { listening_since_secs: self.listening_since_secs, ..made })
    }

    /// Makes the tickets say what rules said; gives those that changed.
    pub async fn ticket(
        &self,
        store: &InTransaction,
        judged: &Judged,
        now: i64,
    ) -> Result<Vec<Ticket>, DbError> {
        let desk = Desk { store, settings: &self.tickets, routes: &self.routes };
        match desk.take(judged, now).await {
            Ok(changed) => Ok(changed),
            Err(DeskError::Store(error)) => Err(store.cause(error).await),
            Err(error) => Err(DbError::Busy(error.to_string())),
        }
    }

    /// Looks at a host by the clock.
    pub async fn host(&self, store: &InTransaction, host_id: i64, now: i64) -> Result<(), DbError> {
        let judged = {
            let mut conn = store.lock().await;
            let facts = hosts::facts(&mut conn, host_id).await?;
            let settings = self.settings(&mut conn, None).await?;
            hosts::judged(&mut conn, host_id, now).await?;
            watch_host(&facts, &settings, now)
        };
        self.ticket(store, &judged, now).await.map(|_| ())
    }

    /// Looks at a source by the clock.
    pub async fn source(
        &self,
        store: &InTransaction,
        source_id: i64,
        host_id: i64,
        now: i64,
    ) -> Result<(), DbError> {
        let judged = {
            let mut conn = store.lock().await;
            let around = around(&mut conn, host_id, source_id).await?;
            let settings = self.settings(&mut conn, Some(source_id)).await?;
            sources::judged(&mut conn, source_id, now).await?;
            watch_source(&around, &settings, now)
        };
        self.ticket(store, &judged, now).await.map(|_| ())
    }

    /// Looks at a vault by the clock.
    pub async fn vault(&self, store: &InTransaction, vault: &vaults::Vault, now: i64) -> Result<(), DbError> {
        let judged = {
            let mut conn = store.lock().await;
            let facts = vaults::facts(&mut conn, vault, now).await?;
            let settings = self.settings(&mut conn, None).await?;
            watch_vault(&facts, &settings, now)
        };
        self.ticket(store, &judged, now).await.map(|_| ())
    }
}

/// What is known around a source.
pub async fn around(conn: &mut Conn, host_id: i64, source_id: i64) -> Result<Around, DbError> {
    let source = sources::get(conn, crate::db::Scope::All, source_id).await?;
    let source = source.ok_or(DbError::Failed(sqlx::Error::RowNotFound))?;
    Ok(Around {
        host: hosts::facts(conn, host_id).await?,
        source: source.name,
        since_secs: source.created_secs,
        usual_gap_secs: source.usual_gap_secs,
        expected: source.expected,
        levels: sources::level_facts(conn, source_id).await?,
        last_run: sources::last_run(conn, source_id).await?,
        proofs: proofs::facts(conn, source_id).await?,
        marks: source.marks,
    })
}
