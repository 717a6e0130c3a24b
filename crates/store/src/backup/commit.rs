//! The end of a backup: the manifest, signed and committed on every level that is still there.

use super::collect::Collected;
use super::engine::Engine;
use super::packs::LevelState;
use super::state::{Chain, State};
use super::{BackupError, HostKeys, LevelReport};
use crate::index::{SEGMENT_ROWS, seal_segment};
use crate::record::ChunkRef;
use std::collections::HashSet;
use std::io;
use vow_base::ObjectId;
use vow_base::clock::{Clock, Nanos};
use vow_base::id::join_ids;
use vow_base::manifest::{Manifest, RootRef, Status, VERSION};
use vow_base::pack_list::PackList;
use vow_base::vault::Kind;

/// More index segments than this are replaced by few large ones.
const SEGMENTS_MAX: usize = 64;

/// Merges local index files, and replaces many index segments by few.
pub(super) fn tidy_index(engine: &Engine<'_>, keys: &HostKeys, chain: &mut Chain) -> io::Result<()> {
    engine.index.tidy(|id| engine.packs.known(id).filter(|number| engine.is_usable(*number)))?;
    if chain.segments.len() <= SEGMENTS_MAX {
        return Ok(());
    }
    let rows = engine.index.all_rows()?;
    let secret = keys.secret.index_secret(&engine.options.recipients);
    let mut segments = Vec::new();
    for part in rows.chunks(SEGMENT_ROWS) {
        let sealed = seal_segment(part, &secret).map_err(io::Error::other)?;
        let id = ObjectId::of(&sealed);
        for level in &engine.levels {
            level.put(Kind::Index, &id, &sealed);
        }
        segments.push(id);
    }
    chain.segments = segments;
    Ok(())
}

/// Most segments are those of the snapshot before: only what a level lacks crosses the network.
fn put_lists(level: &LevelState, lists: &[(ObjectId, Vec<u8>)]) {
    let ids: Vec<_> = lists.iter().map(|(id, _)| *id).collect();
    if ids.is_empty() || !level.is_alive() {
        return;
    }
    match level.level.deposit.missing(Kind::List, &ids) {
        Ok(missing) => {
            let missing: HashSet<_> = missing.into_iter().collect();
            for (id, bytes) in lists.iter().filter(|(id, _)| missing.contains(id)) {
                level.put(Kind::List, id, bytes);
            }
        }
        Err(error) => level.fail(error),
    }
}

/// Signs the manifest and commits it on every level.
#[allow(clippy::too_many_arguments)]
pub(super) fn commit(
    engine: Engine<'_>,
    keys: &HostKeys,
    state: &State,
    chain: &Chain,
    collected: &Collected,
    root: ChunkRef<ObjectId>,
    status: Status,
    started: Nanos,
    clock: &dyn Clock,
) -> Result<(ObjectId, Vec<LevelReport>), BackupError> {
    let options = engine.options;
    let ids: Vec<_> = collected.packs.iter().map(|pack| pack.id).collect();
    let (packs, lists) = PackList::build(&ids);
    let manifest = Manifest {
        version: VERSION,
        host_key: keys.signing.public().0,
        tenant: options.tenant.clone(),
        host: options.host.clone(),
        source: options.source.clone(),
        source_type: options.source_type.clone(),
        sequence: chain.sequence + 1,
        previous: chain.manifest,
        run: options.run,
        started,
        finished: clock.now(),
        status,
        counts: collected.counts,
        recipients: options.recipients.iter().map(|r| r.fingerprint().to_vec().into()).collect(),
        root: RootRef {
            pack: root.place.pack,
            record: root.place.record,
            offset: root.place.offset,
            stored: root.place.stored,
            length: root.length,
        },
        packs,
        index: join_ids(&chain.segments).into(),
        software: options.software.clone(),
        group: options.group.clone(),
    };
    let stored = manifest.seal(&keys.signing);
    let id = ObjectId::of(&stored);
    let mut intended = chain.clone();
    intended.intended.push(id);
    state.record(&manifest.host_id(), &intended)?;
    let mut outcomes = Vec::new();
    for level in engine.levels {
        let name = level.level.name.clone();
        put_lists(&level, &lists);
        let deposit = level.level.deposit.clone();
        let outcome = level.into_failure().map_or_else(|| deposit.commit(&id, &stored), Err);
        outcomes.push(LevelReport { name, outcome });
    }
    if outcomes.iter().all(|report| report.outcome.is_err()) {
        let first = outcomes.into_iter().find_map(|report| Some((report.name, report.outcome.err()?)));
        return Err(match first {
            Some((level, source)) => BackupError::NoLevel { level, source },
            None => BackupError::Source("the plan names no vault".into()),
        });
    }
    Ok((id, outcomes))
}
