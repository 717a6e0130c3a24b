//! A vault whose storage is a bucket: opening it with the key that lies beside its settings.

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::sign::SigningKey;
use vow_vault::server::Config as Settings;
use vow_vault::server::config::BucketTerms;
use vow_vault::storage::s3::{S3Error, S3Options, S3Storage};
use vow_vault::storage::{CachedStorage, Storage};
use vow_vault::{Vault, parse_vault_key};
use zeroize::Zeroizing;

/// What is kept in memory of what never changes: list segments, manifests, ledger entries.
const MEMORY_BYTES: u64 = 64 << 20;
/// Where the rest of it is kept, beside vault.toml. One server uses it; commands do without.
const CACHE: &str = "cache";

/// A vault in a bucket.
pub(super) struct InBucket {
    /// The bucket.
    pub(super) storage: S3Storage,
    /// Whether one that does not hold its lock is a problem.
    pub(super) must_lock: bool,
    key: PathBuf,
    cache: PathBuf,
    cache_bytes: u64,
}

impl InBucket {
    /// The bucket that these settings name; `dir` is their folder.
    pub(super) fn open(dir: &Path, settings: &Settings) -> Outcome<Self> {
        let storage = storage(&settings.storage, &settings.bucket)?;
        let (key, cache) = (dir.join(&settings.key), dir.join(CACHE));
        let terms = &settings.bucket;
        Ok(Self { storage, must_lock: terms.must_lock, key, cache, cache_bytes: terms.cache.0 })
    }

    /// The vault, read without anything in between: for commands, and for whoever wants to know what the bucket really holds.
    pub(super) fn vault(&self) -> Outcome<Vault> {
        self.on(Arc::new(self.storage.clone()))
    }

    /// The vault, with a memory of what never changes: for its server.
    pub(super) fn vault_to_serve(&self) -> Outcome<Vault> {
        let cached = CachedStorage::new(Arc::new(self.storage.clone()), MEMORY_BYTES);
        let cached = match self.cache_bytes {
            0 => cached,
            limit => cached.with_folder(&self.cache, limit).map_err(|e| {
                Failure::failed("the cache of the bucket cannot be used").because(&e).hint(
                    "make that folder writable to the vault's user, or set cache = 0 below [bucket] in vault.toml",
                )
            })?,
        };
        self.on(Arc::new(cached))
    }

    fn on(&self, storage: Arc<dyn Storage>) -> Outcome<Vault> {
        Ok(Vault::open_on(storage, Arc::new(SystemClock), Some(read_key(&self.key)?))?)
    }
}

/// Opens the bucket: credentials, and what the settings leave open, come from the AWS_ variables.
pub(super) fn storage(url: &str, terms: &BucketTerms) -> Outcome<S3Storage> {
    let from_env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let given = [("AWS_ENDPOINT_URL_S3", &terms.endpoint), ("AWS_REGION", &terms.region)];
    let given: Vec<_> =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    let env = from_env.filter(|(name, _)| given.iter().all(|(other, _)| other != name)).chain(given.clone());
    let options = S3Options { lock: terms.lock.0, grace: terms.grace.0, ..S3Options::default() };
    Ok(S3Storage::open(url, env, options)?)
}

/// The key that makes this the vault's server.
pub(super) fn read_key(file: &Path) -> Outcome<SigningKey> {
    let text = Zeroizing::new(fs::read(file).map_err(|e| {
        Failure::io("read the vault's key", file, e).hint(
            "the key of a vault in a bucket lies beside its vault.toml, on every machine that serves it; bring a copy of it",
        )
    })?);
    parse_vault_key(&text).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} holds no key of a vault", file.display())).hint(
            "it is one line of 64 hexadecimal digits; bring the file from the machine that made the vault",
        )
    })
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::Disk(error) => Self::failed("the bucket cannot be asked").because(&error).hint(
                "check that the bucket is there, and AWS_ENDPOINT_URL, AWS_REGION and the credentials (AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, or files named by …_FILE)",
            ),
            other => Self::new(Exit::Usage, other.to_string())
                .hint("docs/vault.md, \"In a bucket\", says what a vault in a bucket needs"),
        }
    }
}
