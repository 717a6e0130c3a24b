//! What lies directly in a folder.

use super::{ArchiveError, Entries, Snapshot};
use crate::listing::entry::{Entry, Kind};
use crate::listing::path;
use vow_base::ObjectId;

/// Streams the entries of one folder, without those of the folders in it. See [`Snapshot::children`].
pub struct Children {
    entries: Entries,
    folder: Vec<u8>,
}

impl Children {
    pub(super) fn new(snapshot: &Snapshot, folder: &[u8]) -> Self {
        Self { entries: snapshot.entries(Some(folder)), folder: folder.to_vec() }
    }
}

impl Iterator for Children {
    type Item = Result<Entry<ObjectId>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            if entry.path == self.folder {
                continue;
            }
            if entry.kind == Kind::Dir {
                self.entries.pass_over(&entry.path);
            }
            // A listing has a folder before what is in it; one that has not is not believed.
            let direct = path::parent(&entry.path) == Some(&self.folder);
            let shown = entry.display();
            return Some(match direct {
                true => Ok(entry),
                false => Err(ArchiveError::Content {
                    path: shown,
                    reason: "the folder that it lies in is missing",
                }),
            });
        }
    }
}
