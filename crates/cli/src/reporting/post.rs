//! Sending what waits, in the few moments at the end of a command.

use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::ui::Ui;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use vow_agent::daemon::{AgentLock, Connect, Post};
use vow_agent::plan::{Config, ConsolePlan};
use vow_agent::reporting::{deliver, report};
use vow_agent::spool::Spool;
use vow_base::sign::SigningKey;
use vow_protocol::client::{ConsoleError, Options, RemoteConsole};
use vow_protocol::report::{Alive, Body, Report};

/// A command waits this long for its reports to be taken, and no longer: they are kept.
const PATIENCE: Duration = Duration::from_secs(2);
/// Reaching a console may take this long.
const CONNECT: Duration = Duration::from_secs(10);

/// The console of a plan, seen with the host's key.
pub(crate) fn remote(
    console: &ConsolePlan,
    key: &SigningKey,
    stop: Arc<AtomicBool>,
) -> Result<RemoteConsole, ConsoleError> {
    let options = Options { connect: CONNECT, connections: 2, ..Options::new(stop) };
    RemoteConsole::new(&console.address, console.fingerprint, key, options)
}

/// Sends what waits, if no agent does, for as long as [`PATIENCE`] lasts.
pub(crate) fn post(ui: Ui, config: &Config) {
    let Some(console) = config.console.clone() else { return };
    if AgentLock::is_held(&config.state) {
        return;
    }
    let Ok(key) = hostkeys::signing_key(&config.keys) else { return };
    let (spool, stop) = (Spool::new(&config.state), Arc::new(AtomicBool::new(false)));
    let (done, ended) = channel();
    let send = {
        let stop = stop.clone();
        move || {
            let delivery =
                remote(&console, &key, stop.clone()).map_err(|e| e.to_string()).and_then(|remote| {
                    deliver(&spool, &remote, &|| stop.load(Ordering::SeqCst)).map_err(|e| e.to_string())
                });
            // Nobody may wait for it any more.
            let _ = done.send(delivery);
        }
    };
    if std::thread::Builder::new().name("post".into()).spawn(send).is_err() {
        return;
    }
    let said = match ended.recv_timeout(PATIENCE) {
        Ok(Ok(delivery)) => {
            delivery
                .refused
                .iter()
                .for_each(|refused| ui.warn(&format!("a report was put aside: {refused}")));
            delivery.error
        }
        Ok(Err(why)) => Some(why),
        Err(_) => Some("the console did not answer at once".to_owned()),
    };
    stop.store(true, Ordering::SeqCst);
    if let Some(why) = said {
        ui.note(&format!("the report waits on this host: {why}"));
    }
}

/// The way of the agent to the console of the plan as it is now.
pub(crate) struct ConsoleLink {
    load: Box<dyn Fn() -> Outcome<Config> + Send + Sync>,
    stop: Arc<AtomicBool>,
}

impl ConsoleLink {
    /// With this way of reading the plan; what is waited for ends when `stop` becomes true.
    pub(crate) fn new(load: Box<dyn Fn() -> Outcome<Config> + Send + Sync>, stop: Arc<AtomicBool>) -> Self {
        Self { load, stop }
    }
}

impl Connect for ConsoleLink {
    fn connect(&self) -> Result<Option<Arc<dyn Post>>, String> {
        let connected = || -> Outcome<Option<Arc<dyn Post>>> {
            let config = (self.load)()?;
            let Some(console) = &config.console else { return Ok(None) };
            let key = hostkeys::signing_key(&config.keys)?;
            let remote = remote(console, &key, self.stop.clone());
            let remote = remote.map_err(|e| Failure::failed(e.to_string()))?;
            Ok(Some(Arc::new(remote)))
        };
        connected().map_err(|failure| failure.line())
    }

    fn alive(&self, alive: Alive) -> Option<Report> {
        let config = (self.load)().ok()?;
        let spooled_snapshots = spooled(&config).unwrap_or(0);
        report(&config.tenant, &config.host, Body::Alive(Alive { spooled_snapshots, ..alive })).ok()
    }

    fn random(&self) -> f64 {
        let random = vow_base::sign::random_run_id().unwrap_or([0xff; 16]);
        f64::from(u32::from_le_bytes([random[0], random[1], random[2], random[3]])) / f64::from(u32::MAX)
    }
}

/// Snapshots that wait for vaults.
fn spooled(config: &Config) -> Option<u64> {
    let host = hostkeys::load_public(config).ok()?;
    let spool = vow_store::spool::Spool::new(&crate::backing::spool_folder(&config.state), host);
    Some(spool.waiting().ok()?.len() as u64)
}
