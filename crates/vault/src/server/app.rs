//! What every request shares: the vault, who is known to it, what is promised, and the figures.

use super::body::Memory;
use super::config::Config;
use super::error::ApiError;
use super::figures::Figures;
use super::quota::Usage;
use super::room::Room;
use super::share::{Share, Shares};
use super::tasks::Tasks;
use crate::access::{AccessBook, BookTerms};
use crate::chores::{Chores, Standing};
use crate::{HostDeposit, Vault};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::Semaphore;
use vow_base::HostId;
use vow_base::clock::Nanos;
use vow_base::sign::PublicKey;
use vow_base::vault::VaultError;

/// What every request shares.
pub(crate) struct App {
    pub(crate) vault: Vault,
    pub(crate) config: Config,
    pub(crate) book: AccessBook,
    pub(crate) shares: Shares,
    pub(crate) tasks: Tasks,
    pub(crate) memory: Memory,
    /// Requests of known keys, …
    pub(crate) requests: Arc<Semaphore>,
    /// … and of strangers, who cannot take the places of the others.
    pub(crate) strangers: Arc<Semaphore>,
    pub(crate) commits: Arc<Semaphore>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) room: Arc<Room>,
    pub(crate) figures: Figures,
    pub(crate) started: Nanos,
    /// SHA-256 of the token that lets its bearer read the figures.
    pub(crate) metrics_token: Option<[u8; 32]>,
    /// What the vault does by itself, when somebody does it.
    pub(crate) chores: OnceLock<Arc<Chores>>,
    deposits: Mutex<HashMap<HostId, Arc<HostDeposit>>>,
    trouble: Mutex<Trouble>,
}

/// What ails the storage, as far as requests have met it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble {
    /// Nothing can be written at present.
    pub(crate) read_only: Option<String>,
    /// The last failure, and when.
    pub(crate) last: Option<(Nanos, String)>,
}

/// Requests of strangers that are answered at a time.
const STRANGER_REQUESTS: usize = 32;

impl App {
    pub(crate) fn new(vault: Vault, config: Config, metrics_token: Option<[u8; 32]>) -> Self {
        let limits = &config.limits;
        Self {
            book: AccessBook::new(vault.clone(), BookTerms::default()),
            shares: Shares::new(limits),
            tasks: Tasks::new(limits.storage_tasks, limits.wait.0),
            memory: Memory::new(limits.memory.0),
            requests: Arc::new(Semaphore::new(limits.requests)),
            strangers: Arc::new(Semaphore::new(STRANGER_REQUESTS)),
            commits: Arc::new(Semaphore::new(1)),
            usage: Usage::new(config.quota.clone()),
            room: Room::new(config.reserve.0),
            figures: Figures::new(),
            started: vault.now(),
            metrics_token,
            chores: OnceLock::new(),
            deposits: Mutex::default(),
            trouble: Mutex::default(),
            vault,
            config,
        }
    }

    /// Does work on the storage for a key, when it is its turn.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        share: &Share,
        work: impl FnOnce(&Arc<Self>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let app = self.clone();
        self.tasks.run(share, move || work(&app)).await?
    }

    /// The deposit of a host that has joined. Looks at the storage the first time only.
    pub(crate) fn deposit(&self, key: &PublicKey) -> Result<Arc<HostDeposit>, VaultError> {
        let host = key.host_id();
        let known = lock(&self.deposits).get(&host).cloned();
        if let Some(deposit) = known {
            return Ok(deposit);
        }
        let deposit = Arc::new(self.vault.deposit(key)?);
        lock(&self.deposits).insert(host, deposit.clone());
        Ok(deposit)
    }

    /// Something was stored: whatever kept the storage from it is over.
    pub(crate) fn stored(&self) {
        lock(&self.trouble).read_only = None;
    }

    /// Remembers a failure of the storage, and counts it.
    pub(crate) fn note(&self, error: &VaultError) {
        let failed = match error {
            VaultError::Disk(disk) => !disk.is_full(),
            VaultError::Damaged { .. } | VaultError::Ledger { .. } => true,
            _ => false,
        };
        if !failed {
            return;
        }
        self.figures.storage_errors.inc();
        let mut trouble = lock(&self.trouble);
        trouble.last = Some((self.vault.now(), error.to_string()));
        if let VaultError::Disk(disk) = error
            && disk.source.kind() == ErrorKind::ReadOnlyFilesystem
        {
            trouble.read_only = Some(error.to_string());
        }
    }

    /// How the chores stand; none when nobody does them here.
    pub(crate) fn chores(&self) -> Vec<Standing> {
        self.chores.get().map(|chores| chores.standing()).unwrap_or_default()
    }

    /// What ails the storage.
    pub(crate) fn trouble(&self) -> Trouble {
        let mut trouble = lock(&self.trouble).clone();
        trouble.read_only = self.vault.halted().or(trouble.read_only);
        trouble
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For results of the storage: remembers what failed, and makes an answer of it.
pub(crate) trait Noted<T> {
    fn noted(self, app: &App) -> Result<T, ApiError>;
}

impl<T> Noted<T> for Result<T, VaultError> {
    fn noted(self, app: &App) -> Result<T, ApiError> {
        self.map_err(|error| {
            app.note(&error);
            error.into()
        })
    }
}
