//! A snapshot that lies in a scratch server, from where all of it, one database or one table is dumped into a running server: a copy of
//! files knows no other way there, and neither has a moment between two snapshots.

use super::access::AccessOptions;
use super::binlog;
use super::error::MariaDbError;
use super::inventory;
use super::measure;
use super::restore::restore;
use super::scratch::Scratch;
use super::server;
use super::session::Stop;
use super::sql::table_name;
use super::stored::{Everything, Stored};
use super::system;
use super::table::{load_scratch, with_users};
use super::truth::{Method, TableTruth, Truth, lies_elsewhere};
use crate::adapter::{Ground, Replay, Request, Restored};
use std::path::Path;

/// What a server takes as a statement of a row is at most twice the row: binary data is written with two digits for a byte.
const PACKET_FACTOR: u64 = 2;

/// A scratch server below `place` with everything that the snapshot has, as it was at the moment that `replay` names.
pub(crate) fn bring_up(
    stored: &Stored<'_>,
    place: &Path,
    replay: &Replay,
    stop: Stop<'_>,
) -> Result<Scratch, MariaDbError> {
    let scratch = match stored.is_physical() {
        true => Scratch::of_files(stored, place, stop)?,
        false => {
            let scratch = Scratch::start(Ground::at(place), &stored.facts, stored.bytes(None), stop)?;
            fill(stored, &scratch, stop)?;
            scratch
        }
    };
    binlog::replay(stored, &scratch, replay, stop)?;
    Ok(scratch)
}

/// Loads the dumps of a snapshot into an empty scratch server, with the users.
pub(crate) fn fill(stored: &Stored<'_>, scratch: &Scratch, stop: Stop<'_>) -> Result<(), MariaDbError> {
    let lacking = with_users(stored, scratch, stop)?;
    load_scratch(stored, scratch, &mut Everything, stop)?;
    system::grant_on_objects(&scratch.access, &lacking.on_objects, stop)?;
    Ok(())
}

/// Restores by way of a scratch server.
pub(crate) fn restore_through(
    stored: &Stored<'_>,
    into: &AccessOptions,
    request: &Request,
    stop: Stop<'_>,
) -> Result<Restored, MariaDbError> {
    let scratch = bring_up(stored, &request.scratch, &request.replay, stop)?;
    let truth = truth(stored, &scratch, request, stop)?;
    let mut out = restore(&stored.in_server(&scratch.access, truth), into, request, stop)?;
    out.notes.extend(scratch.notes.iter().cloned());
    Ok(out)
}

/// What of it is wanted, as the scratch server has it.
fn truth(
    stored: &Stored<'_>,
    scratch: &Scratch,
    request: &Request,
    stop: Stop<'_>,
) -> Result<Truth, MariaDbError> {
    let mut session = scratch.access.session(stop)?;
    let named = request.table.as_deref().and_then(table_name).and_then(|(database, _)| database);
    let only = request.database.clone().or(named);
    let all = server::databases(&mut session, stop)?.into_iter().map(|database| database.name);
    let databases: Vec<_> = all.filter(|name| only.as_ref().is_none_or(|only| only == name)).collect();
    if let (Some(only), true) = (&only, databases.is_empty()) {
        return Err(MariaDbError::Refused(format!("the snapshot had no database {only:?} at that moment")));
    }
    let history = scratch.access.tools.dumps_with("--dump-history");
    let mut tables = Vec::new();
    for table in measure::tables(&mut session, &databases, stop)? {
        let versioned = table.versioned && history;
        let rows = match lies_elsewhere(&table.engine) {
            true => 0,
            false => measure::count(&mut session, &table.database, &table.name, versioned, stop)?,
        };
        tables.push(TableTruth { method: Method::Count, ..table.dumped(rows, history) });
    }
    let objects = inventory::objects(&mut session, &databases, stop)?;
    let packet = stored.facts.settings.get("max_allowed_packet").and_then(|bytes| bytes.parse().ok());
    Ok(Truth {
        databases,
        kinds: inventory::kinds(objects.keys().map(|(kind, ..)| kind.as_str())),
        tables,
        longest_statement_bytes: packet.map_or(0, |bytes: u64| bytes.saturating_mul(PACKET_FACTOR)),
        ..stored.truth.clone()
    })
}
