//! `vow vault mark`.

use super::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use serde_json::json;
use vow_base::detail::Mark;
use vow_base::{HostId, ObjectId};
use vow_vault::Vault;

/// Pin, hold, release, prove, doubt or clear a snapshot
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("mark").required(true)))]
pub(crate) struct Args {
    /// The snapshot: its id, or the beginning of it
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    #[command(flatten)]
    at: At,
    /// Keep it until it is released
    #[arg(long, group = "mark")]
    pin: bool,
    /// Keep it for a legal reason until it is released
    #[arg(long, group = "mark")]
    hold: bool,
    /// Neither pinned nor held any more
    #[arg(long, group = "mark")]
    release: bool,
    /// A restore of it was tested, and it is what it should be
    #[arg(long, group = "mark")]
    proven: bool,
    /// Something is wrong with it: it does not count as healthy
    #[arg(long, group = "mark")]
    doubt: bool,
    /// It is not doubted any more
    #[arg(long, group = "mark")]
    clear: bool,
    /// Why, and who says so; it stands in the ledger
    #[arg(long, value_name = "TEXT")]
    note: String,
}

impl Args {
    fn mark(&self) -> (Mark, &'static str) {
        let marks = [
            (self.pin, Mark::Pinned, "pinned"),
            (self.hold, Mark::Held, "held"),
            (self.release, Mark::Released, "released"),
            (self.proven, Mark::Proven, "proven"),
            (self.doubt, Mark::Doubted, "doubted"),
        ];
        let given = marks.into_iter().find(|(given, _, _)| *given);
        given.map_or((Mark::Cleared, "cleared"), |(_, mark, word)| (mark, word))
    }
}

/// Marks it.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    if args.note.trim().is_empty() {
        return Err(
            Failure::new(Exit::Usage, "the note is empty").hint("say why, and who says so: --note TEXT")
        );
    }
    let vault = args.at.open_to_change()?;
    let (host, snapshot) = find(&vault, &args.snapshot)?;
    let (mark, word) = args.mark();
    let receipt = vault.mark(&host, &snapshot, mark, &args.note)?;
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "snapshot": snapshot.to_string(), "host": host.to_string(),
        "mark": word, "position": receipt.position,
    }));
    cx.ui.say(&format!("snapshot {} is {word} (entry {} of the ledger)", snapshot.short(), receipt.position));
    Ok(Exit::Done)
}

/// The kept snapshot whose id begins so.
pub(super) fn find(vault: &Vault, prefix: &str) -> Outcome<(HostId, ObjectId)> {
    const PREFIX_MIN: usize = 4;
    let wanted = prefix.to_ascii_lowercase();
    let hex = !wanted.is_empty() && wanted.bytes().all(|c| c.is_ascii_hexdigit());
    if !hex || wanted.len() < PREFIX_MIN {
        return Err(Failure::new(
            Exit::Usage,
            format!("{prefix:?} is not the id of a snapshot, or less than {PREFIX_MIN} digits of it"),
        )
        .hint("`vow snapshots` and `vow vault retain` show the ids"));
    }
    let state = vault.state()?;
    let kept = state
        .hosts
        .iter()
        .flat_map(|(host, known)| known.kept().map(|snapshot| (*host, snapshot.receipt.manifest)));
    let mut found = kept.filter(|(_, id)| id.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            Err(Failure::new(Exit::Usage, format!("several snapshots begin with {prefix}"))
                .hint("give more digits of the id"))
        }
        (None, _) => Err(Failure::new(Exit::NotFound, format!("the vault keeps no snapshot {prefix}"))
            .hint("`vow vault retain` lists what it keeps")),
    }
}
