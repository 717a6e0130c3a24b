//! `vow drill --due`: what the night's budget is spent on.

use super::report::{self, Proven};
use super::targets::Target;
use super::{Args, Depth, Drills};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::reading::Reading;
use serde_json::json;
use std::time::Instant;
use vow_agent::drill::debt::{Asset, Budget, guessed_secs, plan};
use vow_agent::drill::proofs;
use vow_agent::drill::rotation::Sample;
use vow_agent::drill::source::now_secs;
use vow_agent::plan::DRILL_WITHIN_SECS;
use vow_base::id::hex;
use vow_protocol::report::Verdict;

const MINUTES: u64 = 120;

/// Drills what is due.
pub(super) fn run(
    cx: &Context,
    args: &Args,
    reading: &Reading,
    drills: &mut Drills<'_>,
    targets: &[Target<'_>],
) -> Outcome<Exit> {
    let assets: Vec<_> = targets.iter().map(|target| asset(reading, drills, target)).collect();
    let secs = args.budget_minutes.unwrap_or(MINUTES) as f64 * 60.0;
    let budget = Budget { secs, bytes: args.budget_bytes.unwrap_or(u64::MAX) };
    let night = plan(&assets, budget, now_secs());
    let began = Instant::now();
    let mut left: Vec<_> = night.left.iter().map(|(number, why)| (*number, why.clone())).collect();
    let mut done: Vec<Proven> = Vec::new();
    for due in &night.due {
        // Costs are estimates; the clock decides. The first one that there was anything to drill of is done in any case.
        if done.iter().any(Proven::had_snapshot) && began.elapsed().as_secs_f64() > secs {
            left.push((due.asset, "the time is used up".to_owned()));
            continue;
        }
        let target = &targets[due.asset];
        cx.ui.say(&format!("{}: {}", assets[due.asset].name, due.reason));
        let sample = if due.share < 1.0 { Sample::Percent(due.share * 100.0) } else { Sample::Everything };
        let proven =
            drills.one(reading, target, &Depth { sample, sabotage: args.sabotage, threads: args.threads })?;
        report::print(cx, &proven);
        done.push(proven);
    }
    report::refuse_wrong_identity(&done)?;
    for (number, why) in &left {
        cx.ui.say(&format!("{}: not tonight: {why}", assets[*number].name));
    }
    let exit = if done.is_empty() { Exit::Done } else { report::exit_of(&done) };
    let mut summary = report::summary(&done, exit);
    summary["left"] = left
        .iter()
        .map(|(number, why)| json!({"source": targets[*number].source, "level": targets[*number].level, "reason": why}))
        .collect();
    summary["reasons"] = night
        .due
        .iter()
        .map(|due| json!({"source": targets[due.asset].source, "level": targets[due.asset].level, "reason": due.reason}))
        .collect();
    cx.ui.json(&summary);
    if done.is_empty() {
        cx.ui.say("nothing is due now");
    }
    Ok(exit)
}

/// What is known of a source on a level.
fn asset(reading: &Reading, drills: &Drills<'_>, target: &Target<'_>) -> Asset {
    let name = format!("{} on {}", target.source, target.level);
    let within_secs = reading
        .config
        .as_ref()
        .and_then(|config| config.sources.iter().find(|source| source.name == target.source))
        .map_or(DRILL_WITHIN_SECS, |source| source.drill.term_secs());
    let Ok((place, info)) = &target.found else {
        // Nothing to restore is said at once, and costs nothing.
        let (proven_secs, tried_secs) = (None, None);
        return Asset {
            name,
            within_secs,
            proven_secs,
            tried_secs,
            cost_secs: 0.0,
            bytes: 0,
            divisible: true,
        };
    };
    let of: proofs::Asset = (hex(&info.manifest.host_key), info.manifest.source.clone(), place.name.clone());
    let bytes = info.manifest.counts.bytes;
    let divisible = info.manifest.source_type == "files";
    let mut asset = Asset {
        name,
        within_secs,
        proven_secs: None,
        tried_secs: None,
        cost_secs: guessed_secs(bytes, divisible),
        bytes,
        divisible,
    };
    for proof in drills.proofs.of(&of) {
        let report = &proof.report;
        asset.tried_secs = asset.tried_secs.max(Some(report.started_secs));
        if report.verdict == Verdict::Proven {
            asset.proven_secs = asset.proven_secs.max(Some(report.started_secs));
            // It grew, or shrank, since.
            let grown = bytes.max(1) as f64 / report.bytes.max(1) as f64;
            asset.cost_secs = (proof.whole_restore_secs + report.compare_secs) * grown.clamp(0.1, 10.0);
        }
    }
    asset
}
