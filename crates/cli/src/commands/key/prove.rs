//! `vow key prove`.

use crate::app::Context;
use crate::entries::snapshot_line;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading, open_first};
use crate::ui;
use serde_json::json;

/// Prove that an identity opens the newest snapshot of each source
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    read: ReadArgs,
}

/// Proves. Exit code 12 when one is not opened.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let newest = super::newest(cx, &reading)?;
    if newest.is_empty() {
        return Err(Failure::new(Exit::NotFound, "there are no snapshots to prove the identity with")
            .hint("run `vow backup` first"));
    }
    let (mut proofs, mut worst) = (Vec::new(), Exit::Done);
    for (info, places) in &newest {
        let opened = open_first(cx, info, places);
        let failure = opened.as_ref().err();
        proofs.push(json!({
            "source": info.manifest.source,
            "snapshot": info.id.to_string(),
            "received": ui::rfc3339(info.receipt.received),
            "status": if failure.is_none() { "ok" } else { "failed" },
            "error": failure.map(Failure::line),
        }));
        match failure {
            None => cx.ui.line(&format!("{}: the identity opens it", snapshot_line(info))),
            Some(failure) => {
                cx.ui.line(&format!("{}: NOT opened", snapshot_line(info)));
                cx.ui.warn(&failure.line());
                worst = failure.exit;
            }
        }
    }
    let status = if worst == Exit::Done { "ok" } else { "failed" };
    cx.ui.json(&json!({"message_type": "summary", "status": status, "proofs": proofs}));
    Ok(worst)
}
