//! A storage in memory, with or without a lock and versions, that fails, lies and stops on demand, and lets a scheduler choose who goes on.

use super::scheduler::Turn;
use std::collections::{BTreeMap, HashSet};
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::clock::{Clock, Nanos};
use vow_base::disk::{DiskError, DiskLock};
use vow_base::publish::{PublishError, Published};
use vow_vault::storage::{Item, Space, Stat, Storage, Upload};

/// What happened to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Removed,
}

type Watcher = Box<dyn FnMut(&Contents, &str, Change) + Send>;

/// One process's handle of a storage.
#[derive(Clone)]
pub(crate) struct MemStore {
    shared: Arc<Mutex<Shared>>,
    clock: Arc<dyn Clock>,
    turn: Option<Turn>,
}

/// Names and what stands under them.
pub(crate) type Contents = BTreeMap<String, Object>;

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Arc<[u8]>,
    stored: Nanos,
    version: u64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happens, and an error says so.
    Refused,
    /// It happens, and an error says that it did not.
    AnswerLost,
    /// Whatever creates something fails: the disk is full.
    Full,
    /// The process is gone: this and everything after it fails.
    Killed,
    /// A listing lacks its last names and does not say so.
    ListCut,
}

struct Shared {
    contents: Contents,
    versions: u64,
    /// A bucket has none.
    lockable: bool,
    locked: bool,
    operations: usize,
    fault: Option<(usize, Fault)>,
    /// Objects that the store does not let go.
    kept: HashSet<String>,
    watcher: Option<Watcher>,
    /// What is done before which operation.
    surprise: Option<(usize, Box<dyn FnOnce() + Send>)>,
    /// The first operation of this kind is noted.
    wanted: Option<(&'static str, Option<usize>)>,
}

impl MemStore {
    pub(crate) fn new(clock: Arc<dyn Clock>, lockable: bool) -> Self {
        let shared = Shared {
            contents: BTreeMap::new(),
            versions: 0,
            lockable,
            locked: false,
            operations: 0,
            fault: None,
            kept: HashSet::new(),
            watcher: None,
            surprise: None,
            wanted: None,
        };
        Self { shared: Arc::new(Mutex::new(shared)), clock, turn: None }
    }

    /// Another storage with the same contents.
    pub(crate) fn fork(&self, clock: Arc<dyn Clock>) -> Self {
        let copy = Self::new(clock, self.shared().lockable);
        copy.shared().contents = self.shared().contents.clone();
        copy.shared().versions = self.shared().versions;
        copy
    }

    /// The handle of a process that the scheduler lets go on.
    pub(crate) fn scheduled(&self, turn: Turn) -> Self {
        Self { turn: Some(turn), ..self.clone() }
    }

    /// The operation that comes `n` operations from now goes wrong.
    pub(crate) fn fail_at(&self, n: usize, fault: Fault) {
        let mut shared = self.shared();
        shared.fault = Some((shared.operations + n, fault));
    }

    /// Before the operation that comes `n` operations from now, something else happens.
    pub(crate) fn at_operation(&self, n: usize, surprise: Box<dyn FnOnce() + Send>) {
        let mut shared = self.shared();
        shared.surprise = Some((shared.operations + n, surprise));
    }

    /// The number of the first operation of this kind while `run` runs.
    pub(crate) fn operation_of(&self, action: &'static str, run: impl FnOnce()) -> usize {
        self.shared().wanted = Some((action, None));
        run();
        let wanted = self.shared().wanted.take();
        wanted.and_then(|(_, number)| number).expect("it came to that")
    }

    /// Nothing goes wrong any more, and a process that was killed holds no lock. Whether anything had gone wrong, or happened, yet.
    pub(crate) fn heal(&self) -> bool {
        let mut shared = self.shared();
        shared.locked = false;
        let (operations, fault, surprise) = (shared.operations, shared.fault.take(), shared.surprise.take());
        match fault {
            Some((at, _)) => operations > at,
            None => surprise.is_none(),
        }
    }

    pub(crate) fn operations(&self) -> usize {
        self.shared().operations
    }

    pub(crate) fn contents(&self) -> Contents {
        self.shared().contents.clone()
    }

    pub(crate) fn lose(&self, name: &str) {
        assert!(self.shared().contents.remove(name).is_some(), "{name} was there");
    }

    /// From now on the store refuses to remove this, or not any more.
    pub(crate) fn hold(&self, name: &str, hold: bool) {
        let mut shared = self.shared();
        if hold {
            shared.kept.insert(name.to_owned());
        } else {
            shared.kept.remove(name);
        }
    }

    /// Is told of every change directly after it happened.
    pub(crate) fn watch(&self, watcher: Watcher) {
        self.shared().watcher = Some(watcher);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn, counts the operation, and lets it happen unless it goes wrong.
    fn operate<T>(
        &self,
        action: &'static str,
        name: &str,
        happen: impl FnOnce(&mut Shared) -> std::io::Result<T>,
    ) -> Result<T, DiskError> {
        if let Some(turn) = &self.turn {
            turn.pass();
        }
        let mut shared = self.shared();
        let number = shared.operations;
        shared.operations += 1;
        if shared.surprise.as_ref().is_some_and(|(at, _)| *at == number)
            && let Some((_, surprise)) = shared.surprise.take()
        {
            surprise();
        }
        match &mut shared.wanted {
            Some((wanted, noted)) if *wanted == action && noted.is_none() => *noted = Some(number),
            _ => {}
        }
        let broken = || Error::other("it broke, as the test wanted");
        let result = match shared.fault {
            Some((at, Fault::Refused)) if number == at => Err(broken()),
            Some((at, Fault::Killed)) if number >= at => Err(Error::other("the process is gone")),
            Some((at, Fault::Full)) if number >= at && action == "create" => {
                Err(ErrorKind::StorageFull.into())
            }
            Some((at, Fault::AnswerLost)) if number == at => happen(&mut shared).and(Err(broken())),
            _ => happen(&mut shared),
        };
        result.map_err(DiskError::at(action, name.as_ref()))
    }

    fn create_now(&self, name: &str, bytes: &[u8]) -> Result<Published, PublishError> {
        let stored = self.clock.now();
        let there = self.operate("create", name, |shared| {
            if let Some(there) = shared.contents.get(name) {
                return Ok(Some(there.bytes.clone()));
            }
            shared.versions += 1;
            let object = Object { bytes: bytes.into(), stored, version: shared.versions };
            shared.contents.insert(name.to_owned(), object);
            shared.tell(name, Change::Created);
            Ok(None)
        })?;
        match there {
            None => Ok(Published::New),
            Some(there) if *there == *bytes => Ok(Published::AlreadyThere),
            Some(_) => Err(PublishError::Occupied { path: name.into(), reason: "something else".into() }),
        }
    }
}

impl Shared {
    fn tell(&mut self, name: &str, change: Change) {
        if let Some(mut watcher) = self.watcher.take() {
            watcher(&self.contents, name, change);
            self.watcher = Some(watcher);
        }
    }

    fn stat(&self, object: &Object) -> Stat {
        let version = (!self.lockable).then(|| format!("v{}", object.version));
        Stat { length: object.bytes.len() as u64, stored: object.stored, version }
    }
}

impl Storage for MemStore {
    fn place(&self) -> String {
        "memory".into()
    }

    fn begin(
        &self,
        name: &str,
        expected: Option<&ObjectId>,
        _secret: bool,
    ) -> Result<Box<dyn Upload>, PublishError> {
        let upload = MemUpload { store: self.clone(), name: name.to_owned(), bytes: Vec::new() };
        assert!(expected.is_none_or(|id| name.ends_with(&id.to_string())), "{name} is not named by its hash");
        Ok(Box::new(upload))
    }

    fn read(&self, name: &str, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
        self.operate("read", name, |shared| {
            let object = shared.contents.get(name).ok_or(ErrorKind::NotFound)?;
            assert!(object.bytes.len() as u64 <= limit_bytes, "{name} is longer than its limit");
            Ok(object.bytes.to_vec())
        })
    }

    fn read_range(&self, name: &str, _offset: u64, _length: usize) -> Result<Vec<u8>, DiskError> {
        unreachable!("nobody reads parts of {name} here")
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, DiskError> {
        self.operate("look at", name, |shared| {
            Ok(shared.contents.get(name).map(|object| shared.stat(object)))
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<Item>, DiskError> {
        self.operate("list", folder, |shared| {
            let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let mut items: Vec<Item> = Vec::new();
            for (name, object) in
                shared.contents.range(start.clone()..).take_while(|(name, _)| name.starts_with(&start))
            {
                let rest = &name[start.len()..];
                match rest.split_once('/') {
                    None => items.push(Item { name: rest.to_owned(), stat: Some(shared.stat(object)) }),
                    Some((below, _)) if items.last().is_none_or(|last| last.name != below) => {
                        items.push(Item { name: below.to_owned(), stat: None });
                    }
                    Some(_) => {}
                }
            }
            if let Some((at, Fault::ListCut)) = shared.fault
                && shared.operations > at
            {
                items.truncate(items.len() / 2);
            }
            Ok(items)
        })
    }

    fn has_folders(&self) -> bool {
        false
    }

    fn is_folder(&self, _folder: &str) -> Result<bool, DiskError> {
        Ok(true)
    }

    fn make_folder(&self, _folder: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn settle(&self, _folder: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn remove(&self, name: &str, seen: &Stat) -> Result<(), DiskError> {
        self.operate("remove", name, |shared| {
            let Some(object) = shared.contents.get(name) else { return Ok(()) };
            if shared.stat(object) != *seen {
                return Ok(());
            }
            if shared.kept.contains(name) {
                return Err(ErrorKind::PermissionDenied.into());
            }
            shared.contents.remove(name);
            shared.tell(name, Change::Removed);
            Ok(())
        })
    }

    fn quarantine(&self, name: &str, _to: &str) -> Result<(), DiskError> {
        unreachable!("nobody moves {name}")
    }

    fn extend_lock(&self, _name: &str, _until: Nanos) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self, _wait: Duration) -> Result<Option<DiskLock>, DiskError> {
        for _ in 0..10_000 {
            let taken = self.operate("lock", "lock", |shared| {
                let taken = shared.lockable && shared.locked;
                shared.locked = true;
                Ok(!taken)
            })?;
            if taken {
                return Ok(Some(DiskLock::new(Unlock(self.shared.clone()))));
            }
            assert!(self.turn.is_some(), "a lock that nobody will ever give back");
        }
        Ok(None)
    }

    fn clear_unfinished(&self, _older_than: Duration) -> Result<u64, DiskError> {
        self.operate("clear", "tmp", |_| Ok(0))
    }

    fn space(&self) -> Result<Option<Space>, DiskError> {
        Ok(None)
    }
}

struct MemUpload {
    store: MemStore,
    name: String,
    bytes: Vec<u8>,
}

impl Upload for MemUpload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Published, PublishError> {
        self.store.create_now(&self.name, &self.bytes)
    }
}

struct Unlock(Arc<Mutex<Shared>>);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).locked = false;
    }
}
