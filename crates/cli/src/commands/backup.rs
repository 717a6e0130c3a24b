//! `vow backup`.

use super::audit::MOVE_IT;
use crate::app::Context;
use crate::backing::{self, OnSource, Order, exit_of, print_human, summary};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reporting::{self, Pings};
use crate::ui::{self, Ui};
use vow_agent::plan::Config;
use vow_base::id::from_hex;
use vow_base::sign::random_run_id;

/// Back up the sources of the plan into every vault of the plan
///
/// A vault that cannot be reached does not stop the others; it is caught up in a later run. With a [console] in the plan, a report of
/// each source is kept for it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these sources [default: all of the plan]
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Read and count everything, send nothing
    #[arg(long)]
    dry_run: bool,
    /// Accept a path that is empty or missing though it used to have content
    #[arg(long)]
    allow_empty: bool,
    /// Accept that another database server answers than the one on record
    #[arg(long)]
    accept_server: bool,
    /// The id of the run, given by the agent
    #[arg(long, value_name = "HEX", hide = true)]
    run_id: Option<String>,
    /// How often it was tried, told by the agent
    #[arg(long, value_name = "N", default_value_t = 1, hide = true)]
    attempt: u32,
}

/// Backs up.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let run = match args.run_id.as_deref().map(from_hex) {
        None => new_run()?,
        Some(Some(run)) => run,
        Some(None) => return Err(Failure::new(Exit::Usage, "--run-id takes 32 hexadecimal digits")),
    };
    let sources = config.gathered(&config.sources_named(&args.sources)?);
    let pings = (!args.dry_run).then(|| Pings::new(cx.ui, &config, &run));
    let order = Order {
        sources: sources.clone(),
        config: &config,
        dry_run: args.dry_run,
        allow_empty: args.allow_empty,
        accept_server: args.accept_server,
        run,
        on_source: pings.as_ref().map(|pings| pings as &dyn OnSource),
    };
    let made = backing::run(cx.ui, &order);
    if !args.dry_run {
        let reports = match &made {
            Ok(run) => reporting::of_run(&config, run, args.attempt),
            Err(failure) => reporting::of_failure(&config, &sources, &run, args.attempt, failure),
        };
        reporting::keep_runs(cx.ui, &config, reports);
    }
    if let (Err(failure), Some(pings)) = (&made, &pings) {
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        pings.all_failed(&names, &failure.line());
    }
    let exit = made.map(|made| {
        print_human(cx.ui, &made);
        warn_of_key(cx.ui, &config);
        cx.ui.json(&summary(&made));
        exit_of(&made)
    });
    reporting::post(cx.ui, &config);
    if let Some(pings) = pings {
        pings.finish();
    }
    exit
}

/// Whoever takes this machine over could read every backup: the one thing that sealing is for.
fn warn_of_key(ui: Ui, config: &Config) {
    if let Some(kit) = config.recovery_key() {
        ui.warn(&format!("the recovery key lies on this machine, and opens every backup: {}", kit.display()));
        ui::diagnose(&format!("  next step: {MOVE_IT}"));
    }
}

/// A new id of a run.
pub(crate) fn new_run() -> Outcome<[u8; 16]> {
    random_run_id().map_err(|e| Failure::failed("the system gave no randomness").because(&e))
}
