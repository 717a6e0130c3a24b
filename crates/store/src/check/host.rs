//! One host: what its manifests name, and what is there.

use super::findings::{Findings, absent};
use super::trailers::Trailers;
use super::{CheckError, CheckReport, listing};
use crate::archive::{Archive, ArchiveError, SnapshotInfo};
use crate::keys::IdKeys;
use crate::monitor::Monitor;
use crate::pack::size_class;
use std::collections::{BTreeMap, HashMap};
use vow_base::id::split_ids;
use vow_base::pack_list::{Expanded, ListError};
use vow_base::vault::Kind;
use vow_base::{HostId, ObjectId};

/// Pack list segments that are kept while the snapshots that share them are checked, in bytes.
const SEGMENTS_BYTES: usize = 32 << 20;

pub(super) struct Host<'a> {
    pub(super) archive: &'a Archive,
    pub(super) id: HostId,
    pub(super) monitor: &'a Monitor,
    /// Packs, by number, with their length in bytes.
    pub(super) packs: Vec<(ObjectId, u64)>,
    /// The number of each pack.
    pub(super) numbers: HashMap<ObjectId, u32>,
    /// Lists, index segments and manifests with their length in bytes.
    pub(super) small: BTreeMap<(Kind, ObjectId), u64>,
    segments: HashMap<ObjectId, Vec<u8>>,
    segments_bytes: usize,
}

/// Why a pack list cannot be used.
enum BadList {
    /// This segment of it, or the manifest itself, is wrong.
    Segment(ObjectId, String),
    /// The vault is gone.
    Gone(ArchiveError),
}

impl<'a> Host<'a> {
    pub(super) fn new(archive: &'a Archive, id: HostId, monitor: &'a Monitor) -> Result<Self, ArchiveError> {
        let objects = |kind| archive.vault().objects(&id, kind);
        let mut packs = objects(Kind::Pack)?;
        packs.sort_unstable();
        let numbers = (0..).zip(&packs).map(|(number, (id, _))| (*id, number)).collect();
        let mut small = BTreeMap::new();
        for kind in [Kind::List, Kind::Index, Kind::Manifest] {
            small.extend(objects(kind)?.into_iter().map(|(id, length)| ((kind, id), length)));
        }
        Ok(Self { archive, id, monitor, packs, numbers, small, segments: HashMap::new(), segments_bytes: 0 })
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.packs.iter().map(|(_, length)| length).chain(self.small.values()).sum()
    }

    pub(super) fn go_on(&self) -> Result<(), CheckError> {
        if self.monitor.is_cancelled() { Err(CheckError::Cancelled) } else { Ok(()) }
    }

    /// Every object that a manifest names is there, with a length that it may have.
    pub(super) fn manifests(
        &mut self,
        snapshots: &[&SnapshotInfo],
        findings: &mut Findings,
    ) -> Result<(), CheckError> {
        self.lengths(findings);
        let mut sequences = HashMap::new();
        for info in snapshots {
            self.go_on()?;
            let sequence = info.manifest.sequence;
            if sequences.insert(sequence, info.id).is_some_and(|other| other != info.id) {
                let reason = format!("another manifest of the host has the sequence number {sequence} too");
                findings.add(Kind::Manifest, info.id, reason);
            }
            for id in info.manifest.index_ids() {
                if !self.small.contains_key(&(Kind::Index, id)) {
                    findings.add(Kind::Index, id, absent());
                }
            }
            match self.expand(info) {
                Ok(needed) => {
                    for pack in needed.packs.iter().filter(|pack| !self.numbers.contains_key(pack)) {
                        findings.add(Kind::Pack, *pack, absent());
                    }
                    if !needed.packs.contains(&info.manifest.root.pack) {
                        let reason = "its pack list lacks the pack of its root".to_owned();
                        findings.add(Kind::Manifest, info.id, reason);
                    }
                }
                Err(BadList::Gone(error)) => return Err(error.into()),
                Err(BadList::Segment(id, reason)) if id == info.id => {
                    findings.add(Kind::Manifest, id, reason)
                }
                Err(BadList::Segment(id, reason)) => findings.add(Kind::List, id, reason),
            }
        }
        Ok(())
    }

    fn lengths(&self, findings: &mut Findings) {
        let wrong = |length: u64| {
            format!("a length of {length} bytes is not possible: cut short, or not what it is said to be")
        };
        for (id, length) in &self.packs {
            let class = usize::try_from(*length).is_ok_and(|bytes| size_class(bytes) == bytes);
            if !class || *length == 0 || *length > Kind::Pack.limit_bytes() {
                findings.add(Kind::Pack, *id, wrong(*length));
            }
        }
        for ((kind, id), length) in &self.small {
            if *length == 0 || *length > kind.limit_bytes() {
                findings.add(*kind, *id, wrong(*length));
            }
        }
    }

    /// Reads the listing of each snapshot; returns the id keys with which the host's packs can be checked.
    pub(super) fn listings(
        &mut self,
        snapshots: &[&SnapshotInfo],
        findings: &mut Findings,
        report: &mut CheckReport,
    ) -> Result<Vec<IdKeys>, CheckError> {
        let mut known = listing::Known::default();
        let mut trailers = Trailers::default();
        let mut keys: Vec<([u8; 32], IdKeys)> = Vec::new();
        // The newest first: what it shares with older ones is then known.
        for info in snapshots.iter().rev() {
            self.go_on()?;
            let opened = self.archive.open(info);
            let snapshot = match opened {
                Ok(snapshot) => snapshot,
                Err(error) if error.is_identity() => {
                    report.unopened.push(info.id);
                    continue;
                }
                Err(error) => {
                    findings.blame(info.manifest.root.pack, error);
                    findings.go_on()?;
                    continue;
                }
            };
            let secret = snapshot.root().id_secret;
            if !keys.iter().any(|(known, _)| *known == secret) {
                keys.push((secret, snapshot.ids().clone()));
            }
            let mut named = vec![false; self.packs.len()];
            match self.expand(info) {
                Ok(needed) => {
                    for number in needed.packs.iter().filter_map(|pack| self.numbers.get(pack)) {
                        named[*number as usize] = true;
                    }
                }
                Err(BadList::Gone(error)) => return Err(error.into()),
                // The list was reported; the listing can be checked without it.
                Err(BadList::Segment(..)) => named.fill(true),
            }
            listing::check(self, &snapshot, &named, &mut known, &mut trailers, findings)?;
            findings.go_on()?;
            report.listings += 1;
        }
        Ok(keys.into_iter().map(|(_, ids)| ids).collect())
    }

    /// Finds the snapshots that need what is damaged.
    pub(super) fn affected(
        &mut self,
        snapshots: &[&SnapshotInfo],
        findings: &mut Findings,
    ) -> Result<(), CheckError> {
        if findings.is_empty() {
            return Ok(());
        }
        for info in snapshots {
            self.go_on()?;
            findings.affects(Kind::Manifest, info.id, info.id);
            // Segments directly below the manifest are known even if the list as a whole is not.
            if info.manifest.packs.depth > 0 {
                for id in split_ids(&info.manifest.packs.ids).unwrap_or_default() {
                    findings.affects(Kind::List, id, info.id);
                }
            }
            match self.expand(info) {
                Ok(needed) => {
                    needed.packs.iter().for_each(|id| findings.affects(Kind::Pack, *id, info.id));
                    needed.lists.iter().for_each(|id| findings.affects(Kind::List, *id, info.id));
                }
                Err(BadList::Gone(error)) => return Err(error.into()),
                Err(BadList::Segment(id, _)) => findings.affects(Kind::List, id, info.id),
            }
        }
        Ok(())
    }

    /// Every pack and list segment that a snapshot needs.
    fn expand(&mut self, info: &SnapshotInfo) -> Result<Expanded, BadList> {
        let (archive, host) = (self.archive, self.id);
        let expanded = info.manifest.packs.expand(|id| {
            if let Some(segment) = self.segments.get(id) {
                return Ok(segment.clone());
            }
            let read = archive.vault().get(&host, Kind::List, id).map_err(ArchiveError::from);
            let segment = read.map_err(|error| match error {
                gone if gone.is_gone() => BadList::Gone(gone),
                other => BadList::Segment(*id, other.to_string()),
            })?;
            if ObjectId::of(&segment) != *id {
                return Err(BadList::Segment(*id, "its bytes do not hash to its name".into()));
            }
            if self.segments_bytes + segment.len() > SEGMENTS_BYTES {
                self.segments.clear();
                self.segments_bytes = 0;
            }
            self.segments_bytes += segment.len();
            self.segments.insert(*id, segment.clone());
            Ok(segment)
        });
        expanded.map_err(|error| match error {
            ListError::Fetch(bad) => bad,
            ListError::Malformed { id, reason } => {
                BadList::Segment(id.parse().unwrap_or(info.id), format!("its pack list is wrong: {reason}"))
            }
        })
    }
}
