//! What is damaged: files that the drill reads this time.

use crate::drill::content::Kind as Type;
use crate::drill::rotation::{Rotation, STRETCH_BYTES};
use vow_base::ObjectId;
use vow_store::archive::{ArchiveError, Snapshot};
use vow_store::listing::entry::{Content, Entry, Kind};
use vow_store::listing::path;
use vow_store::record::ChunkRef;

/// Files and a chunk.
#[derive(Default)]
pub(super) struct Victims {
    /// A file with some content.
    pub(super) file: Option<Entry<ObjectId>>,
    /// Two files of different content; images, where there are two.
    pub(super) pair: Option<(Entry<ObjectId>, Entry<ObjectId>)>,
    /// The pair is of images.
    pub(super) pair_is_images: bool,
    /// A chunk of content, not one that the root's pack holds.
    pub(super) chunk: Option<ChunkRef<ObjectId>>,
}

pub(super) fn choose(snapshot: &Snapshot, rotation: &Rotation) -> Result<Victims, ArchiveError> {
    let mut victims = Victims::default();
    let (mut image, mut plain): (Option<Entry<ObjectId>>, Option<Entry<ObjectId>>) = (None, None);
    for entry in snapshot.entries(None) {
        // Parts that cannot be read are the drill's finding.
        let Ok(entry) = entry else { continue };
        let fits = entry.kind == Kind::File
            && entry.size > 0
            && entry.data_bytes() > 0
            && entry.data_bytes() <= STRETCH_BYTES
            && entry.extents.is_none()
            && rotation.takes(&entry.path, 0);
        if !fits {
            continue;
        }
        if victims.chunk.is_none() {
            victims.chunk = match &entry.content {
                Content::Lists(_) => snapshot.chunks(&entry).next().and_then(Result::ok),
                content => content.chunks().first().copied(),
            };
        }
        let is_image = matches!(Type::of_name(path::name(&entry.path)), Some(Type::Image(_)));
        let seen = if is_image { &mut image } else { &mut plain };
        match seen {
            Some(other) if digest(other) != digest(&entry) && (is_image || victims.pair.is_none()) => {
                victims.pair = Some((other.clone(), entry.clone()));
                victims.pair_is_images = is_image;
            }
            Some(_) => {}
            None => *seen = Some(entry.clone()),
        }
        if victims.file.is_none() {
            victims.file = Some(entry);
        }
        if victims.pair_is_images {
            break;
        }
    }
    Ok(victims)
}

/// What tells contents apart.
fn digest(entry: &Entry<ObjectId>) -> (u64, Vec<u8>) {
    let bytes = match &entry.content {
        Content::Empty => Vec::new(),
        Content::Slice { digest, .. } => digest.to_vec(),
        content => content.chunks().iter().flat_map(|chunk| chunk.id.0).collect(),
    };
    (entry.size, bytes)
}
