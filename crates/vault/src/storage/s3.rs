//! A bucket of S3, or of a store that speaks like it, as a vault's storage.
//!
//! Whatever a vault promises here rests on three things that the store does: it creates a name only once (`If-None-Match: *`), it checks the SHA-256
//! that is the name, and it keeps what is locked. The first two are used with every object, the third where the bucket has it; a probe tries them all.
//! `docs/vault.md` says how a bucket is set up.
//!
//! Every call blocks until the store has answered. It must not be made on a thread that runs asynchronous tasks: there it panics. Such callers use
//! their runtime's `spawn_blocking`.

use super::{Item, Space, Stat, Storage, Upload};
use futures_util::{StreamExt, TryStreamExt};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_base::disk::{DiskError, DiskLock};
use vow_base::publish::PublishError;

mod address;
mod admin;
mod budget;
mod connect;
mod failure;
mod hidden;
mod lifecycle;
mod listing;
mod locks;
mod policy;
mod probe;
mod settings;
mod signing;
mod store;
mod upload;
mod xml;

use address::Address;
use admin::Admin;
use budget::Budget;
use failure::Failure;
pub use hidden::Hidden;
pub use probe::{Finding, ProbeReport, Weight};
use store::Store;
use upload::{Buffer, S3Upload};

/// No object is larger: packs have at most 64 MiB, and all is sent in one request.
const OBJECT_LIMIT_BYTES: usize = 65 * 1024 * 1024;
/// What is moved into quarantine is at most this large.
const READ_LIMIT_BYTES: u64 = OBJECT_LIMIT_BYTES as u64;
/// A long object is read in so many bytes a request: few enough for memory, enough that the way there and back costs little.
const READ_AT_ONCE_BYTES: usize = 4 << 20;
/// Requests at once, where something is done to many objects.
const AT_ONCE: usize = 32;
/// Threads for the connections. The work is done by the threads that call.
const THREADS: usize = 2;

/// What a vault says about its bucket.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// How long every object is locked, from when it is stored: the longest `lock` of the vault's rules.
    pub lock: Duration,
    /// How much longer: the `grace` of the rules. By so much more a lock is extended, too, so that few requests extend it.
    pub grace: Duration,
    /// How many bytes all uploads together may hold in memory.
    pub buffer_bytes: usize,
    /// How long a request is tried again before it is an error.
    pub patience: Duration,
    /// How long a probe is locked.
    pub probe_lock: Duration,
}

impl Default for S3Options {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            lock: day * 14,
            grace: day * 3,
            buffer_bytes: 192 * 1024 * 1024,
            patience: Duration::from_secs(60),
            probe_lock: Duration::from_secs(3600),
        }
    }
}

/// Why a bucket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// Not the address of a bucket.
    #[error("the vault's address is not s3://BUCKET/PREFIX: {0}")]
    Url(&'static str),
    /// One of the AWS_ variables.
    #[error("the variable {name}: {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with it; never its value.
        reason: String,
    },
    /// The variables do not fit together.
    #[error("the settings for S3: {0}")]
    Settings(String),
    /// The store does not let itself be asked.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What a bucket's settings say it protects from; what it really does is found by [`S3Storage::probe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// Every version of a name is kept.
    pub versions: bool,
    /// Objects are locked in compliance mode for the rules' `lock` and `grace`.
    pub locks: bool,
}

/// A bucket.
#[derive(Clone)]
pub struct S3Storage {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    store: Store,
    budget: Arc<Budget>,
    gate: Arc<Gate>,
}

impl S3Storage {
    /// Whether this is the address of a bucket. The error never repeats it: people put credentials into addresses.
    pub fn check_url(url: &str) -> Result<(), S3Error> {
        Address::parse(url).map(|_| ()).map_err(S3Error::Url)
    }

    /// Opens `s3://BUCKET/PREFIX` with the AWS_ variables of an environment, such as `std::env::vars()`. Asks for the bucket's settings.
    pub fn open(
        url: &str,
        env: impl IntoIterator<Item = (String, String)>,
        options: S3Options,
    ) -> Result<Self, S3Error> {
        Self::connect(url, env, options, async |admin| {
            let versions = admin.versioning().await?;
            Ok(Protection { versions, locks: versions && admin.lock_enabled().await? })
        })
    }

    /// Opens `s3://BUCKET/PREFIX` to read from it, with credentials that may do no more than that: to see objects and list them.
    ///
    /// What is hidden behind a delete marker is read where these credentials may see versions, and is not there where they may not.
    pub fn open_to_read(url: &str, env: impl IntoIterator<Item = (String, String)>) -> Result<Self, S3Error> {
        Self::connect(url, env, S3Options::default(), async |admin| {
            let versions = match admin.versioning().await {
                // The setting is not for everybody to see; what counts here is whether versions are.
                Err(failure) if failure.has_status(403) => admin.shows_versions().await?,
                other => other?,
            };
            Ok(Protection { versions, locks: false })
        })
    }

    fn connect(
        url: &str,
        env: impl IntoIterator<Item = (String, String)>,
        options: S3Options,
        ask: impl AsyncFnOnce(&Admin) -> Result<Protection, Failure>,
    ) -> Result<Self, S3Error> {
        let address = Address::parse(url).map_err(S3Error::Url)?;
        let connection = connect::connect(&address, env, options.patience)?;
        let runtime = Runtime::new().map_err(|error| S3Error::Settings(format!("no threads: {error}")))?;
        let asked = runtime.block_on(ask(&connection.admin));
        let Protection { versions, locks } =
            asked.map_err(|failure| failure.at("ask for the settings of the bucket of", &address, ""))?;
        let budget = Budget::new(options.buffer_bytes, OBJECT_LIMIT_BYTES);
        let store = Store {
            address,
            objects: connection.store,
            admin: connection.admin,
            options,
            versions,
            locks,
            tells_markers: AtomicBool::new(true),
            known: locks::Known::default(),
            skew: connection.skew,
        };
        Ok(Self { inner: Arc::new(Inner { runtime, store, budget, gate: Arc::default() }) })
    }

    /// What the bucket's settings say. Without versions and locks whoever holds the bucket's credentials can delete and replace everything.
    pub fn protection(&self) -> Protection {
        Protection { versions: self.inner.store.versions, locks: self.inner.store.locks }
    }

    /// Tries everything that must not work, on an object of its own. At the start, and daily: settings and stores change.
    pub fn probe(&self) -> Result<ProbeReport, DiskError> {
        self.run("probe", "probe", |store| store.probe())
    }

    /// What the bucket's settings would do to a vault later, without trying anything: a part of [`S3Storage::probe`].
    pub fn look_at_settings(&self) -> Result<Vec<Finding>, DiskError> {
        self.run("look at the settings of", "", |store| store.look_at_settings())
    }

    /// Objects that somebody has hidden behind a delete marker, or put another object over. They are still there. Looks at every version
    /// in the bucket: for a scrub.
    pub fn hidden(&self) -> Result<Vec<Hidden>, DiskError> {
        if !self.inner.store.versions {
            return Ok(Vec::new());
        }
        self.run("look for hidden objects in", "", |store| store.all_hidden())
    }

    fn run<'a, T, F: Future<Output = Result<T, Failure>>>(
        &'a self,
        action: &'static str,
        name: &str,
        work: impl FnOnce(&'a Store) -> F,
    ) -> Result<T, DiskError> {
        let store = &self.inner.store;
        self.inner.runtime.block_on(work(store)).map_err(|failure| failure.at(action, &store.address, name))
    }

    /// Does something to many objects, several at once; what it came to, in order.
    fn each<'a, T, F: Future<Output = Result<T, Failure>>>(
        &'a self,
        action: &'static str,
        names: &'a [String],
        work: impl Fn(&'a Store, String) -> F,
    ) -> Result<Vec<T>, DiskError> {
        let store = &self.inner.store;
        let one = |name: &'a String| {
            let worked = store.address.key(name).map(|key| work(store, key));
            async move { worked?.await.map_err(|failure| failure.at(action, &store.address, name)) }
        };
        let all = futures_util::stream::iter(names).map(one).buffered(AT_ONCE);
        self.inner.runtime.block_on(all.try_collect())
    }

    fn key(&self, name: &str) -> Result<String, DiskError> {
        self.inner.store.address.key(name)
    }
}

impl fmt::Debug for S3Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Storage({})", self.inner.store.address)
    }
}

impl Storage for S3Storage {
    fn place(&self) -> String {
        self.inner.store.address.to_string()
    }

    fn begin(
        &self,
        name: &str,
        expected: Option<&ObjectId>,
        secret: bool,
    ) -> Result<Box<dyn Upload>, PublishError> {
        let key = self.key(name)?;
        if secret {
            let failure = Failure::Unwanted("a secret does not belong into a bucket".into());
            return Err(failure.at("store", &self.inner.store.address, name).into());
        }
        let (inner, share) = (self.inner.clone(), self.inner.budget.share());
        let (name, expected) = (name.to_owned(), expected.copied());
        Ok(Box::new(S3Upload { inner, name, key, expected, share, bytes: Buffer::default() }))
    }

    fn read(&self, name: &str, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        let key = self.key(name)?;
        self.run("read", name, |store| async move { store.read(&key, limit_bytes).await })
    }

    fn reads(&self, names: &[String], limit_bytes: u64) -> Result<Vec<Vec<u8>>, DiskError> {
        self.each("read", names, |store, key| async move { store.read(&key, limit_bytes).await })
    }

    fn read_range(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        let key = self.key(name)?;
        self.run("read", name, |store| async move { store.read_range(&key, offset, length).await })
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, DiskError> {
        let key = self.key(name)?;
        self.run("look at", name, |store| async move { store.stat(&key).await })
    }

    fn stats(&self, names: &[String]) -> Result<Vec<Option<Stat>>, DiskError> {
        self.each("look at", names, |store, key| async move { store.stat(&key).await })
    }

    fn list(&self, folder: &str) -> Result<Vec<Item>, DiskError> {
        let prefix = self.inner.store.address.folder(folder)?;
        self.run("list", folder, |store| async move { store.list(&prefix, None).await })
    }

    fn names_after(&self, folder: &str, name: &str) -> Result<Vec<String>, DiskError> {
        let prefix = self.inner.store.address.folder(folder)?;
        let listed = self.run("list", folder, |store| async move { store.list(&prefix, Some(name)).await });
        // A folder of the very name comes after it with its slash, and not without.
        Ok(listed?.into_iter().map(|item| item.name).filter(|found| found.as_str() > name).collect())
    }

    fn list_below(
        &self,
        folder: &str,
        after: Option<&str>,
        sink: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        let prefix = self.inner.store.address.folder(folder)?;
        self.run("list", folder, |store| async move { store.list_below(&prefix, after, sink).await })
    }

    fn has_folders(&self) -> bool {
        false
    }

    fn is_folder(&self, folder: &str) -> Result<bool, DiskError> {
        self.inner.store.address.folder(folder).map(|_| true)
    }

    fn make_folder(&self, folder: &str) -> Result<(), DiskError> {
        self.inner.store.address.folder(folder).map(|_| ())
    }

    fn settle(&self, _folder: &str) -> Result<(), DiskError> {
        // Whatever a bucket shows is durable.
        Ok(())
    }

    fn remove(&self, name: &str, seen: &Stat) -> Result<(), DiskError> {
        let key = self.key(name)?;
        self.run("remove", name, |store| async move { store.remove(&key, seen).await })
    }

    fn quarantine(&self, name: &str, to: &str) -> Result<(), DiskError> {
        let Some(seen) = self.stat(name)? else { return Ok(()) };
        let bytes = self.read(name, READ_LIMIT_BYTES)?;
        match self.create(to, &bytes, None) {
            Ok(_) | Err(PublishError::Occupied { .. }) => {}
            Err(PublishError::Disk(error)) => return Err(error),
            Err(other @ PublishError::WrongHash { .. }) => {
                let failure = Failure::Senseless(other.to_string());
                return Err(failure.at("move", &self.inner.store.address, to));
            }
        }
        let key = self.key(name)?;
        self.run("move", name, |store| async move {
            match (store.remove(&key, &seen).await, &seen.version) {
                // It is locked, or these credentials cannot delete.
                (Err(failure), Some(version)) if store.versions && !failure.is_passing() => {
                    store.hide(&key, version).await
                }
                (other, _) => other,
            }
        })
    }

    fn locks(&self) -> bool {
        self.inner.store.locks
    }

    fn extend_locks(&self, names: &[String], until: Nanos) -> Result<(), DiskError> {
        if !self.inner.store.locks {
            return Ok(());
        }
        self.each("lock", names, |store, key| async move { store.extend_lock(&key, until).await }).map(|_| ())
    }

    fn extend_lock(&self, name: &str, until: Nanos) -> Result<(), DiskError> {
        let key = self.key(name)?;
        self.run("lock", name, |store| async move { store.extend_lock(&key, until).await })
    }

    fn lock(&self, wait: Duration) -> Result<Option<DiskLock>, DiskError> {
        Ok(Gate::enter(&self.inner.gate, wait).map(DiskLock::new))
    }

    fn clear_unfinished(&self, _older_than: Duration) -> Result<u64, DiskError> {
        // What is not whole never reaches the bucket.
        Ok(0)
    }

    fn space(&self) -> Result<Option<Space>, DiskError> {
        Ok(None)
    }

    fn piece_bytes(&self) -> usize {
        READ_AT_ONCE_BYTES
    }

    fn buffers_uploads(&self) -> bool {
        true
    }
}

/// Lets one commit of this process through at a time. Other processes are not held back: what they do is ordered by the ledger.
#[derive(Default)]
struct Gate {
    taken: Mutex<bool>,
    freed: Condvar,
}

struct Pass(Arc<Gate>);

impl Gate {
    fn enter(gate: &Arc<Self>, wait: Duration) -> Option<Pass> {
        let until = Instant::now() + wait;
        let mut taken = gate.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            taken = gate.freed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        Some(Pass(gate.clone()))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.freed.notify_one();
    }
}

/// Runs what waits for the network.
struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    fn new() -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("s3").enable_all().build().map(|it| Self(Some(it)))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(runtime) => runtime.block_on(future),
            None => unreachable!("it is taken out only when this is dropped"),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping it plainly would panic on a thread that runs tasks.
            runtime.shutdown_background();
        }
    }
}
