//! What every request shares.

use super::caller::Caller;
use super::config::Config;
use super::error::Error;
use super::figures::Figures;
use super::share::Shares;
use crate::db::{Conn, Db, DbError};
use crate::ingest::{Judge, Queue};
use crate::notify::channel::Channel;
use crate::report::{self, Format, Month};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;
use vow_base::clock::Clock;
use vow_base::sign::{PublicKey, SigningKey};

/// What every request shares.
pub struct App {
    /// The database.
    pub db: Db,
    /// Where reports are handed in.
    pub queue: Queue,
    /// Rules, tickets, who is told.
    pub judge: Arc<Judge>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What it was told.
    pub config: Config,
    /// The key that hosts pin.
    pub public_key: PublicKey,
    /// Channels that are told of tickets.
    pub channels: Vec<Arc<Channel>>,
    /// Figures for Prometheus.
    pub(crate) figures: Figures,
    pub(crate) shares: Shares,
    /// What reports are signed with; only whoever has the console's folder gives it.
    signing: OnceLock<Arc<SigningKey>>,
    /// Memory for reports on their way, in KiB.
    pub(crate) memory: Arc<Semaphore>,
}

/// Reports on their way may take this much memory.
const MEMORY_KIB: usize = 64 << 10;

impl App {
    /// Puts them together.
    pub fn new(
        db: Db,
        judge: Arc<Judge>,
        clock: Arc<dyn Clock>,
        config: Config,
        public_key: PublicKey,
        channels: Vec<Channel>,
    ) -> Self {
        Self {
            queue: Queue::start(db.clone(), judge.clone(), clock.clone()),
            shares: Shares::new(config.reports_per_second),
            figures: Figures::new(),
            signing: OnceLock::new(),
            memory: Arc::new(Semaphore::new(MEMORY_KIB)),
            db,
            judge,
            clock,
            config,
            public_key,
            channels: channels.into_iter().map(Arc::new).collect(),
        }
    }

    /// The time, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now().div_euclid(1_000_000_000)
    }

    /// Gives it the console's key, to sign reports with.
    pub fn sign_with(&self, key: Arc<SigningKey>) {
        // A second one would be the same.
        let _ = self.signing.set(key);
    }

    /// The signed report of a tenant for a month.
    pub async fn report(
        &self,
        who: &Caller,
        tenant_id: i64,
        month: Month,
        format: Format,
    ) -> Result<Vec<u8>, Error> {
        let key = self.signing.get().ok_or_else(|| Error::Internal("it has no key to sign with".into()))?;
        let now = self.now();
        let sheet =
            report::make(&mut self.read().await?, who, tenant_id, month, (&self.public_key, now)).await?;
        let key = key.clone();
        let drawn = tokio::task::spawn_blocking(move || report::file(&sheet, format, &key)).await;
        drawn.map_err(|error| Error::Internal(error.to_string()))
    }

    /// A connection to read with.
    pub async fn read(&self) -> Result<Conn, DbError> {
        self.db.read().await
    }
}
