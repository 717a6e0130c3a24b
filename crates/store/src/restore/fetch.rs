//! Reading what a window needs: few and long reads of each pack, each record decoded once however many files or chunks of it are needed.

use super::context::Context;
use super::job::FileJob;
use super::parallel;
use super::probe::Use;
use crate::archive::{ArchiveError, Decoded};
use crate::compress::Unpacker;
use crate::monitor::add;
use crate::record::{ChunkRef, RecordType};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use vow_base::ObjectId;

/// The longest read, in bytes, of more than one record: long enough for a disk, short enough to stay in a processor's cache and
/// to share a pack among threads.
const READ_MAX: u32 = 4 << 20;
/// A gap up to this is read over: cheaper than another request.
const GAP_MAX: u32 = 256 << 10;

/// A file that needs a chunk, and where.
pub(super) struct Need {
    pub(super) job: Arc<FileJob>,
    pub(super) what: Use,
}

/// Records of one pack that are read together.
struct Read {
    pack: ObjectId,
    start: u32,
    end: u32,
    /// Which needs they serve.
    needs: Range<usize>,
}

/// Reads, checks and writes everything needed.
pub(super) fn fetch(ctx: &Context<'_>, mut needs: Vec<Need>) {
    sort(&mut needs);
    let reads = plan(&needs);
    parallel::for_each(ctx.threads, reads.len(), |number| {
        let read = &reads[number];
        let needs = &needs[read.needs.clone()];
        let served = if ctx.is_stopped() { 0 } else { run(ctx, read, needs) };
        needs[served..].iter().for_each(|need| need.job.give_token(ctx));
    });
}

/// By pack, in the order in which packs are first needed (so that files are written about in order), and by place in the pack.
fn sort(needs: &mut [Need]) {
    let mut order = HashMap::new();
    for need in &*needs {
        let next = order.len();
        order.entry(need.what.chunk.place.pack).or_insert(next);
    }
    let rank = |need: &Need| {
        let ChunkRef { place, start, length, whole, id } = &need.what.chunk;
        let record = (order.get(&place.pack).copied(), place.offset, place.record, place.stored, *whole);
        (record, *start, *length, *id)
    };
    needs.sort_by_key(rank);
}

fn plan(needs: &[Need]) -> Vec<Read> {
    let mut reads: Vec<Read> = Vec::new();
    let mut last: Option<ChunkRef<ObjectId>> = None;
    for (number, need) in needs.iter().enumerate() {
        let chunk = need.what.chunk;
        let place = chunk.place;
        let end = place.offset.saturating_add(place.stored);
        let open = reads.last_mut().filter(|read| read.pack == place.pack);
        match open {
            Some(read) if last.is_some_and(|last| last.shares_record(&chunk)) => read.needs.end = number + 1,
            Some(read)
                if place.offset >= read.end
                    && place.offset - read.end <= GAP_MAX
                    && end - read.start <= READ_MAX =>
            {
                read.end = end;
                read.needs.end = number + 1;
            }
            // Records that overlap are a lie; each is read by itself, and its tag will tell.
            _ => reads.push(Read { pack: place.pack, start: place.offset, end, needs: number..number + 1 }),
        }
        last = Some(chunk);
    }
    reads
}

/// Serves needs in order, giving back their tokens one by one, so that few files are open at a time; says how many it served.
fn run(ctx: &Context<'_>, read: &Read, needs: &[Need]) -> usize {
    let mut unpacker = match ctx.snapshot.take_unpacker() {
        Ok(unpacker) => unpacker,
        Err(error) => {
            fail(ctx, needs, error);
            return needs.len();
        }
    };
    let same_record = |a: &Need, b: &Need| a.what.chunk.shares_record(&b.what.chunk);
    let mut content = Vec::new();
    let mut served = 0;
    let alone = needs.chunk_by(same_record).nth(1).is_none();
    let mut whole = match pack_range(ctx, read.pack, read.start, read.end - read.start) {
        Err(error) if alone || error.is_gone() => {
            fail(ctx, needs, error);
            return needs.len();
        }
        // Part of the pack may be gone: what is still there is restored, record by record.
        read => read.ok(),
    };
    for users in needs.chunk_by(same_record) {
        if ctx.is_stopped() {
            break;
        }
        let place = users[0].what.chunk.place;
        match &mut whole {
            Some(bytes) => {
                let start = (place.offset - read.start) as usize;
                let stored = bytes.get_mut(start..start.saturating_add(place.stored as usize));
                // Empty when a listing names a place that no pack can have; then the tag does not match either.
                serve(ctx, users, stored.unwrap_or_default(), &mut unpacker, &mut content);
            }
            None => match pack_range(ctx, place.pack, place.offset, place.stored) {
                Ok(mut stored) => serve(ctx, users, &mut stored, &mut unpacker, &mut content),
                Err(error) => fail(ctx, users, error),
            },
        }
        served += users.len();
    }
    ctx.snapshot.give_unpacker(unpacker);
    served
}

fn pack_range(ctx: &Context<'_>, pack: ObjectId, offset: u32, length: u32) -> Result<Vec<u8>, ArchiveError> {
    let vault = ctx.snapshot.archive().vault();
    let bytes = vault.pack_range(ctx.snapshot.host(), &pack, offset.into(), length as usize)?;
    add(&ctx.monitor.counters.stored_bytes, length.into());
    if bytes.len() == length as usize {
        Ok(bytes)
    } else {
        let reason = "the vault gave another length than asked for".to_owned();
        Err(ArchiveError::Record { pack, record: 0, reason })
    }
}

/// Decodes one record and hands its chunks to everybody who needs them.
fn serve(
    ctx: &Context<'_>,
    users: &[Need],
    stored: &mut [u8],
    unpacker: &mut Unpacker,
    content: &mut Vec<u8>,
) {
    let chunk = &users[0].what.chunk;
    let decoded = ctx
        .snapshot
        .opener(&chunk.place.pack)
        .and_then(|opened| ctx.snapshot.decode(&opened, chunk, RecordType::Data, stored, unpacker, content));
    let whole = match decoded {
        Ok(Decoded::InPlace(from)) => &stored[from..from + chunk.whole as usize],
        Ok(Decoded::Unpacked) => &content[..],
        Err(error) => return fail(ctx, users, error),
    };
    for users in users.chunk_by(|a, b| a.what.chunk == b.what.chunk) {
        match ctx.snapshot.proven(&users[0].what.chunk, RecordType::Data, whole) {
            Ok(data) => hand_out(ctx, users, data),
            Err(error) => fail(ctx, users, error),
        }
    }
}

/// Hands one chunk to everybody who needs it.
fn hand_out(ctx: &Context<'_>, users: &[Need], data: &[u8]) {
    for user in users {
        let piece = match user.what.slice {
            None => Some(data),
            Some((offset, length, digest)) => data
                .get(offset as usize..)
                .and_then(|rest| rest.get(..length as usize))
                .filter(|slice| ctx.snapshot.ids().slice_digest(slice) == digest),
        };
        match piece {
            Some(piece) => {
                user.job.write(ctx, user.what.at, piece);
                add(&ctx.monitor.counters.bytes, piece.len() as u64);
            }
            None => user.job.fail("its data is not what its digest says".to_owned()),
        }
        user.job.give_token(ctx);
    }
}

/// These cannot be had. When nothing else can be had either the restore stops, and the next one goes on from there.
fn fail(ctx: &Context<'_>, needs: &[Need], error: ArchiveError) {
    if error.is_gone() {
        ctx.stop(error.into());
    } else {
        let reason = format!("cannot be restored: {error}");
        needs.iter().for_each(|need| need.job.fail(reason.clone()));
    }
    needs.iter().for_each(|need| need.job.give_token(ctx));
}
