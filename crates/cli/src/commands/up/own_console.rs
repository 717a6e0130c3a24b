//! The console that `vow up` makes for this machine alone: reports are handed to it in this process, no network takes part.

use crate::commands::console::at::runtime;
use crate::failure::{Failure, Outcome};
use crate::{hostkeys, layout, ui};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;
use vow_agent::plan::Config;
use vow_agent::reporting::{Reporter, deliver};
use vow_agent::spool::Spool;
use vow_base::Fingerprint;
use vow_base::clock::SystemClock;
use vow_base::sign::PublicKey;
use vow_console::admin::{self, NewUser};
use vow_console::auth::{Role, secret};
use vow_console::db::people;
use vow_console::ingest::IngestError;
use vow_console::server::{App, Folder};
use vow_protocol::client::ConsoleError;
use vow_protocol::report::Report;
use zeroize::Zeroizing;

/// The console in the folder of a plan, open.
pub(super) struct OwnConsole {
    pub(super) folder: Folder,
    pub(super) app: Arc<App>,
    pub(super) runtime: Runtime,
    host: PublicKey,
}

impl OwnConsole {
    /// Opens the console that the plan reports to, when it is the one in its own folder.
    pub(super) fn open(dir: &Path, config: &Config) -> Outcome<Option<Self>> {
        let place = layout::console_dir(dir);
        let Some(console) = config.console.as_ref().filter(|_| place.is_dir()) else { return Ok(None) };
        let folder = Folder::open(&place)?;
        if Fingerprint::of(&folder.key()?.public()) != console.fingerprint {
            return Ok(None);
        }
        let (runtime, host) = (runtime()?, hostkeys::load_public(config)?);
        let app = runtime.block_on(async {
            let app = Arc::new(folder.app(Arc::new(SystemClock)).await?);
            admin::enrol(&app, &admin::at_the_machine(), &host, &config.tenant, &config.host).await?;
            Ok::<_, Failure>(app)
        })?;
        Ok(Some(Self { folder, app, runtime, host }))
    }

    /// Takes every report that waits on this host.
    pub(super) fn take_reports(&self, ui: ui::Ui, config: &Config) -> Outcome<()> {
        let lost =
            |why: String| Failure::failed("the console beside the plan did not take the reports").during(why);
        let delivery =
            deliver(&Spool::new(&config.state), self, &|| false).map_err(|e| lost(e.to_string()))?;
        delivery.refused.iter().for_each(|refused| ui.warn(&format!("a report was put aside: {refused}")));
        delivery.error.map_or(Ok(()), |why| Err(lost(why)))
    }

    /// The path of a link with which whoever sits here logs in once within `secs` seconds, as an administrator of the machine's name for them.
    pub(super) fn login_link(&self, secs: i64) -> Outcome<Zeroizing<String>> {
        let name = user();
        self.runtime.block_on(async {
            let me = admin::at_the_machine();
            if people::user_by_name(&mut self.app.read().await?, &name).await?.is_none() {
                let password = secret::random();
                // Nobody knows it: `vow console user reset` gives another one.
                let password =
                    password.map_err(|e| Failure::failed("the system gave no randomness").because(&e))?;
                let new = NewUser { name: name.clone(), password, role: Role::Administrator, tenant: None };
                admin::add_user(&self.app, &me, &new).await?;
            }
            Ok(admin::add_login_link(&self.app, &me, &name, secs).await?)
        })
    }

    /// Closes it.
    pub(super) fn close(self) {
        self.runtime.block_on(self.app.db.close());
    }
}

/// Who the page calls whoever started this.
pub(super) fn user() -> String {
    std::env::var("USER")
        .ok()
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "administrator".into())
}

impl Reporter for OwnConsole {
    fn report(&self, report: &Report) -> Result<(), ConsoleError> {
        let place = || "this machine".to_owned();
        self.runtime.block_on(admin::take(&self.app, &self.host, report.clone())).map_err(|error| match error
        {
            IngestError::Malformed(reason) | IngestError::Refused(reason) => {
                ConsoleError::Refused { place: place(), reason }
            }
            IngestError::Crowded | IngestError::Broken | IngestError::Db(_) => {
                ConsoleError::Away { place: place(), reason: error.to_string() }
            }
        })
    }
}
