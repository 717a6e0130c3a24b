//! `vow vault rebuild`.

use super::at::At;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui;
use serde_json::json;

/// Make again what only helps: folders that are gone, and caches
///
/// The vault's tree is the truth, so there is little to do. What is lost of the objects themselves, `vow vault scrub` finds and heals.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
}

/// Rebuilds.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let vault = args.at.open_to_change()?;
    let made = vault.rebuild()?;
    cx.ui.json(&json!({"message_type": "summary", "status": "ok", "folders": made}));
    cx.ui.say(&match made {
        0 => "every folder is there; the caches were forgotten".to_owned(),
        made => format!(
            "{} made again; run `vow vault scrub` to see whether anything in them is lost",
            ui::plural(made, "folder")
        ),
    });
    Ok(Exit::Done)
}
