//! Asking vaults, each by its own clock: one that hangs holds up none of the others.

use super::app::App;
use super::chores::{is_ours, note, renew};
use super::error::Error;
use crate::db::Scope;
use crate::db::vaults::{self, Vault};
use crate::fetch;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{Id, JoinSet};
use vow_base::sign::SigningKey;

/// So long the other chores wait for the answers of vaults that are asked now, on which they rest.
const PATIENCE: Duration = Duration::from_secs(5);
/// Vaults that are asked at a time. Each question ends by the limits of the client; who has no place is asked as soon as one is free.
const AT_ONCE: usize = 64;

/// The vaults that are being asked.
pub(super) struct Asking {
    app: Arc<App>,
    key: Arc<SigningKey>,
    holder: String,
    cancelled: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    /// Which vault each of them asks.
    running: HashMap<Id, i64>,
    /// The vault after which the next round begins: with many that hang, all the others still have their turn.
    last: i64,
}

impl Asking {
    /// Nobody is asked yet.
    pub(super) fn new(app: Arc<App>, key: Arc<SigningKey>, holder: String) -> Self {
        let (cancelled, tasks, running) = (Arc::default(), JoinSet::new(), HashMap::new());
        Self { app, key, holder, cancelled, tasks, running, last: 0 }
    }

    /// Asks every vault whose turn it is, and waits a little for their answers.
    pub(super) async fn round(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.ended(ended);
        }
        match self.begin().await {
            Ok(begun) => {
                let _ = tokio::time::timeout(PATIENCE, self.answers_of(begun)).await;
            }
            Err(error) => note(&self.app, "asking vaults", Err(error)),
        }
    }

    /// Nobody is asked any more, and what is under way ends soon.
    pub(super) fn stop(&mut self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.tasks.abort_all();
    }

    /// Begins with those whose turn it is.
    async fn begin(&mut self) -> Result<BTreeSet<i64>, Error> {
        let mut all = vaults::list(&mut self.app.read().await?, Scope::All).await?;
        all.sort_unstable_by_key(|vault| (vault.id <= self.last, vault.id));
        let every = self.app.config.ask_vaults_every.secs();
        let busy: BTreeSet<i64> = self.running.values().copied().collect();
        let mut begun = BTreeSet::new();
        for vault in all {
            let (id, lease) = (vault.id, format!("vault/{}", vault.id));
            if busy.contains(&id) {
                // It stays ours for as long as it is asked.
                renew(&self.app, &lease, &self.holder).await?;
            } else if self.running.len() < AT_ONCE && is_ours(&self.app, &lease, &self.holder, every).await? {
                let task =
                    self.tasks.spawn(ask(self.app.clone(), self.key.clone(), self.cancelled.clone(), vault));
                self.running.insert(task.id(), id);
                begun.insert(id);
                self.last = id;
            }
        }
        Ok(begun)
    }

    async fn answers_of(&mut self, mut vaults: BTreeSet<i64>) {
        while !vaults.is_empty() {
            let Some(ended) = self.tasks.join_next_with_id().await else { break };
            if let Some(id) = self.ended(ended) {
                vaults.remove(&id);
            }
        }
    }

    /// One has ended; gives its vault. One that stumbled must be heard of.
    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) -> Option<i64> {
        let task = match ended {
            Ok((task, ())) => task,
            Err(error) => {
                note(&self.app, "asking a vault", Err(Error::Internal(error.to_string())));
                error.id()
            }
        };
        self.running.remove(&task)
    }
}

async fn ask(app: Arc<App>, key: Arc<SigningKey>, cancelled: Arc<AtomicBool>, vault: Vault) {
    let asked = async {
        let remote = fetch::remote(&vault, &key, cancelled).map_err(fetch::FetchError::Vault)?;
        fetch::sync(&app.db, &app.judge, &vault, &remote, app.now()).await
    };
    if let Err(error) = asked.await {
        tracing::warn!(vault = %vault.name, %error, "a vault could not be asked");
    }
}
