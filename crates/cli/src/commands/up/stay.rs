//! Staying: the page is served to this machine, and the agent does what the plan says, until Ctrl-C.

use super::own_console::{OwnConsole, user};
use crate::app::Context;
use crate::commands::agent::serve as serve_agent;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::{layout, signals, ui};
use serde_json::json;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use vow_agent::plan::Config;
use vow_console::server::{Server, Stop};

/// How long the link to the page is good.
const LINK_SECS: i64 = 900;
/// How often the signal is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Serves and works until a signal comes.
pub(super) fn stay(cx: &Context, dir: &Path, config: &Config, console: Option<OwnConsole>) -> Outcome<Exit> {
    ui::log_to_stderr(cx.ui.json);
    let Some(console) = console else {
        match &config.console {
            Some(console) => cx.ui.say(&format!("reports go to the console at {}", console.address)),
            None => cx
                .ui
                .warn("this plan names no console: nobody is told, and there is no page (docs/console.md)"),
        }
        return serve_agent(cx, false, config);
    };
    let stop = Stop::default();
    let held = signals::hold();
    let server = console
        .runtime
        .block_on(async { Server::open(console.app.clone(), console.folder.key()?).map_err(Failure::from) });
    let server = server.map_err(|failure| {
        failure.hint(format!(
            "free that port, or give the console others: `listen_hosts` and `listen_web` in {}, and the url of [console] in {}",
            layout::console_dir(dir).join("console.toml").display(),
            config.file.display()
        ))
    })?;
    say_where(cx, dir, &console, &server.web_addresses())?;
    std::thread::scope(|scope| {
        let serving = std::thread::Builder::new().name("console".into()).spawn_scoped(scope, || {
            let served = console.runtime.block_on(server.run(&stop)).map_err(Failure::from);
            if served.is_err() {
                signals::ask_to_stop();
            }
            served
        });
        let serving = serving.map_err(|e| Failure::failed("a thread cannot be started").because(&e))?;
        let worked = serve_agent(cx, false, config);
        // An agent that failed ends the page as well: whoever sees the process end knows at once.
        while worked.is_ok() && !held.is_cancelled() {
            std::thread::sleep(LOOK);
        }
        stop.stop();
        let served =
            serving.join().unwrap_or_else(|_| Err(Failure::failed("the console stopped because of a fault")));
        served.and(worked)
    })
}

/// The page, and the way in for whoever sees this terminal and nobody else of this machine.
fn say_where(cx: &Context, dir: &Path, console: &OwnConsole, web: &[SocketAddr]) -> Outcome<()> {
    let Some(address) = web.first() else { return Ok(()) };
    let link = console.login_link(LINK_SECS)?;
    let (page, folder) = (format!("http://{address}"), layout::console_dir(dir));
    cx.ui.json(&json!({
        "message_type": "ready", "pid": std::process::id(), "page": page, "login": format!("{page}{}", *link),
        "login_secs": LINK_SECS, "user": user(),
    }));
    cx.ui.say(&format!("the page: {page}"));
    // What goes into a log is not for one person's eyes: there, a link is made when it is wanted.
    if std::io::stdout().is_terminal() {
        cx.ui.say(&format!("  log in once, within 15 minutes: {page}{}", *link));
    }
    cx.ui.say(&format!(
        "  a login link: vow console user link {0} --dir {1}\n  a password:   vow console user reset {0} --dir {1}    # read from the standard input",
        ui::plain(&user()),
        folder.display()
    ));
    cx.ui.say("backups, audits and reports go on while this runs; Ctrl-C ends it");
    Ok(())
}
