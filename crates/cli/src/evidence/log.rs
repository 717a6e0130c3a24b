//! The receipts of one vault, in one file that only grows: stored bytes as the vault signed them, each behind its length and a check.

use crate::failure::{Failure, Outcome};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use vow_base::ObjectId;
use vow_base::id::sha256;
use vow_base::receipt::{ENVELOPE, Receipt};

const CHECK_BYTES: usize = 8;
const HEAD_BYTES: usize = 4 + CHECK_BYTES;

/// A receipt that is kept.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// What it says.
    pub(super) receipt: Receipt,
    /// Hash of its stored bytes.
    pub(super) id: ObjectId,
}

/// The file, and what is in it.
pub(super) struct Log {
    path: PathBuf,
    /// In ledger order.
    pub(super) known: Vec<Known>,
    /// How much of the file is sound, in bytes; what is behind that was cut short, or is damaged.
    sound_bytes: u64,
    /// Why it cannot be written: nothing more is, or there would be a hole in it.
    failure: Option<io::Error>,
}

impl Log {
    /// Reads it. A record that is damaged ends it: what came after is asked for again.
    pub(super) fn load(path: &Path) -> Outcome<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Failure::io("read", path, e)),
        };
        let (mut known, mut rest) = (Vec::new(), &bytes[..]);
        while let Some((one, behind)) = read_one(rest) {
            known.push(one);
            rest = behind;
        }
        let sound_bytes = (bytes.len() - rest.len()) as u64;
        Ok(Self { path: path.to_owned(), known, sound_bytes, failure: None })
    }

    /// The newest receipt.
    pub(super) fn last(&self) -> Option<&Known> {
        self.known.last()
    }

    /// Adds receipts, durably. What cannot be written is known until the end of the run, and asked for again in the next one.
    pub(super) fn append(&mut self, new: &[(Vec<u8>, Receipt)]) {
        if self.failure.is_none() {
            self.failure = self.write(new).err();
        }
        let known = |(stored, receipt): &(Vec<u8>, Receipt)| Known {
            receipt: receipt.clone(),
            id: ObjectId::of(stored),
        };
        self.known.extend(new.iter().map(known));
    }

    /// Why receipts could not be written.
    pub(super) fn failure(&self) -> Option<Failure> {
        let error = self.failure.as_ref()?;
        let again = io::Error::new(error.kind(), error.to_string());
        Some(Failure::io("write", &self.path, again))
    }

    fn write(&mut self, new: &[(Vec<u8>, Receipt)]) -> io::Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = File::options().create(true).truncate(false).write(true).open(&self.path)?;
        file.set_len(self.sound_bytes)?;
        file.seek(SeekFrom::Start(self.sound_bytes))?;
        let records: Vec<u8> = new.iter().flat_map(|(stored, _)| record(stored)).collect();
        file.write_all(&records)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        self.sound_bytes += records.len() as u64;
        Ok(())
    }
}

fn record(stored: &[u8]) -> Vec<u8> {
    let check = sha256(stored);
    [&(stored.len() as u32).to_le_bytes()[..], &check[..CHECK_BYTES], stored].concat()
}

fn read_one(bytes: &[u8]) -> Option<(Known, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let (stored, rest) = rest.split_at_checked(length)?;
    if sha256(stored)[..CHECK_BYTES] != head[4..] {
        return None;
    }
    // The signature was verified before it was written, and the check says that nothing changed since.
    let receipt = vow_base::cbor::decode(ENVELOPE.payload(stored).ok()?).ok()?;
    Some((Known { receipt, id: ObjectId::of(stored) }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vow_base::receipt::Event;
    use vow_base::sign::SigningKey;

    fn receipts(count: u64) -> Vec<(Vec<u8>, Receipt)> {
        let key = SigningKey::from_seed(&[1; 32]);
        let one = |position| Receipt {
            version: 1,
            vault_key: key.public().0,
            position,
            previous: None,
            host: [2; 32],
            manifest: ObjectId::of(&position.to_le_bytes()),
            sequence: position,
            received: 5,
            event: Event::Committed,
        };
        (1..=count).map(one).map(|receipt| (receipt.seal(&key), receipt)).collect()
    }

    fn sequences(log: &Log) -> Vec<u64> {
        log.known.iter().map(|known| known.receipt.sequence).collect()
    }

    #[test]
    fn what_is_appended_is_read_again_and_a_damaged_end_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("remote/receipts");
        let all = receipts(3);
        let mut log = Log::load(&path).expect("nothing yet");
        log.append(&all[..2]);
        log.append(&all[2..]);
        let log = Log::load(&path).expect("read");
        assert_eq!(sequences(&log), [1, 2, 3]);
        assert_eq!(log.last().expect("one").id, ObjectId::of(&all[2].0));

        let whole = fs::read(&path).expect("the file");
        let second = whole.len() / 3;
        for at in [second, second + 5, second + 60, 2 * second - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).expect("written");
            let mut log = Log::load(&path).expect("read");
            assert_eq!(sequences(&log), [1], "byte {at}");
            log.append(&all[1..]);
            assert!(log.failure().is_none());
            assert_eq!(fs::read(&path).expect("the file"), whole);
        }
        for length in [whole.len() - 1, 2 * second + 3, 2 * second] {
            fs::write(&path, &whole[..length]).expect("written");
            assert_eq!(sequences(&Log::load(&path).expect("read")), [1, 2], "{length} bytes");
        }
    }
}
