//! Whether the drill itself works: it is shown damaged copies, and must fail each of them, for the right reason. One that it passes
//! makes it a broken drill, and everything that it proved before is in doubt.
//!
//! Nothing is damaged but what is read: bits flip between the vault and the reader, files change between reading and comparing,
//! databases in the scratch server. Of files only a part is read each time, which holds what is damaged.

mod stand;
mod victims;

use super::files::{self, FilesError, Options, Tamper};
use super::rotation::{Rotation, Sample};
use super::scratch::Place;
use super::source::{DrillError, older, templates};
use stand::{Stand, Wrong};
use std::sync::Arc;
use victims::{Victims, choose};
use vow_base::ObjectId;
use vow_sources::adapter::{AdapterError, Blame, Ground, Tried, adapter, blame_of};
use vow_store::archive::{Archive, ArchiveError, Snapshot};
use vow_store::listing::entry::{Entry, Kind};
use vow_store::monitor::Monitor;
use vow_store::session::{Identities, new_identity};

/// Bytes of files that are read for each kind of damage, at most about.
const READ_BYTES: u64 = 64 << 20;

/// What to test with.
pub struct Order<'o> {
    /// Where the snapshot came from.
    pub archive: &'o Archive,
    /// The snapshot.
    pub snapshot: &'o Snapshot,
    /// Decides what is read.
    pub rotation_key: [u8; 32],
    /// Where scratch servers may be, and the drill's own folder.
    pub scratch: (&'o std::path::Path, &'o std::path::Path),
    /// Threads; 0 for one per processor.
    pub threads: usize,
}

/// Shows the drill every kind of damage that fits the snapshot.
///
/// # Errors
/// It could not be tried: the vault is gone, or it was asked to stop.
pub fn sabotage(order: &Order<'_>, monitor: &Monitor) -> Result<Vec<Tried>, DrillError> {
    let info = order.snapshot.info();
    let rotation =
        Rotation::new(order.rotation_key, 0, Sample::Bytes(READ_BYTES), info.manifest.counts.bytes);
    let victims = choose(order.snapshot, &rotation)?;
    let mut shown = Shown { order, rotation, monitor, tried: Vec::new() };
    shown.vault(&victims)?;
    shown.keys()?;
    shown.newest()?;
    shown.files(&victims)?;
    if let Some(adapter) = adapter(&info.manifest.source_type) {
        let place = Place::create(order.scratch.0, order.scratch.1)?;
        let templates = templates(order.scratch.1);
        let ground = Ground { place: place.path(), templates: Some(&templates) };
        let tried = adapter.sabotage(order.snapshot, ground, &|| monitor.is_cancelled());
        match tried {
            Ok(mut tried) => shown.tried.append(&mut tried),
            Err(AdapterError::Unsupported(_)) => {}
            Err(_) if monitor.is_cancelled() => return Err(DrillError::Stopped),
            Err(error) => return Err(DrillError::Adapter(error)),
        }
    }
    Ok(shown.tried)
}

struct Shown<'s> {
    order: &'s Order<'s>,
    rotation: Rotation,
    monitor: &'s Monitor,
    tried: Vec<Tried>,
}

impl Shown<'_> {
    fn add(&mut self, name: &'static str, object: String, said: Vec<String>, words: &[&str]) {
        let right = said.iter().find(|text| words.iter().any(|words| text.contains(words)));
        let tried = Tried { name, object, noticed: right.is_some(), said: right.or(said.first()).cloned() };
        self.tried.push(tried);
    }

    /// What a drill of the files says when they are read through this archive, with this damage.
    fn problems(&self, archive: &Archive, tamper: Option<&dyn Tamper>) -> Result<Vec<String>, DrillError> {
        let snapshot = match archive.open(self.order.snapshot.info()) {
            Ok(snapshot) => snapshot,
            Err(error) if blame_of(&error) == Blame::Gone => return Err(error.into()),
            Err(error) => return Ok(vec![error.to_string()]),
        };
        let options =
            Options { rotation: &self.rotation, threads: self.order.threads, inspectors: None, tamper };
        match files::read(&snapshot, &options, self.monitor, |_| ()) {
            Ok(found) => Ok(found.problems),
            Err(FilesError::Archive(error)) if error.is_identity() => Ok(vec![error.to_string()]),
            Err(error) => Err(error.into()),
        }
    }

    /// Damage in the vault.
    fn vault(&mut self, victims: &Victims) -> Result<(), DrillError> {
        let Some(chunk) = victims.chunk else { return Ok(()) };
        let pack = chunk.place.pack;
        let at = u64::from(chunk.place.offset) + u64::from(chunk.place.stored) / 2;
        // Of a small snapshot the pack holds the root as well, and is hashed as a whole.
        let hashed = "do not hash to its name";
        let cases = [
            ("flipped bit in a pack", Wrong::Bit { pack, at }, ["does not decrypt", hashed]),
            ("pack that is gone", Wrong::Gone { pack }, ["is not in the vault", "is not in the vault"]),
            ("pack that is cut off", Wrong::Cut { pack, at }, ["its length is not possible", hashed]),
        ];
        for (name, wrong, words) in cases {
            let archive = self.order.archive.through(|vault| Arc::new(Stand::new(vault, wrong)));
            let said = self.problems(&archive, None)?;
            self.add(name, format!("pack {}", pack.short()), said, &words);
        }
        Ok(())
    }

    /// Another identity.
    fn keys(&mut self) -> Result<(), DrillError> {
        let (secret, _) = new_identity();
        let Ok(wrong) = Identities::parse(&secret) else { return Ok(()) };
        let said = self.problems(&self.order.archive.opened_by(Arc::new(wrong)), None)?;
        self.add("wrong key", "the identity".into(), said, &["none of the identities given opens it"]);
        Ok(())
    }

    /// An older snapshot, or another one, in the place of the newest.
    fn newest(&mut self) -> Result<(), DrillError> {
        let info = self.order.snapshot.info();
        let spec = format!("{}/{}@latest", info.receipt.host_id(), info.manifest.source);
        let find = |wrong| self.order.archive.through(|vault| Arc::new(Stand::new(vault, wrong))).find(&spec);
        // Its receipt is not shown: an older one is the newest then, or there is none.
        let said = match find(Wrong::Hidden { from: info.receipt.position }) {
            Ok(found) => older(&found, Some(info.manifest.sequence)).into_iter().collect(),
            Err(error @ ArchiveError::NoSuchSnapshot { .. }) => {
                vec![format!("this is not the newest snapshot: there is none: {error}")]
            }
            Err(error) => return Err(error.into()),
        };
        let object = format!("snapshot {}", info.id.short());
        self.add("old snapshot posing as new", object.clone(), said, &["this is not the newest snapshot"]);
        let said = match find(Wrong::Forged { manifest: info.id }) {
            Ok(_) => Vec::new(),
            Err(error) => vec![error.to_string()],
        };
        self.add("manifest of other content", object, said, &["do not hash to its name"]);
        Ok(())
    }

    /// Files that change between reading and comparing.
    fn files(&mut self, victims: &Victims) -> Result<(), DrillError> {
        let same = "its data is not what the listing says";
        if let Some(victim) = &victims.file {
            let object = victim.display();
            let words = format!("{object}: {same}");
            for (name, how) in [("changed byte", How::Byte), ("truncated file", How::Half)] {
                let said = self.problems(self.order.archive, Some(&Changed { path: &victim.path, how }))?;
                self.add(name, object.clone(), said, &[&words]);
            }
            let lost = Lost { only: Some(&victim.path) };
            let said = self.problems(self.order.archive, Some(&lost))?;
            let files = self.order.snapshot.info().manifest.counts.files.saturating_sub(1);
            let words = format!("the listing has {files} files");
            self.add("missing file", object, said, &[&words]);
        }
        if let Some((one, other)) = &victims.pair {
            let name = if victims.pair_is_images { "swapped images" } else { "swapped files" };
            let said = self.problems(self.order.archive, Some(&Swapped { one, other }))?;
            let both = [one, other].map(|entry| format!("{}: {same}", entry.display()));
            // Both of them, or it is not noticed.
            let all = both.iter().all(|words| said.iter().any(|text| text.contains(words)));
            let said = if all { said } else { Vec::new() };
            self.add(name, format!("{} and {}", one.display(), other.display()), said, &[&both[0]]);
        }
        if self.order.snapshot.info().manifest.counts.files > 0 {
            let said = self.problems(self.order.archive, Some(&Lost { only: None }))?;
            self.add("emptied tree", "all files".into(), said, &["the listing has 0 files"]);
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum How {
    Byte,
    Half,
}

/// One file of other content.
struct Changed<'c> {
    path: &'c [u8],
    how: How,
}

impl Tamper for Changed<'_> {
    fn change(&self, entry: &Entry<ObjectId>, at: u64, data: &mut Vec<u8>) {
        if entry.path != self.path {
            return;
        }
        match self.how {
            How::Byte if at == 0 => {
                let middle = data.len() / 2;
                if let Some(byte) = data.get_mut(middle) {
                    *byte ^= 1;
                }
            }
            How::Byte => {}
            How::Half => {
                let keep = (entry.data_bytes() / 2).saturating_sub(at);
                data.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
            }
        }
    }
}

/// Two files with the content of each other.
struct Swapped<'c> {
    one: &'c Entry<ObjectId>,
    other: &'c Entry<ObjectId>,
}

impl Tamper for Swapped<'_> {
    fn instead<'e>(&'e self, entry: &'e Entry<ObjectId>) -> &'e Entry<ObjectId> {
        match &entry.path {
            path if *path == self.one.path => self.other,
            path if *path == self.other.path => self.one,
            _ => entry,
        }
    }
}

/// One file that is not there, or none at all.
struct Lost<'c> {
    only: Option<&'c [u8]>,
}

impl Tamper for Lost<'_> {
    fn keeps(&self, entry: &Entry<ObjectId>) -> bool {
        match self.only {
            Some(path) => entry.path != path,
            None => entry.kind != Kind::File,
        }
    }
}
