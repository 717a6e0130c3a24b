//! `vow key list`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::reading::{Need, ReadArgs, Reading};
use crate::ui;
use serde_json::json;
use std::collections::BTreeSet;
use vow_base::id::hex;
use vow_store::archive::SnapshotInfo;

/// List the recipients of the plan, and whether the newest snapshots are sealed to exactly them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Look in this vault only
    #[arg(long, value_name = "NAME")]
    vault: Option<std::path::PathBuf>,
}

/// Lists. Exit code 4 when a newest snapshot is sealed to others.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let wanted: BTreeSet<Vec<u8>> = config.recipients.iter().map(|r| r.fingerprint().to_vec()).collect();
    let recipients: Vec<_> = config
        .recipients
        .iter()
        .map(|r| json!({"recipient": r.text(), "fingerprint": hex(&r.fingerprint())}))
        .collect();
    config.recipients.iter().for_each(|r| cx.ui.line(&format!("{}  {}", r.text(), hex(&r.fingerprint()))));
    let read = ReadArgs { vault: args.vault.clone(), identity: None };
    let reading = Reading::open(cx, &read, Need::Nothing)?;
    let newest = super::newest(cx, &reading)?;
    let mut all_exact = true;
    let mut snapshots = Vec::new();
    for (info, _) in &newest {
        let sealed = sealed_to(info);
        let exact = sealed == wanted;
        all_exact &= exact;
        snapshots.push(json!({
            "id": info.id.to_string(),
            "source": info.manifest.source,
            "received": ui::rfc3339(info.receipt.received),
            "exact": exact,
            "recipients": sealed.iter().map(|fingerprint| hex(fingerprint)).collect::<Vec<_>>(),
        }));
        let verdict = if exact { "sealed to exactly these".to_owned() } else { difference(&sealed, &wanted) };
        cx.ui.line(&format!("{}: {verdict}", crate::entries::snapshot_line(info)));
    }
    if newest.is_empty() {
        cx.ui.note("there are no snapshots yet");
    }
    cx.ui.json(&json!({
        "message_type": "summary",
        "status": if all_exact { "ok" } else { "problems" },
        "recipients": recipients,
        "snapshots": snapshots,
    }));
    Ok(if all_exact { Exit::Done } else { Exit::Problems })
}

fn sealed_to(info: &SnapshotInfo) -> BTreeSet<Vec<u8>> {
    info.manifest.recipients.iter().map(|fingerprint| fingerprint.to_vec()).collect()
}

fn difference(sealed: &BTreeSet<Vec<u8>>, wanted: &BTreeSet<Vec<u8>>) -> String {
    let texts = |set: Vec<&Vec<u8>>| set.into_iter().map(|f| hex(f)).collect::<Vec<_>>().join(", ");
    let strangers: Vec<_> = sealed.difference(wanted).collect();
    let missing: Vec<_> = wanted.difference(sealed).collect();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("NOT sealed to {}", texts(missing)));
    }
    if !strangers.is_empty() {
        parts.push(format!("sealed to STRANGERS: {}", texts(strangers)));
    }
    parts.join("; ")
}
