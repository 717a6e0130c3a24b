//! `vow console serve`.

use super::at::{At, runtime};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::{signals, ui};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_base::Fingerprint;
use vow_base::clock::SystemClock;
use vow_console::server::{Folder, ServeError, Server, Stop};

/// Serve a console: to hosts, which report, and to browsers and programs
///
/// Vaults are asked, what is late is noticed, and what is over is removed. SIGTERM lets requests end, then stops.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
}

impl Args {
    /// For the console in this folder.
    pub(crate) fn of(dir: &std::path::Path) -> Self {
        Self { at: At { dir: dir.to_owned() } }
    }
}

/// How often the signal is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Serves.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    ui::log_to_stderr(cx.ui.json);
    let stop = Stop::default();
    let stopping = Arc::new(AtomicBool::new(false));
    let watch = watch_signals(stop.clone(), stopping.clone())?;
    let served = serve(cx, &args.at.folder()?, &stop);
    stopping.store(true, Ordering::SeqCst);
    let _ = watch.join();
    served?;
    Ok(Exit::Done)
}

/// Serves the console in a folder until told to stop.
pub(crate) fn serve(cx: &Context, folder: &Folder, stop: &Stop) -> Outcome<()> {
    runtime()?.block_on(async {
        let app = Arc::new(folder.app(Arc::new(SystemClock)).await?);
        let fingerprint = Fingerprint::of(&app.public_key).to_string();
        let server = Server::open(app, folder.key()?)?;
        let texts =
            |addresses: Vec<SocketAddr>| addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
        let (hosts, web) = (texts(server.host_addresses()), texts(server.web_addresses()));
        cx.ui.json(&json!({"message_type": "ready", "hosts": hosts, "web": web, "fingerprint": fingerprint}));
        cx.ui.say(&format!("hosts report to {}, browsers look at {}", hosts.join(", "), web.join(", ")));
        cx.ui.say(&format!("fingerprint {fingerprint}"));
        server.run(stop).await?;
        Ok(())
    })
}

/// The first SIGTERM or SIGINT lets requests end.
fn watch_signals(stop: Stop, stopping: Arc<AtomicBool>) -> Outcome<std::thread::JoinHandle<()>> {
    let told = signals::hold();
    let watch = move || {
        while !told.is_cancelled() && !stopping.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
        }
        stop.stop();
    };
    let spawned = std::thread::Builder::new().name("stop".into()).spawn(watch);
    spawned.map_err(|e| Failure::failed("a thread cannot be started").because(&e))
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::failed("the console cannot be served").because(&error)
    }
}
