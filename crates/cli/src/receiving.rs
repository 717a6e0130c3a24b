//! Receiving the log of a database server all the time, and backing it up piece by piece: what `vow wal-receive` and
//! `vow binlog-receive` do.

use crate::app::Context;
use crate::backing::{self, Order, exit_of, print_human};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::signals;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use vow_agent::plan::{Config, DrillPlan, Settings, SourcePlan};
use vow_sources::adapter::{AdapterError, Log, Receiving};

/// What distinguishes one kind of log from another for people.
pub(crate) struct Wanted {
    /// The type of its snapshots.
    pub(crate) kind: &'static str,
    /// What must stand in the plan.
    pub(crate) keys: &'static str,
}

/// The pauses between attempts to reach the server.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The pause before what could not be sent is sent again.
const SEND_AGAIN: Duration = Duration::from_secs(5);

/// Receives the log of this source; with `once` only what the server has now.
pub(crate) fn run(cx: &Context, source: &str, once: bool, wanted: &Wanted) -> Outcome<Exit> {
    // The program that receives has to be ended, and what it was given removed.
    let _held = signals::hold();
    let config = cx.load_config()?;
    let [plan] = config.sources_named(&[source.to_owned()])?[..] else {
        return Err(Failure::new(Exit::Usage, "name one source"));
    };
    let Some(log) = plan.capture.log().filter(|log| log.kind() == wanted.kind) else {
        return Err(Failure::new(
            Exit::Usage,
            format!("the log of the source {} is not to be received", plan.name),
        )
        .hint(format!("say {} for it in the plan", wanted.keys)));
    };
    let name = log.source(&plan.name);
    if config.sources.iter().any(|other| other.name == name) {
        return Err(Failure::new(
            Exit::Usage,
            format!("the plan has a source {name:?}, which is the name of the log of {}", plan.name),
        )
        .hint("give that source another name"));
    }
    let mut shipper = Shipper {
        cx,
        config: &config,
        name,
        kind: log.kind(),
        drill: plan.drill.clone(),
        sent: 0,
        said: BTreeSet::new(),
        last: Exit::Done,
    };
    let spool = config.state.join("log").join(&plan.name);
    let mut pause = PAUSE_FIRST;
    loop {
        let began = Instant::now();
        match shipper.session(&*log, &spool, once) {
            Ok(()) => break,
            Err(failure) if once => return Err(failure),
            Err(failure) => cx.ui.warn(&failure.line()),
        }
        // One that had worked for a while is not in trouble for good.
        pause = if began.elapsed() > PAUSE_MAX { PAUSE_FIRST } else { (pause * 2).min(PAUSE_MAX) };
        if !wait(pause) {
            break;
        }
    }
    cx.ui.json(&json!({"message_type": "summary", "status": if shipper.last == Exit::Done { "ok" } else { "partial" },
        "source": shipper.name, "snapshots": shipper.sent}));
    Ok(signals::received().map_or(shipper.last, Exit::Signal))
}

/// Waits; false when a signal came.
fn wait(pause: Duration) -> bool {
    let until = Instant::now() + pause;
    while Instant::now() < until && signals::received().is_none() {
        std::thread::sleep(Duration::from_millis(100));
    }
    signals::received().is_none()
}

struct Shipper<'s> {
    cx: &'s Context,
    config: &'s Config,
    /// The source that the log is captured as.
    name: String,
    kind: &'static str,
    drill: DrillPlan,
    sent: u64,
    /// What was said already, so that it is said once.
    said: BTreeSet<String>,
    last: Exit,
}

impl Shipper<'_> {
    /// One connection to the server. It ends well when a signal came, or everything was sent and nothing else was asked for.
    fn session(&mut self, log: &dyn Log, spool: &std::path::Path, once: bool) -> Outcome<()> {
        let stop = || signals::received().is_some();
        let mut receiving = log.receive(spool, &stop).map_err(failed)?;
        self.cx.ui.say(&format!("{}: receiving the log", self.name));
        loop {
            let looked = receiving.look(&stop);
            if stop() {
                return Ok(());
            }
            let received = looked.map_err(failed)?;
            for problem in received.problems {
                if self.said.insert(problem.clone()) {
                    self.cx.ui.warn(&format!("{}: {problem}", self.name));
                    self.cx
                        .ui
                        .json(&json!({"message_type": "problem", "source": self.name, "message": problem}));
                }
            }
            for note in received.notes {
                if self.said.insert(note.clone()) {
                    self.cx.ui.note(&format!("{}: {note}", self.name));
                }
            }
            if received.waiting > 0 {
                self.send(&mut *receiving)?;
            } else if once && !received.behind {
                return Ok(());
            }
        }
    }

    /// A snapshot of what waits. What no vault took stays where it is.
    fn send(&mut self, receiving: &mut dyn Receiving) -> Outcome<()> {
        let plan = SourcePlan {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            schedule: None,
            capture: receiving.capture(),
            settings: Settings::default(),
            drill: self.drill.clone(),
        };
        let order = Order {
            config: self.config,
            sources: vec![&plan],
            dry_run: false,
            allow_empty: false,
            accept_server: false,
            run: crate::commands::backup::new_run()?,
            on_source: None,
        };
        let run = match backing::run(self.cx.ui, &order) {
            Ok(run) => run,
            Err(failure) => {
                self.cx.ui.warn(&format!(
                    "{}: it was not sent and waits in the spool: {}",
                    self.name,
                    failure.line()
                ));
                self.last = failure.exit;
                wait(SEND_AGAIN);
                return Ok(());
            }
        };
        print_human(self.cx.ui, &run);
        self.last = exit_of(&run);
        let id = run.sources.first().and_then(|source| source.result.as_ref().ok()?.snapshot);
        let Some(id) = id else {
            wait(SEND_AGAIN);
            return Ok(());
        };
        self.sent += 1;
        self.cx.ui.json(&json!({"message_type": "snapshot", "source": self.name, "id": id.to_string()}));
        receiving.forget().map_err(failed)
    }
}

fn failed(error: AdapterError) -> Failure {
    match error {
        AdapterError::Stopped => Failure::interrupted(),
        error => Failure::failed("the log is not received").because(&error),
    }
}
