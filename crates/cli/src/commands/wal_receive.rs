//! `vow wal-receive`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::receiving::{self, Wanted};
use vow_sources::postgres::LOG_KIND;

/// Receive the log of a PostgreSQL server all the time, and back it up piece by piece
///
/// Needs a source of type postgres with `wal = true`. What is finished of the log becomes small snapshots of the source NAME.wal;
/// `vow restore --time` goes to any moment between a base backup and the newest of them. It runs until it is stopped, and goes on where
/// it was when it is started again.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The source whose server it is
    source: String,
    /// Send what has been received already, and end
    #[arg(long)]
    once: bool,
}

/// Receives.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let keys = "method = \"physical\" and wal = true";
    receiving::run(cx, &args.source, args.once, &Wanted { kind: LOG_KIND, keys })
}
