//! `vow drill --history`: the proofs that this drill host keeps, as the series they are.

use super::{Args, report, state_folder};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{self, Table, plain};
use serde_json::json;
use vow_agent::drill::proofs::Proofs;
use vow_protocol::proof::ProofRecord;

/// So many proofs are looked at.
const MOST: usize = 1000;

/// Lists.
pub(super) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = match &args.state {
        Some(_) => None,
        None => Some(cx.load_config()?),
    };
    let mut proofs = Proofs::open(&state_folder(config.as_ref(), args.state.as_deref())?)?;
    let mut series = proofs.series(MOST)?;
    series.retain(|proof| is_wanted(args, proof));
    for (path, why) in &proofs.refused {
        cx.ui.warn(&format!("the proof {} is not believed: {why}", path.display()));
    }
    let values: Vec<_> = series
        .iter()
        .map(|proof| {
            json!({
                "source": proof.report.source, "level": proof.report.level, "status": report::word(proof.report.verdict),
                "host": proof.host, "host_key": proof.host_key, "snapshot": proof.report.snapshot, "started_secs": proof.report.started_secs,
                "compared": proof.report.compared, "share": proof.share, "restore_secs": proof.report.restore_secs,
                "compare_secs": proof.report.compare_secs, "whole_restore_secs": proof.whole_restore_secs,
                "restore_target_secs": proof.report.restore_target_secs, "recipient": proof.report.recipient,
                "problems": proof.report.problems, "blocked": proof.report.blocked, "sabotaged": proof.sabotaged,
            })
        })
        .collect();
    cx.ui.json(&json!({"message_type": "history", "proofs": values}));
    let head =
        ["drilled", "source", "level", "snapshot", "status", "compared", "share", "whole restore", "target"];
    let mut table = Table::new(&head, &[5, 6, 7, 8]);
    for proof in &series {
        let report = &proof.report;
        let if_compared = |text: String| if report.compared > 0 { text } else { String::new() };
        table.row(vec![
            ui::local_time(report.started_secs.saturating_mul(1_000_000_000)),
            plain(&report.source),
            plain(&report.level),
            report.snapshot.chars().take(12).collect(),
            report::word(report.verdict).to_owned(),
            ui::count(report.compared),
            if_compared(format!("{:.0} %", proof.share * 100.0)),
            if_compared(ui::duration(proof.whole_restore_secs)),
            report.restore_target_secs.map_or_else(String::new, |secs| ui::duration(secs as f64)),
        ]);
    }
    match series.is_empty() {
        true => cx.ui.line("nothing was drilled yet"),
        false => table.lines().iter().for_each(|line| cx.ui.line(line)),
    }
    Ok(Exit::Done)
}

/// Of what was named.
fn is_wanted(args: &Args, proof: &ProofRecord) -> bool {
    let of_level = args.level.as_ref().is_none_or(|level| level.as_os_str() == proof.report.level.as_str());
    let is_named =
        |name: &String| *name == proof.report.source || proof.report.snapshot.starts_with(name.as_str());
    of_level && (args.names.is_empty() || args.names.iter().any(is_named))
}
