//! A proof in the ledger of the vault: retention then keeps the snapshot as the last proven one. When the vault is a folder of this
//! machine it is entered here; one behind an address takes the signed proof, when it was told to (`vow vault join TOKEN --drill`).
//!
//! Only what was restored whole and found right is entered, and only that: a drill never doubts a snapshot by itself, because its own
//! machine may be what is wrong, and what is doubted can expire.

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::level;
use crate::reading::Reading;
use std::os::unix::fs::MetadataExt;
use vow_agent::plan::Place;
use vow_base::Fingerprint;
use vow_base::detail::Mark;
use vow_base::id::{hex, sha256};
use vow_base::sign::SigningKey;
use vow_base::vault::VaultError;
use vow_protocol::report::ProofReport;
use vow_protocol::{RemoteVault, Role};
use vow_store::archive::SnapshotInfo;
use vow_vault::state::HostState;

/// What became of it.
#[derive(Debug, Clone)]
pub(super) enum Entered {
    /// At this position.
    At(u64),
    /// It was not tried: there is no plan, or the vault has not let this drill host in.
    Elsewhere,
    /// It did not work.
    Failed(String),
}

/// The last word on it was a doubt. A mark `proven` would end that.
fn is_doubted(host: &HostState, info: &SnapshotInfo) -> bool {
    let marks = host.kept().filter(|known| known.receipt.manifest == info.id).flat_map(|known| &known.marks);
    let mut said = marks.filter(|marked| matches!(marked.mark, Mark::Doubted | Mark::Proven | Mark::Cleared));
    said.next_back().is_some_and(|marked| marked.mark == Mark::Doubted)
}

/// Enters the proof whose stored bytes these are.
pub(super) fn enter(
    reading: &Reading,
    info: &SnapshotInfo,
    report: &ProofReport,
    drill_key: &SigningKey,
    stored: &[u8],
) -> Entered {
    let own = drill_key.public();
    let folder = match &reading.config {
        Some(config) => config
            .vaults
            .iter()
            .find(|plan| plan.name == report.level)
            .and_then(|plan| Some((plan.folder()?.to_owned(), plan.fingerprint))),
        // Without a plan a level is called by its path. A bare machine changes nothing anywhere.
        None => None,
    };
    let Some((path, fingerprint)) = folder else { return bring(reading, info, report, drill_key, stored) };
    // What root writes into the vault of another user, that user's server cannot go on with.
    let owner = std::fs::metadata(&path).map(|meta| meta.uid());
    if let Some(owner) = owner.ok().filter(|owner| *owner != rustix::process::geteuid().as_raw()) {
        return Entered::Failed(format!("{} belongs to another user (number {owner})", path.display()));
    }
    let note = format!(
        "drill: restored from here and compared, {} right; proof {} by drill host {}",
        report.compared,
        hex(&sha256(stored)),
        Fingerprint::of(&own),
    );
    let entered = level::open_vault(&path, fingerprint).and_then(|vault| {
        let host = info.receipt.host_id();
        if is_doubted(&vault.state()?.of_host(&host), info) {
            // Whoever doubts it may know what no drill sees: content that is true to what an intruder left.
            return Err(Failure::failed(format!(
                "somebody doubts this snapshot; `vow vault mark {} --clear` says that nobody does any more",
                info.id.short()
            )));
        }
        Ok(vault.mark(&host, &info.id, Mark::Proven, &note)?)
    });
    match entered {
        Ok(receipt) => Entered::At(receipt.position),
        Err(failure) => Entered::Failed(failure.line()),
    }
}

/// Brings the proof to the vault behind an address, if it has let this drill host in.
fn bring(
    reading: &Reading,
    info: &SnapshotInfo,
    report: &ProofReport,
    drill_key: &SigningKey,
    stored: &[u8],
) -> Entered {
    let plan = reading
        .config
        .as_ref()
        .and_then(|config| config.vaults.iter().find(|plan| plan.name == report.level));
    let Some((plan, address, fingerprint)) = plan.and_then(|plan| match (&plan.place, plan.fingerprint) {
        (Place::Address(address), Some(fingerprint)) => Some((plan, address, fingerprint)),
        _ => None,
    }) else {
        return Entered::Elsewhere;
    };
    let sent = || -> Outcome<Option<u64>> {
        let vault = RemoteVault::new(address, fingerprint, drill_key, level::options(plan))?;
        // A host's key can bring none, and nobody's can either.
        if matches!(vault.about()?.role, None | Some(Role::Write)) {
            return Ok(None);
        }
        match vault.prove(&info.receipt.host_id(), stored) {
            Ok(entry) => Ok(Some(entry.receipt.position)),
            // It knows this key for something else, or for another host.
            Err(VaultError::NotForThisKey { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    match sent() {
        Ok(Some(position)) => Entered::At(position),
        Ok(None) => Entered::Elsewhere,
        Err(failure) => Entered::Failed(failure.line()),
    }
}
