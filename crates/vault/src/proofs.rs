//! Proofs from afar: a drill host that is not this vault's machine says, and signs, that it restored a snapshot from here and found it
//! right. `docs/protocol.md`, "Proofs".
//!
//! What is taken keeps one more snapshot of each source, beside the last proven one, and does nothing else: it ends no doubt, takes the
//! place of nothing that a person or a local drill said, and makes nothing expire. So a key that was stolen, or a drill host that lies,
//! gains no more than that one snapshot stays.

use crate::state::SnapshotState;
use crate::vault::Vault;
use vow_base::clock::Nanos;
use vow_base::detail::{Detail, Mark};
use vow_base::id::hex;
use vow_base::receipt::Event;
use vow_base::sign::PublicKey;
use vow_base::vault::{Kind, VaultError};
use vow_base::{Fingerprint, HostId, ObjectId};
use vow_protocol::limits::PROOF_LIMIT_BYTES;
use vow_protocol::proof::ProofRecord;
use vow_protocol::report::Verdict;

/// A snapshot that was attested this recently is not attested again: what is sent more often says nothing new, and fills the ledger.
const AGAIN: Nanos = 20 * 3600 * 1_000_000_000;

/// What became of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attested {
    /// It is in the ledger now, at this position.
    New(u64),
    /// It was there before, or another one was a few hours ago: at this position.
    Known(u64),
}

impl Attested {
    /// The position of the entry.
    pub fn position(self) -> u64 {
        match self {
            Self::New(position) | Self::Known(position) => position,
        }
    }
}

impl Vault {
    /// Enters a proof of a snapshot of `host` that `sender` signed and sends.
    ///
    /// # Errors
    /// It is not a proof of what is here by whoever sends it; the ledger cannot be written.
    pub fn attest(
        &self,
        host: &HostId,
        id: &ObjectId,
        stored: &[u8],
        sender: &PublicKey,
    ) -> Result<Attested, VaultError> {
        let record = checked(stored, id, host, sender, &Fingerprint::of(&self.public_key()))?;
        let manifest: ObjectId =
            record.report.snapshot.parse().map_err(|_| refuse("it names no snapshot"))?;
        let note = format!(
            "attested by drill host {}: restored from here and compared, {} right",
            Fingerprint::of(sender),
            record.report.compared
        );
        let detail = Detail::new(note)
            .about(&[(Kind::Manifest, manifest)])
            .with_mark(Mark::Attested)
            .with_proof(stored);
        let now = self.now();
        let _lock = self.inner.lock(self.lock_wait)?;
        loop {
            let state = self.state()?;
            let of_host = state.of_host(host);
            let kept = of_host.snapshot(&manifest).filter(|snapshot| snapshot.expired.is_none());
            let snapshot = kept.ok_or(VaultError::Absent { kind: Kind::Manifest, id: manifest })?;
            if snapshot.receipt.sequence != record.sequence {
                return Err(refuse("the snapshot has another number"));
            }
            if let Some(position) = before(snapshot, id, now) {
                return Ok(Attested::Known(position));
            }
            // Nothing when somebody else appended in between.
            if let Some(entry) =
                self.inner.append_event(state.position, Event::Marked, Some(*host), &detail)?
            {
                return Ok(Attested::New(entry.position));
            }
        }
    }
}

/// Where this proof is already, or another one that is young.
fn before(snapshot: &SnapshotState, id: &ObjectId, now: Nanos) -> Option<u64> {
    let same = snapshot.proofs.iter().find(|(known, _)| known == id).map(|(_, position)| *position);
    let young = snapshot.marks.iter().rfind(|marked| marked.mark == Mark::Attested);
    same.or_else(|| young.filter(|marked| now.saturating_sub(marked.time).abs() < AGAIN).map(|m| m.position))
}

/// What can be seen of a proof alone.
fn checked(
    stored: &[u8],
    id: &ObjectId,
    host: &HostId,
    sender: &PublicKey,
    vault: &Fingerprint,
) -> Result<ProofRecord, VaultError> {
    if stored.len() > PROOF_LIMIT_BYTES {
        return Err(refuse("it is longer than any proof"));
    }
    let found = ObjectId::of(stored);
    if found != *id {
        return Err(refuse(&format!("the bytes sent hash to {found}")));
    }
    let record = ProofRecord::open(stored)
        .map_err(|source| VaultError::Signed { what: "the proof".into(), source })?;
    let said = &record.report;
    if record.drill_key != hex(&sender.0) {
        return Err(refuse("another key signed it than the one that sends it"));
    }
    let key = vow_base::id::from_hex::<32>(&record.host_key).map(PublicKey);
    if key.is_none_or(|key| key.host_id() != *host) {
        return Err(refuse("it is of a snapshot of another host"));
    }
    if said.vault.as_deref() != Some(vault.to_string().as_str()) {
        return Err(refuse("what it proves was restored from another vault"));
    }
    if said.verdict != Verdict::Proven
        || record.share < 1.0
        || said.compared == 0
        || !said.problems.is_empty()
    {
        return Err(refuse("only what was restored whole and found right is entered"));
    }
    Ok(record)
}

fn refuse(why: &str) -> VaultError {
    VaultError::Refused(format!("this proof: {why}"))
}
