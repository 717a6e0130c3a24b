//! What the ledger and the manifests say, as retention wants to know it.

use crate::remembered::Remembered;
use crate::retention::{Hold, Marks, Policy, Snapshot, Version};
use crate::state::{SnapshotState, State};
use crate::vault::Inner;
use std::collections::HashMap;
use std::sync::Arc;
use vow_base::detail::Mark;
use vow_base::manifest::Manifest;
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// Longer names of sources, and names that would spoil a table, stand in it as their hash.
const SOURCE_LIMIT_CHARS: usize = 64;
/// The longest file that says what a host is called, in bytes.
const ABOUT_LIMIT_BYTES: u64 = 4096;

/// Every snapshot of a host that is kept or remembered. `infos` knows those that are kept.
pub(super) fn snapshots(
    state: &State,
    host: &HostId,
    tenant: &str,
    infos: &HashMap<ObjectId, Remembered>,
) -> Vec<Snapshot> {
    let known = state.of_host(host);
    let one = |snapshot: &SnapshotState| {
        let receipt = &snapshot.receipt;
        let gone = snapshot.expired.is_some();
        let info = if gone { snapshot.remembered.as_ref() } else { infos.get(&receipt.manifest) }?;
        Some(Snapshot {
            manifest: receipt.manifest,
            host: *host,
            tenant: tenant.to_owned(),
            source: info.source.to_string(),
            position: receipt.position,
            sequence: receipt.sequence,
            received: state.settled(receipt.position, receipt.received),
            status: info.status,
            files: info.files,
            bytes: info.bytes,
            marks: marks(state, snapshot),
            gone,
        })
    };
    known.snapshots.iter().filter_map(one).collect()
}

fn marks(state: &State, snapshot: &SnapshotState) -> Marks {
    let mut marks = Marks::default();
    for marked in &snapshot.marks {
        let time = state.settled(marked.position, marked.time);
        let release = |hold: Hold| if hold == Hold::None { Hold::None } else { Hold::Released(time) };
        match marked.mark {
            Mark::Pinned => marks.pin = Hold::On,
            Mark::Held => marks.hold = Hold::On,
            // A second release does not start the delay anew, but one that holds until later is no harm either.
            Mark::Released => (marks.pin, marks.hold) = (release(marks.pin), release(marks.hold)),
            // Settled times of different entries can be equal; the order of entries decides.
            Mark::Proven => (marks.proven, marks.doubted) = (Some(time), None),
            Mark::Doubted => marks.doubted = Some(time.max(marks.proven.unwrap_or(time).saturating_add(1))),
            Mark::Cleared => marks.doubted = None,
            // A word from afar ends no doubt.
            Mark::Attested => marks.attested = Some(time),
        }
    }
    marks
}

/// The versions of the rules, in ledger order, beginning with the defaults.
pub(crate) fn versions(state: &State) -> Result<Vec<Version>, VaultError> {
    let mut versions = vec![Version::first()];
    for rules in &state.rules {
        let policy = Policy::parse(&rules.text).map_err(|bad| {
            VaultError::Refused(format!("the rules that ledger position {} sets: {bad}", rules.position))
        })?;
        versions.push(Version { policy, since: state.settled(rules.position, rules.since) });
    }
    Ok(versions)
}

/// What retention wants to know of a kept snapshot, and its manifest.
pub(super) fn read(
    vault: &Inner,
    host: &HostId,
    id: &ObjectId,
) -> Result<(Remembered, Manifest), VaultError> {
    opened(id, &vault.get(host, Kind::Manifest, id)?)
}

/// The same, of the stored bytes of the manifest.
pub(super) fn opened(id: &ObjectId, stored: &[u8]) -> Result<(Remembered, Manifest), VaultError> {
    let manifest = Manifest::open(stored)
        .map_err(|source| VaultError::Signed { what: format!("manifest {id}"), source })?;
    let (files, bytes) = (manifest.counts.files, manifest.counts.bytes);
    let info = Remembered { status: manifest.status, files, bytes, source: source_name(&manifest.source) };
    Ok((info, manifest))
}

/// A host may call a source anything. What is told apart here are names as a person would type them.
fn source_name(name: &str) -> Arc<str> {
    let plain = name.chars().all(|c| !c.is_control()) && !name.is_empty();
    if plain && name.chars().count() <= SOURCE_LIMIT_CHARS {
        name.into()
    } else {
        format!("(odd name) {}", ObjectId::of(name.as_bytes()).short()).into()
    }
}

/// The tenant that a host joined for, and its name; empty when the vault was not told.
pub(crate) fn called(vault: &Inner, host: &HostId) -> Result<(String, String), VaultError> {
    let about = crate::tree::about(host);
    let text = match vault.storage.read(&about, ABOUT_LIMIT_BYTES) {
        Err(error) if error.is_absent() => return Ok(Default::default()),
        other => other?,
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = |word: &str| text.lines().find_map(|line| line.strip_prefix(word)).map(str::to_owned);
    match line("tenant ") {
        Some(tenant) => Ok((tenant, line("name ").unwrap_or_default())),
        // Without the tenant the rules are not known.
        None => Err(VaultError::Refused(format!("{}/{about} names no tenant", vault.storage.place()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Marked;
    use vow_base::receipt::{Event, Receipt};

    fn marked(list: &[Mark]) -> Marks {
        let receipt = Receipt {
            version: 1,
            vault_key: [0; 32],
            position: 1,
            previous: None,
            host: [0; 32],
            manifest: ObjectId([0; 32]),
            sequence: 1,
            received: 0,
            event: Event::Committed,
        };
        // All at the same time: their order alone tells.
        let marks = (2..).zip(list).map(|(position, mark)| Marked { position, time: 9, mark: *mark });
        let snapshot = SnapshotState {
            receipt,
            expired: None,
            marks: marks.collect(),
            remembered: None,
            proofs: Vec::new(),
        };
        super::marks(&State::default(), &snapshot)
    }

    #[test]
    fn marks_say_what_they_amount_to() {
        use Mark::{Cleared, Doubted, Held, Pinned, Proven, Released};
        assert_eq!(marked(&[]), Marks::default());
        assert_eq!(marked(&[Released]), Marks::default(), "there was nothing to release");
        assert_eq!(marked(&[Pinned]).pin, Hold::On);
        let both = marked(&[Pinned, Released, Held]);
        assert_eq!((both.pin, both.hold), (Hold::Released(9), Hold::On));
        assert_eq!(marked(&[Pinned, Released, Pinned]).pin, Hold::On);
        for (list, doubted) in [
            (&[Doubted][..], true),
            (&[Proven, Doubted], true),
            (&[Doubted, Proven], false),
            (&[Doubted, Cleared], false),
            (&[Proven, Doubted, Cleared], false),
            (&[Cleared, Doubted], true),
        ] {
            assert_eq!(marked(list).is_doubted(), doubted, "{list:?}");
        }
        assert!(marked(&[Doubted, Proven]).proven.is_some());
    }

    #[test]
    fn odd_names_of_sources_spoil_nothing() {
        assert_eq!(&*source_name("my orders"), "my orders");
        for odd in ["", "a\tb", "a\nb", &"x".repeat(65)] {
            let name = source_name(odd);
            assert!(name.starts_with("(odd name) ") && name.len() < 40, "{name}");
        }
        assert_ne!(source_name("a\tb"), source_name("a\nb"));
    }
}
