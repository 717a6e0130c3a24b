//! Looking at what nothing came from: hosts and sources by the clock.

use super::judge::Judge;
use crate::db::tickets::InTransaction;
use crate::db::{Db, DbError, hosts, sources};

/// Hosts and sources in one go.
const GO_MAX: i64 = 1000;
/// In one transaction, which reports wait for.
const TOGETHER_MAX: usize = 25;

/// Judges every host and source that nobody has looked at since `before`.
pub async fn look(db: &Db, judge: &Judge, before: i64, now: i64) -> Result<(), DbError> {
    let due = hosts::due(&mut db.read().await?, before, GO_MAX).await?;
    for some in due.chunks(TOGETHER_MAX) {
        let store = InTransaction::begin(db, some).await?;
        for host_id in some {
            judge.host(&store, *host_id, now).await?;
        }
        store.into_conn().commit().await?;
    }
    let due = sources::due(&mut db.read().await?, before, GO_MAX).await?;
    for some in due.chunks(TOGETHER_MAX) {
        let hosts: Vec<i64> = some.iter().map(|source| source.host_id).collect();
        let store = InTransaction::begin(db, &hosts).await?;
        for source in some {
            judge.source(&store, source.source_id, source.host_id, now).await?;
        }
        store.into_conn().commit().await?;
    }
    Ok(())
}
