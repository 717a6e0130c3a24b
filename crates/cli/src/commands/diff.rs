//! `vow diff`.

use crate::app::Context;
use crate::entries::{shown, snapshot_line};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading};
use crate::ui::path_value;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use vow_base::ObjectId;
use vow_store::archive::{ArchiveError, Reader, Snapshot};
use vow_store::keys::half;
use vow_store::listing::entry::{Content, Entry, Kind};
use vow_store::listing::path::compare;

/// Show what changed between two snapshots
///
/// Each line starts with + (added), - (removed), M (content changed), U (only metadata changed) or T (type changed).
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The older snapshot
    #[arg(value_name = "A")]
    a: String,
    /// The newer snapshot
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Default)]
struct Totals {
    added: u64,
    removed: u64,
    modified: u64,
    metadata: u64,
    types: u64,
}

/// Compares.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let (a, b) = (reading.snapshot(cx, &args.a)?, reading.snapshot(cx, &args.b)?);
    cx.ui.say(&format!("from {}", snapshot_line(a.info())));
    cx.ui.say(&format!("to   {}", snapshot_line(b.info())));
    let mut compare_content = Contents::new(&a, &b)?;
    let (mut left, mut right) = (a.entries(None), b.entries(None));
    let (mut old, mut new) = (next(&mut left)?, next(&mut right)?);
    let mut totals = Totals::default();
    loop {
        let order = match (&old, &new) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => compare(&old.path, &new.path),
        };
        match (order, &old, &new) {
            (Ordering::Less, Some(entry), _) => {
                totals.removed += 1;
                line(cx, '-', &entry.path);
            }
            (Ordering::Greater, _, Some(entry)) => {
                totals.added += 1;
                line(cx, '+', &entry.path);
            }
            (_, Some(old), Some(new)) => {
                if let Some(marker) = compare_content.marker(old, new)? {
                    match marker {
                        'M' => totals.modified += 1,
                        'T' => totals.types += 1,
                        _ => totals.metadata += 1,
                    }
                    line(cx, marker, &new.path);
                }
            }
            _ => {}
        }
        if order != Ordering::Greater {
            old = next(&mut left)?;
        }
        if order != Ordering::Less {
            new = next(&mut right)?;
        }
    }
    finish(cx, &a, &b, &totals);
    Ok(Exit::Done)
}

/// A part of a listing that cannot be read would look like removed files, so it is an error.
fn next(
    entries: &mut impl Iterator<Item = Result<Entry<ObjectId>, ArchiveError>>,
) -> Outcome<Option<Entry<ObjectId>>> {
    entries.next().transpose().map_err(Failure::from)
}

fn line(cx: &Context, marker: char, path: &[u8]) {
    cx.ui.line(&format!("{marker}    {}", shown(path)));
    if cx.ui.json {
        let mut object = Map::new();
        object.insert("message_type".into(), "change".into());
        object.insert("modifier".into(), marker.to_string().into());
        path_value(&mut object, path);
        cx.ui.json(&Value::Object(object));
    }
}

fn finish(cx: &Context, a: &Snapshot, b: &Snapshot, totals: &Totals) {
    cx.ui.say(&format!(
        "{} added, {} removed, {} with other content, {} with other metadata, {} of another type",
        totals.added, totals.removed, totals.modified, totals.metadata, totals.types
    ));
    cx.ui.json(&json!({
        "message_type": "summary",
        "a": a.info().id.to_string(),
        "b": b.info().id.to_string(),
        "added": totals.added,
        "removed": totals.removed,
        "modified": totals.modified,
        "metadata": totals.metadata,
        "types": totals.types,
    }));
}

/// Compares contents: by the ids of chunks where they tell, otherwise by reading.
struct Contents<'s> {
    a: &'s Snapshot,
    b: &'s Snapshot,
    readers: (Reader, Reader),
    /// Both snapshots have chunk ids of the same key.
    same_ids: bool,
}

impl<'s> Contents<'s> {
    fn new(a: &'s Snapshot, b: &'s Snapshot) -> Outcome<Self> {
        let same_ids = a.root().id_secret == b.root().id_secret;
        Ok(Self { a, b, readers: (a.reader()?, b.reader()?), same_ids })
    }

    fn marker(&mut self, old: &Entry<ObjectId>, new: &Entry<ObjectId>) -> Outcome<Option<char>> {
        if old.kind != new.kind {
            return Ok(Some('T'));
        }
        if old.size != new.size || old.target != new.target || old.device != new.device {
            return Ok(Some('M'));
        }
        if old.kind == Kind::File && !self.same_content(old, new)? {
            return Ok(Some('M'));
        }
        // Parents of a root are not what was backed up; their times change all the time.
        if old.ancestor && new.ancestor {
            return Ok(None);
        }
        let metadata = |e: &Entry<ObjectId>| (e.mode, e.uid, e.gid, e.mtime);
        let same = metadata(old) == metadata(new) && old.xattrs == new.xattrs;
        Ok((!same).then_some('U'))
    }

    fn same_content(&mut self, old: &Entry<ObjectId>, new: &Entry<ObjectId>) -> Outcome<bool> {
        if self.same_ids && old.extents == new.extents {
            match (&old.content, &new.content) {
                (Content::Empty, Content::Empty) => return Ok(true),
                (Content::Slice { digest: old, .. }, Content::Slice { digest: new, .. }) => {
                    return Ok(old == new);
                }
                (Content::Slice { digest, .. }, Content::Chunks(chunks))
                | (Content::Chunks(chunks), Content::Slice { digest, .. })
                    if chunks.len() == 1 =>
                {
                    return Ok(half(&chunks[0].id) == *digest);
                }
                (Content::Slice { .. }, _) | (_, Content::Slice { .. }) => {}
                _ if self.same_chunks(old, new)? => return Ok(true),
                // Other chunks can still be the same bytes, cut in other places.
                _ => {}
            }
        }
        let digest = |reader: &mut Reader, entry: &Entry<ObjectId>| -> Outcome<[u8; 32]> {
            let mut digest = Digest::default();
            reader.content(entry, &mut digest)?;
            Ok(digest.0.finish())
        };
        Ok(digest(&mut self.readers.0, old)? == digest(&mut self.readers.1, new)?)
    }

    fn same_chunks(&self, old: &Entry<ObjectId>, new: &Entry<ObjectId>) -> Outcome<bool> {
        let (mut left, mut right) = (self.a.chunks(old), self.b.chunks(new));
        loop {
            match (left.next().transpose()?, right.next().transpose()?) {
                (None, None) => return Ok(true),
                (Some(old), Some(new)) if old.id == new.id => {}
                _ => return Ok(false),
            }
        }
    }
}

#[derive(Default)]
struct Digest(vow_base::id::Sha256Stream);

impl std::io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
