//! `vow vault serve`.

use super::at::At;
use super::bucket::InBucket;
use super::peer;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::signals;
use crate::ui;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_base::clock::{Clock, SystemClock};
use vow_base::vault::{Peer, Retrieve};
use vow_vault::Vault;
use vow_vault::chores::{Chore, Chores, Standing, duties};
use vow_vault::server::{Config, ServeError, Server, Stop};
use vow_vault::storage::s3::Weight;

/// Serve a vault to hosts, restorers, other vaults and consoles
///
/// Sweeping, scrubbing and replicating are done when they are due. SIGTERM lets requests end, then stops.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Listen here instead of where vault.toml says; may be given several times
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
}

impl Args {
    /// For the vault in this folder, as its settings say.
    pub(crate) fn of(dir: &std::path::Path) -> Self {
        Self { at: dir.into(), listen: Vec::new() }
    }
}

/// How often the signal is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Serves.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let mut settings = args.at.settings()?;
    if !args.listen.is_empty() {
        settings.listen.clone_from(&args.listen);
    }
    ui::log_to_stderr(cx.ui.json);
    let bucket = args.at.bucket()?;
    let vault = match &bucket {
        Some(bucket) => bucket.vault_to_serve()?,
        None => args.at.open_to_change()?,
    };
    let resumed = vault.resume_deletions()?;
    if resumed > 0 {
        tracing::info!(objects = resumed, "a deletion that was cut short was completed");
    }
    let chores = Arc::new(chores(&vault, bucket.as_ref(), &settings)?);
    let server = Server::open(vault.clone(), settings)?.with_chores(chores.clone());
    report(cx, &vault, &server);
    let (stop, stopping) = (Stop::default(), Arc::new(AtomicBool::new(false)));
    let watch = watch_signals(stop.clone(), stopping.clone())?;
    let keeping = {
        let stopping = stopping.clone();
        spawn("chores", move || chores.run(&SystemClock, &stopping, &log))?
    };
    let served = server.run(&stop);
    stopping.store(true, Ordering::SeqCst);
    let _ = (watch.join(), keeping.join());
    served?;
    Ok(Exit::Done)
}

fn report(cx: &Context, vault: &Vault, server: &Server) {
    let addresses: Vec<_> = server.addresses().iter().map(SocketAddr::to_string).collect();
    let fingerprint = vault.fingerprint();
    cx.ui.json(&json!({"message_type": "ready", "addresses": addresses, "fingerprint": fingerprint}));
    cx.ui.say(&format!("serving {} at {}", vault.place(), addresses.join(", ")));
    cx.ui.say(&format!("fingerprint {fingerprint}"));
}

fn chores(vault: &Vault, bucket: Option<&InBucket>, settings: &Config) -> Outcome<Chores> {
    let mut chores = Vec::new();
    if let Some(bucket) = bucket {
        chores.push(probe(bucket, settings)?);
    }
    chores.push(duties::sweep(vault.clone(), settings.chores.sweep.0)?);
    let mut levels: Vec<Arc<dyn Retrieve>> = Vec::new();
    for from in &settings.replicate {
        let other: Arc<dyn Peer> = peer::of_settings(from, vault)?;
        chores.push(duties::replicate(vault.clone(), &from.name, other.clone(), from.every.0));
        levels.push(other);
    }
    // What was read before says nothing about what the bucket holds now.
    let whole = bucket.map_or_else(|| Ok(vault.clone()), InBucket::vault)?;
    let storage = bucket.map(|bucket| bucket.storage.clone());
    chores.push(duties::scrub(whole, storage, levels, settings.chores.scrub.0));
    Ok(Chores::new(chores))
}

/// Tries the bucket before anybody is served. One that replaces or loses what it was given is not served at all; one that does not hold its
/// lock is, and says so wherever somebody looks.
fn probe(bucket: &InBucket, settings: &Config) -> Outcome<Chore> {
    let report = bucket.storage.probe();
    if let Ok(report) = &report
        && report.weight() == Weight::Unusable
    {
        let said = duties::probed(&Ok(report.clone()), true).unwrap_or_else(|why| why);
        return Err(Failure::failed(format!("{} cannot hold a vault: {said}", settings.storage)).hint(
            "nothing was changed; look at the store, and bring the vault to another one from a replica",
        ));
    }
    let said = duties::probed(&report, settings.bucket.must_lock);
    match &said {
        Ok(said) => tracing::info!(chore = "probe", "{said}"),
        Err(why) => tracing::error!(chore = "probe", "{why}"),
    }
    let (every, must_lock) = (settings.chores.probe.0, settings.bucket.must_lock);
    Ok(duties::probe(bucket.storage.clone(), every, must_lock, said, SystemClock.now()))
}

fn log(standing: &Standing) {
    match &standing.said {
        Some(Err(why)) => tracing::error!(chore = standing.name, "{why}"),
        Some(Ok(said)) => tracing::info!(chore = standing.name, "{said}"),
        None => {}
    }
}

/// The first SIGTERM or SIGINT lets requests end.
fn watch_signals(stop: Stop, stopping: Arc<AtomicBool>) -> Outcome<std::thread::JoinHandle<()>> {
    let told = signals::hold();
    spawn("stop", move || {
        while !told.is_cancelled() && !stopping.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
        }
        stopping.store(true, Ordering::SeqCst);
        stop.stop();
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Outcome<std::thread::JoinHandle<()>> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    spawned.map_err(|e| Failure::failed("a thread cannot be started").because(&e))
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::failed("the vault cannot be served").because(&error)
    }
}
