//! The proofs of this drill host: its key, and every proof it signed, as a series. Nothing here is ever changed or removed by a drill.

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
use vow_protocol::report::Verdict;
use zeroize::Zeroizing;

const KEY: &str = "drill.key";
const FOLDER: &str = "proofs";
const SUFFIX: &str = ".proof";

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
    /// What was proven before, oldest first.
    kept: Vec<ProofRecord>,
    /// The time in the name of the newest, nanoseconds since 1970.
    last_made: Option<Nanos>,
    /// Proofs that cannot be believed, and why.
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
        let mut opened =
            Self { folder: folder.to_owned(), key, kept: Vec::new(), last_made: None, refused: Vec::new() };
        let mut names = Vec::new();
        for entry in fs::read_dir(&proofs).map_err(at("list", &proofs))? {
            let path = entry.map_err(at("list", &proofs))?.path();
            if path.to_str().is_some_and(|path| path.ends_with(SUFFIX)) {
                names.push(path);
            }
        }
        names.sort();
        opened.last_made =
            names.last().and_then(|path| path.file_name()?.to_str()?.split('-').next()?.parse().ok());
        for path in names {
            let stored = fs::read(&path).map_err(at("read", &path))?;
            match ProofRecord::open(&stored) {
                Ok(record) if record.drill_key == hex(&opened.key.public().0) => opened.kept.push(record),
                Ok(_) => opened.refused.push((path, SignError::Key)),
                Err(error) => opened.refused.push((path, error)),
            }
        }
        Ok(opened)
    }

    /// Every proof, oldest first.
    pub fn all(&self) -> &[ProofRecord] {
        &self.kept
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

    /// The proofs of one asset, oldest first.
    pub fn of<'p>(&'p self, asset: &'p Asset) -> impl DoubleEndedIterator<Item = &'p ProofRecord> {
        self.kept.iter().filter(move |record| asset_of(record) == *asset)
    }

    /// The highest number of a snapshot of this source that was ever seen, on any level.
    pub fn newest_sequence(&self, host_key: &str, source: &str) -> Option<u64> {
        let of_source = |record: &&ProofRecord| record.host_key == host_key && record.report.source == source;
        self.kept.iter().filter(of_source).map(|record| record.sequence).max()
    }

    /// The last proof of every asset that was proven.
    pub fn last_proven(&self) -> BTreeMap<Asset, &ProofRecord> {
        let proven = self.kept.iter().filter(|record| record.report.verdict == Verdict::Proven);
        proven.map(|record| (asset_of(record), record)).collect()
    }

    /// Signs a proof and keeps it. Gives its stored bytes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, record: &ProofRecord) -> Result<Vec<u8>, ProofsError> {
        let stored = record.seal(&self.key);
        let digest = hex(&vow_base::id::sha256(&stored)[..8]);
        // Names are in the order in which proofs were made, also within a second: the next sample begins where the last one ended.
        let last = self.last_made.unwrap_or_default().saturating_add(1);
        let made = SystemClock.now().max(last);
        self.last_made = Some(made);
        let name = format!("{made:020}-{digest}{SUFFIX}");
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
