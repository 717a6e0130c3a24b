//! `vow backup`.

use crate::app::Context;
use crate::backing::{self, Order, exit_of, print_human, summary};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Outcome;

/// Back up the sources of the plan into every vault of the plan
///
/// A vault that cannot be reached does not stop the others; it is caught up in a later run.
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
}

/// Backs up.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = Config::load(cx.config.as_deref())?;
    let order = Order {
        sources: config.sources_named(&args.sources)?,
        config: &config,
        dry_run: args.dry_run,
        allow_empty: args.allow_empty,
        accept_server: args.accept_server,
    };
    let run = backing::run(cx.ui, &order)?;
    print_human(cx.ui, &run);
    cx.ui.json(&summary(&run));
    Ok(exit_of(&run))
}
