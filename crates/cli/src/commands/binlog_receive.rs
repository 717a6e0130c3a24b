//! `vow binlog-receive`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::receiving::{self, Wanted};
use vow_sources::mariadb::BINLOG_KIND;

/// Receive the binary log of a MariaDB server all the time, and back it up file by file
///
/// Needs a source of type mariadb with `binlog = true`, dumped or physical. Every few minutes (`binlog_flush_secs`) the server is told to
/// begin a new file; finished ones become small snapshots of the source NAME.binlog, and `vow restore --time` goes to any second between
/// a snapshot and the newest of them. It runs until it is stopped, and goes on where it was when it is started again.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The source whose server it is
    source: String,
    /// Send everything that the server has now, and end
    #[arg(long)]
    once: bool,
}

/// Receives.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    receiving::run(cx, &args.source, args.once, &Wanted { kind: BINLOG_KIND, keys: "binlog = true" })
}
