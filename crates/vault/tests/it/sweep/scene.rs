//! A vault in memory with a clock that a test sets, watched by the model; and hosts that send snapshots to it.

use super::model::{Model, name_of};
use super::scheduler::Turn;
use super::store::{Contents, MemStore};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use vow_base::clock::{Clock, Nanos};
use vow_base::sign::SigningKey;
use vow_base::vault::{Deposit, Kind, VaultError};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object, Snapshot};
use vow_vault::sweep::{SweepOptions, SweepReport};
use vow_vault::{HostDeposit, Vault};

pub(crate) const HOUR: i64 = 3_600_000_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;
pub(crate) const START: i64 = 20_500 * DAY;

/// The two newest, whatever is younger than a day, and nothing else; deleted a day after it was condemned.
pub(crate) const RULES: &str = "keep_last = 2\nkeep_hourly = 0\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\n\
                                keep_yearly = 0\nkeep_within = \"0d\"\nlock = \"1d\"\ngrace = \"1d\"\nspacing = \"1m\"\n\
                                tighten_after = \"1d\"\nshare_percent = 90\n";
pub(crate) const GRACE: i64 = DAY;

#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&self) -> Nanos {
        // A nanosecond passes with each look, so that no two entries are at the same time.
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

impl TestClock {
    pub(crate) fn at(time: i64) -> Self {
        Self(Arc::new(AtomicI64::new(time)))
    }

    pub(crate) fn advance(&self, by: i64) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

pub(crate) struct Scene {
    pub(crate) store: MemStore,
    pub(crate) clock: TestClock,
    pub(crate) model: Arc<Mutex<Model>>,
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[77; 32])
}

impl Scene {
    /// With the rules of these tests in force for longer than their delay.
    pub(crate) fn new(lockable: bool) -> Self {
        Self::with_rules(lockable, RULES)
    }

    pub(crate) fn with_rules(lockable: bool, rules: &str) -> Self {
        let clock = TestClock::at(START);
        let store = MemStore::new(Arc::new(clock.clone()), lockable);
        Vault::create_on(Arc::new(store.clone()), Arc::new(clock.clone()), key()).expect("a new vault");
        let scene = Self::watched(store, clock, Model::new(GRACE));
        scene.vault().set_rules(rules, "a test").expect("rules");
        // The defaults they replace protect for a week.
        for _ in 0..8 {
            scene.clock.advance(DAY);
            scene.sweep().expect("an empty vault is swept");
        }
        scene
    }

    fn watched(store: MemStore, clock: TestClock, model: Model) -> Self {
        let model = Arc::new(Mutex::new(model));
        let watching = model.clone();
        store.watch(Box::new(move |contents, name, change| {
            watching.lock().unwrap_or_else(PoisonError::into_inner).see(contents, name, change);
        }));
        Self { store, clock, model }
    }

    /// The same once more, to go another way.
    pub(crate) fn fork(&self) -> Self {
        let clock = TestClock::at(self.clock.0.load(Ordering::SeqCst));
        let store = self.store.fork(Arc::new(clock.clone()));
        Self::watched(store, clock, self.model(Model::clone))
    }

    /// A process that has just started.
    pub(crate) fn vault(&self) -> Vault {
        self.vault_on(self.store.clone())
    }

    /// One that the scheduler lets go on.
    pub(crate) fn scheduled(&self, turn: Turn) -> Vault {
        self.vault_on(self.store.scheduled(turn))
    }

    fn vault_on(&self, store: MemStore) -> Vault {
        Vault::open_on(Arc::new(store), Arc::new(self.clock.clone()), Some(key())).expect("the vault")
    }

    pub(crate) fn join(&self, host: &FakeHost) -> HostDeposit {
        let vault = self.vault();
        vault.join(&host.public()).expect("joining");
        vault.deposit(&host.public()).expect("a deposit")
    }

    pub(crate) fn sweep(&self) -> Result<SweepReport, VaultError> {
        sweep(&self.vault())
    }

    /// Sweeps that have to go through, for at least so many days, every eleven hours: where one failed and nothing else happened, a day is
    /// too long a silence.
    pub(crate) fn sweep_days(&self, days: usize) {
        for _ in 0..(24 * days).div_ceil(11) {
            self.clock.advance(11 * HOUR);
            let report = self.sweep().expect("a sweep");
            assert_eq!(report.stopped, None);
            self.check(false);
        }
    }

    /// Everything kept is there; and whether nothing else is.
    pub(crate) fn check(&self, nothing_else: bool) {
        let contents = self.store.contents();
        self.model.lock().unwrap_or_else(PoisonError::into_inner).check(&contents, nothing_else);
    }

    pub(crate) fn model<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.model.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn ledger_length(&self) -> usize {
        self.store.contents().keys().filter(|name| name.starts_with("ledger/")).count()
    }
}

pub(crate) fn sweep(vault: &Vault) -> Result<SweepReport, VaultError> {
    vault.sweep(&SweepOptions::default(), &|_| ControlFlow::Continue(()))
}

/// Sends what is missing and commits, as a host does: again, until the vault has everything. `pause` between attempts.
pub(crate) fn send(
    deposit: &HostDeposit,
    snapshot: &Snapshot,
    attempts: usize,
    mut pause: impl FnMut(),
) -> Result<(), VaultError> {
    let mut last = None;
    for _ in 0..attempts {
        let sent = send_once(deposit, snapshot);
        match sent {
            Err(error @ (VaultError::Missing(_) | VaultError::Busy { .. })) => last = Some(error),
            other => return other,
        }
        pause();
    }
    Err(last.expect("at least one attempt"))
}

fn send_once(deposit: &HostDeposit, snapshot: &Snapshot) -> Result<(), VaultError> {
    for kind in [Kind::Pack, Kind::List, Kind::Index] {
        let objects = snapshot.of_kind(kind);
        let ids: Vec<_> = objects.iter().map(|object| object.id).collect();
        let missing = deposit.missing(kind, &ids)?;
        for object in objects.iter().filter(|object| missing.contains(&object.id)) {
            deposit.put(kind, &object.id, &object.bytes)?;
        }
    }
    snapshot.commit(deposit).map(|_| ())
}

/// Made-up packs of a host, small ones.
pub(crate) fn packs(count: usize, dice: &mut Dice) -> Vec<Object> {
    (0..count).map(|_| Object::random(Kind::Pack, 120, dice)).collect()
}

/// The names of a host's objects of a kind that are there.
pub(crate) fn names_of(contents: &Contents, host: &FakeHost, kind: Kind) -> Vec<String> {
    let start = format!("hosts/{}/{}/", host.id(), kind.folder());
    contents.keys().filter(|name| name.starts_with(&start)).cloned().collect()
}

pub(crate) fn name(host: &FakeHost, object: &Object) -> String {
    name_of(host.id().0, object.kind, &object.id)
}
