//! One queue for all reports: several are stored together, so that each need not wait for the disk alone.

use super::check::IngestError;
use super::judge::Judge;
use super::take::take;
use crate::apart::apart;
use crate::db::hosts::KnownHost;
use crate::db::tickets::InTransaction;
use crate::db::{Db, DbError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use vow_base::clock::Clock;
use vow_protocol::report::Report;

/// Reports that wait at most; more are told to come again.
const WAITING_MAX: usize = 512;
/// Reports in one transaction at most.
const TOGETHER_MAX: usize = 64;

/// A report that arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Whose it is.
    pub known: KnownHost,
    /// What it says.
    pub report: Report,
    /// Captured output, of a ping.
    pub output: Option<String>,
}

struct Job {
    arrived: Arc<Arrived>,
    answer: oneshot::Sender<Result<(), IngestError>>,
}

/// Where reports are handed in.
#[derive(Clone)]
pub struct Queue(mpsc::Sender<Job>);

impl Queue {
    /// Starts the one task that stores reports. It ends with the last clone of the queue.
    pub fn start(db: Db, judge: Arc<Judge>, clock: Arc<dyn Clock>) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Job>(WAITING_MAX);
        tokio::spawn(async move {
            let mut jobs = Vec::with_capacity(TOGETHER_MAX);
            while receiver.recv_many(&mut jobs, TOGETHER_MAX).await > 0 {
                let now = clock.now().div_euclid(1_000_000_000);
                store(&db, &judge, std::mem::take(&mut jobs), now).await;
            }
        });
        Self(sender)
    }

    /// Hands a report in, and waits until it is stored.
    pub async fn put(&self, arrived: Arrived) -> Result<(), IngestError> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Job { arrived: Arc::new(arrived), answer }).map_err(|_| IngestError::Crowded)?;
        answered.await.unwrap_or(Err(IngestError::Crowded))
    }
}

async fn store(db: &Db, judge: &Arc<Judge>, jobs: Vec<Job>, now: i64) {
    let all = jobs.iter().map(|job| job.arrived.clone()).collect();
    if jobs.len() > 1 && together(db, judge, all, now).await.is_ok() {
        for job in jobs {
            // Whoever asked may have gone.
            let _ = job.answer.send(Ok(()));
        }
        return;
    }
    // One of them is in the way: each by itself.
    for job in jobs {
        let stored = together(db, judge, vec![job.arrived], now).await;
        let _ = job.answer.send(stored);
    }
}

/// Stores these in one transaction.
async fn together(
    db: &Db,
    judge: &Arc<Judge>,
    arrived: Vec<Arc<Arrived>>,
    now: i64,
) -> Result<(), IngestError> {
    let (db, judge) = (db.clone(), judge.clone());
    let stored = apart(async move { in_one_transaction(&db, &judge, &arrived, now).await }).await;
    stored.unwrap_or_else(|error| {
        tracing::error!(%error, "a report was too much for this program");
        Err(IngestError::Broken)
    })
}

async fn in_one_transaction(
    db: &Db,
    judge: &Judge,
    arrived: &[Arc<Arrived>],
    now: i64,
) -> Result<(), IngestError> {
    let hosts: Vec<i64> = arrived.iter().map(|arrived| arrived.known.host_id).collect();
    let store = InTransaction::begin(db, &hosts).await?;
    for arrived in arrived {
        let Arrived { known, report, output } = &**arrived;
        take(&store, judge, known, report.clone(), output.as_deref(), now).await?;
    }
    store.into_conn().commit().await.map_err(|error: DbError| error.into())
}
