//! The console hears of drills as it hears of runs.

use crate::app::Context;
use crate::hostkeys;
use crate::reading::Reading;
use crate::reporting;
use vow_agent::plan::Config;
use vow_protocol::report::{Body, NAMED_MAX, ProofReport};
use vow_store::archive::SnapshotInfo;

/// Keeps the report of a drill until the console has it; without a snapshot, because there was none to drill.
///
/// A host speaks for itself only: the console would refuse to hear from it about another one. And it speaks of the levels of its plan,
/// not of any folder that a vault was copied to.
pub(super) fn keep(cx: &Context, reading: &Reading, info: Option<&SnapshotInfo>, report: &ProofReport) {
    let Some(config) = &reading.config else { return };
    let known = config.vaults.iter().any(|vault| vault.name == report.level)
        && (info.is_some() || config.sources.iter().any(|source| source.name == report.source));
    if config.console.is_none() || !known {
        return;
    }
    if info.is_some_and(|info| !is_own(config, info)) {
        cx.ui.note(&format!(
            "the drill of {} is not reported: it is of another host than this plan's",
            report.source
        ));
        return;
    }
    let mut report = report.clone();
    for texts in [&mut report.problems, &mut report.blocked] {
        texts.truncate(NAMED_MAX);
        texts.iter_mut().for_each(|text| *text = reporting::quoted(text));
    }
    reporting::keep(cx.ui, config, Body::Proof(Box::new(report)));
}

/// Sends what waits.
pub(super) fn send(cx: &Context, reading: &Reading) {
    if let Some(config) = &reading.config {
        reporting::post(cx.ui, config);
    }
}

fn is_own(config: &Config, info: &SnapshotInfo) -> bool {
    hostkeys::load_public(config).is_ok_and(|key| key == info.manifest.public_key())
}
