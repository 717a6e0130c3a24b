//! `vow key`.

mod challenge;
mod list;
mod new;
mod prove;
mod rewrap;

use super::snapshots::Listed;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::reading::Reading;
use std::collections::BTreeMap;

/// Make, list and prove the keys that snapshots are sealed to
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    New(new::Args),
    List(list::Args),
    Challenge(challenge::Args),
    Prove(prove::Args),
    Accept(challenge::AcceptArgs),
    Rewrap(rewrap::Args),
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    match command {
        Command::New(args) => new::run(cx, args),
        Command::List(args) => list::run(cx, args),
        Command::Challenge(args) => challenge::run(cx, args),
        Command::Prove(args) => prove::run(cx, args),
        Command::Accept(args) => challenge::accept(cx, args),
        Command::Rewrap(args) => rewrap::run(cx, args),
    }
}

/// The newest snapshot of each source, by host and source.
fn newest<'r>(cx: &Context, reading: &'r Reading) -> Outcome<Vec<Listed<'r>>> {
    let (all, _) = super::snapshots::all(cx, reading)?;
    let mut newest: BTreeMap<_, Listed<'r>> = BTreeMap::new();
    for (info, places) in all {
        let key = (info.manifest.host_key, info.manifest.source.clone());
        let known = newest.get(&key).map(|(known, _)| known.manifest.sequence);
        if known.is_none_or(|known| known < info.manifest.sequence) {
            newest.insert(key, (info, places));
        }
    }
    Ok(newest.into_values().collect())
}
