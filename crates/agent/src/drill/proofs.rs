//! The proofs of this drill host: its key, and every proof it signed, as a series. Nothing here is ever changed or removed by a drill, and
//! of what there is those few are read that decide what is drilled next.

mod name;

use name::{Name, read_deciding};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use vow_base::clock::{Clock, Nanos, SystemClock};
use vow_base::disk::RealDisk;
use vow_base::id::{from_hex, hex};
use vow_base::publish::{PublishError, publish};
use vow_base::sign::{PublicKey, SignError, SigningKey};
use vow_protocol::proof::ProofRecord;
use zeroize::Zeroizing;

const KEY: &str = "drill.key";
const FOLDER: &str = "proofs";

/// Why the proofs cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ProofsError {
    /// A file of ours failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file could not be made durable.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The key is no key.
    #[error("{} does not hold a key (64 hexadecimal digits); put it back, or remove it to drill as a new drill host", .0.display())]
    Key(PathBuf),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Random,
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ProofsError {
    let path = path.to_owned();
    move |source| ProofsError::Io { action, path, source }
}

/// One asset on one level: the key of its host, its source, the level.
pub type Asset = (String, String, String);

/// The folder of a drill host.
pub struct Proofs {
    folder: PathBuf,
    key: SigningKey,
    /// Every proof there was when it was opened, oldest first.
    paths: Vec<PathBuf>,
    /// What decides something of what was proven before, oldest first.
    kept: Vec<ProofRecord>,
    /// The time in the name of the newest, nanoseconds since 1970.
    last_made: Option<Nanos>,
    /// Proofs that were looked at and cannot be believed, and why.
    pub refused: Vec<(PathBuf, SignError)>,
}

impl Proofs {
    /// Opens the folder, making it and a key the first time.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, ProofsError> {
        use std::os::unix::fs::DirBuilderExt;
        let proofs = folder.join(FOLDER);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&proofs).map_err(at("create", &proofs))?;
        let key = key(folder)?;
        let mut opened = Self {
            folder: folder.to_owned(),
            key,
            paths: Vec::new(),
            kept: Vec::new(),
            last_made: None,
            refused: Vec::new(),
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&proofs).map_err(at("list", &proofs))? {
            let path = entry.map_err(at("list", &proofs))?.path();
            if let Some(name) = path.file_name().and_then(|name| Name::parse(name.to_str()?)) {
                names.push((path, name));
            }
        }
        names.sort_by(|one, other| one.0.cmp(&other.0));
        let (paths, names): (Vec<_>, Vec<_>) = names.into_iter().unzip();
        opened.last_made = names.last().map(|name| name.as_ref().map_or_else(|made| *made, |name| name.made));
        let names: Vec<_> = names.into_iter().map(Result::ok).collect();
        let (mut read, mut failed) = (BTreeMap::new(), None);
        read_deciding(&names, |number| match opened.read(&paths[number]) {
            Ok(record) => {
                let is_good = record.is_some();
                read.extend(record.map(|record| (number, record)));
                is_good
            }
            Err(error) => {
                failed.get_or_insert(error);
                false
            }
        });
        opened.kept = read.into_values().collect();
        opened.paths = paths;
        failed.map_or(Ok(opened), Err)
    }

    /// Reads one; `None` when it cannot be believed.
    fn read(&mut self, path: &Path) -> Result<Option<ProofRecord>, ProofsError> {
        let stored = fs::read(path).map_err(at("read", path))?;
        let why = match ProofRecord::open(&stored) {
            Ok(record) if record.drill_key == hex(&self.key.public().0) => return Ok(Some(record)),
            Ok(_) => SignError::Key,
            Err(error) => error,
        };
        self.refused.push((path.to_owned(), why));
        Ok(None)
    }

    /// The public half of the key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The key itself: a vault that takes proofs knows the drill host by it.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A secret that decides the order in which samples are read.
    pub fn rotation_key(&self) -> [u8; 32] {
        vow_base::id::sha256(&[&b"vow drill rotation"[..], &*self.key.seed()].concat())
    }

    /// The proofs of one asset, oldest first: the newest, and the newest that is proven, are among them.
    pub fn of<'p>(&'p self, asset: &'p Asset) -> impl DoubleEndedIterator<Item = &'p ProofRecord> {
        self.kept.iter().filter(move |record| asset_of(record) == *asset)
    }

    /// The newest proofs of everything, so many at most, oldest first: the series of what was proven and how long it took.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn series(&mut self, most: usize) -> Result<Vec<ProofRecord>, ProofsError> {
        let newest = self.paths[self.paths.len().saturating_sub(most)..].to_vec();
        let mut series = Vec::new();
        for path in newest {
            series.extend(self.read(&path)?);
        }
        Ok(series)
    }

    /// The highest number of a snapshot of this source that was ever seen, on any level.
    pub fn newest_sequence(&self, host_key: &str, source: &str) -> Option<u64> {
        let of_source = |record: &&ProofRecord| record.host_key == host_key && record.report.source == source;
        self.kept.iter().filter(of_source).map(|record| record.sequence).max()
    }

    /// Signs a proof and keeps it. Gives its stored bytes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, record: &ProofRecord) -> Result<Vec<u8>, ProofsError> {
        let stored = record.seal(&self.key);
        // Names are in the order in which proofs were made, also within a second: the next sample begins where the last one ended.
        let last = self.last_made.unwrap_or_default().saturating_add(1);
        let made = SystemClock.now().max(last);
        self.last_made = Some(made);
        let name = Name::of(record, made).file(&stored);
        let folder = self.folder.join(FOLDER);
        publish(&RealDisk, &folder, &folder.join(name), &stored, None, true)?;
        self.kept.push(ProofRecord { drill_key: hex(&self.key.public().0), ..record.clone() });
        Ok(stored)
    }
}

/// What a proof is of.
pub fn asset_of(record: &ProofRecord) -> Asset {
    (record.host_key.clone(), record.report.source.clone(), record.report.level.clone())
}

fn key(folder: &Path) -> Result<SigningKey, ProofsError> {
    let path = folder.join(KEY);
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = SigningKey::generate().map_err(|_| ProofsError::Random)?;
            let text = Zeroizing::new(format!("{}\n", hex(&*key.seed())));
            match publish(&RealDisk, folder, &path, text.as_bytes(), None, true) {
                Ok(_) => return Ok(key),
                // Another drill has made one in this moment: that is the key.
                Err(_) if path.exists() => {
                    Zeroizing::new(fs::read_to_string(&path).map_err(at("read", &path))?)
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(at("read", &path)(error)),
    };
    let seed = from_hex::<32>(text.trim()).map(Zeroizing::new).ok_or(ProofsError::Key(path))?;
    Ok(SigningKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vow_protocol::report::{ProofReport, Verdict};

    fn record(source: &str, sequence: u64, verdict: Verdict) -> ProofRecord {
        let report = serde_json::json!({
            "source": source, "source_type": "files", "snapshot": "00", "received_secs": 1, "level": "local", "recipient": "",
            "started_secs": 2, "restore_secs": 1.0, "compare_secs": 0.0, "compared": 1, "files": 1, "files_read": 1, "bytes": 1,
            "problems": [], "blocked": [], "verdict": verdict, "vault": null, "restore_target_secs": null,
        });
        ProofRecord {
            format: vow_protocol::proof::FORMAT.into(),
            version: vow_protocol::proof::VERSION,
            drill_key: String::new(),
            tenant: "acme".into(),
            host: "web-1".into(),
            host_key: "aa".into(),
            sequence,
            report: serde_json::from_value::<ProofReport>(report).expect("a report"),
            share: 1.0,
            next: "0".repeat(16),
            whole_restore_secs: 1.0,
            sabotaged: Vec::new(),
            screenshots: Vec::new(),
            software: "vow".into(),
        }
    }

    #[test]
    fn what_decides_is_found_again_and_what_was_changed_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut proofs = Proofs::open(folder.path()).expect("opened");
        for sequence in 1..60 {
            proofs.add(&record("files", sequence, Verdict::Proven)).expect("added");
        }
        proofs.add(&record("files", 20, Verdict::Failed)).expect("added");
        proofs.add(&record("other", 3, Verdict::Blocked)).expect("added");
        let mut again = Proofs::open(folder.path()).expect("opened");
        let series = again.series(4).expect("read");
        assert_eq!(series.iter().map(|one| one.sequence).collect::<Vec<_>>(), [58, 59, 20, 3]);
        assert!(again.kept.len() == 3 && again.refused.is_empty(), "{}", again.kept.len());
        let asset: Asset = ("aa".into(), "files".into(), "local".into());
        let of: Vec<_> = again.of(&asset).map(|one| (one.sequence, one.report.verdict)).collect();
        assert_eq!(of, [(59, Verdict::Proven), (20, Verdict::Failed)]);
        assert_eq!(again.newest_sequence("aa", "files"), Some(59));
        assert_eq!(again.newest_sequence("aa", "nosuch"), None);

        // The one with the highest number is changed: the one before is believed, and it is said.
        let list = fs::read_dir(folder.path().join(FOLDER)).expect("listed");
        let changed = list.map(|entry| entry.expect("an entry").path()).find(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("-59-"))
        });
        let changed = changed.expect("it is there");
        let mut bytes = fs::read(&changed).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&changed, bytes).expect("written");
        let again = Proofs::open(folder.path()).expect("opened");
        assert_eq!((again.newest_sequence("aa", "files"), again.refused.len()), (Some(58), 1));
        assert_eq!(again.refused[0].0, changed);
    }
}
