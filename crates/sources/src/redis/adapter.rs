//! Redis in the contract of all adapters.

use super::discover;
use super::error::RedisError;
use super::prove::prove;
use super::restore::restore;
use super::sabotage::sabotage;
use crate::adapter::{self, AdapterError, Discovered, Ground, Proof, Request, Restored, Stop, Tried, Within};
use crate::question::Question;
use vow_store::archive::Snapshot;

/// Redis, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn discover(&self, _: &Within) -> Vec<Discovered> {
        discover::servers()
    }

    fn restore(
        &self,
        snapshot: &Snapshot,
        request: &Request,
        stop: Stop<'_>,
    ) -> Result<Restored, AdapterError> {
        restore(snapshot, request, stop).map_err(stopped)
    }

    fn prove(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        _: &[Question],
        stop: Stop<'_>,
    ) -> Result<Proof, AdapterError> {
        prove(snapshot, ground.place, stop).map_err(stopped)
    }

    fn sabotage(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        stop: Stop<'_>,
    ) -> Result<Vec<Tried>, AdapterError> {
        sabotage(snapshot, ground.place, stop).map_err(stopped)
    }

    fn instructions(&self) -> &'static [&'static str] {
        &[
            "to start a server from these files: stop it, put dump.rdb into its dir (CONFIG GET dir) under its dbfilename, owned by \
             its account, and start it with `appendonly no`. A server with `appendonly yes` and no append-only file starts EMPTY beside \
             dump.rdb; turn it on afterwards with CONFIG SET appendonly yes",
            "users.acl has the ACL users, config.json the settings that were in effect, redis.conf the file they came from",
        ]
    }
}

fn stopped(error: RedisError) -> AdapterError {
    if error.is_stopped() { AdapterError::Stopped } else { AdapterError::blamed(error.blame(), error) }
}
