//! What every request shares.

use super::config::Config;
use super::figures::Figures;
use super::share::Shares;
use crate::db::{Conn, Db, DbError};
use crate::ingest::{Judge, Queue};
use crate::notify::channel::Channel;
use std::sync::Arc;
use tokio::sync::Semaphore;
use vow_base::clock::Clock;
use vow_base::sign::PublicKey;

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

    /// A connection to read with.
    pub async fn read(&self) -> Result<Conn, DbError> {
        self.db.read().await
    }
}
