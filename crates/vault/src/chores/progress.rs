//! How far the scrub of a vault has come, and what it found that nobody has healed: kept in the vault's cache, so that neither a start nor a new round
//! forgets damage that is still there.
//!
//! A text of lines: where the last part ended, or that the round is done; then what is open, "open WHEN HOST KIND ID REASON" or "hidden SENTENCE". A
//! line that cannot be read is passed over: what it was about is found again.

use crate::scrub::{Cursor, ScrubReport};
use crate::storage::Storage;
use crate::tree;
use crate::vault::{Vault, text_error};
use std::collections::BTreeMap;
use vow_base::clock::Nanos;
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// Where progress is kept.
const FOLDER: &str = "cache/scrub";
/// More that is open is not kept: it is found again.
const OPEN_MAX: usize = 1000;
/// The longest reason or sentence that is kept, in characters.
const SENTENCE_CHARS: usize = 300;
const LIMIT_BYTES: u64 = 2 << 20;
const DONE: &str = "a whole round is done";
const KINDS: [Kind; 4] = [Kind::Pack, Kind::List, Kind::Index, Kind::Manifest];

/// How far the scrub has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Where the last part ended; nothing before the first, after a whole round, or when the cache was thrown away.
    pub(super) cursor: Option<Cursor>,
    /// What kept snapshots need and do not have: why, and whether this round has seen it.
    open: BTreeMap<(HostId, Kind, ObjectId), (String, bool)>,
    /// What somebody has hidden in the bucket, as the beginning of this round found it.
    pub(super) hidden: Vec<String>,
}

impl Progress {
    /// What was kept; nothing when it cannot be read.
    pub(super) fn load(vault: &Vault) -> Self {
        let storage = &*vault.inner.storage;
        let newest = storage.names(FOLDER).ok().and_then(|mut names| names.pop());
        let text = newest.and_then(|newest| storage.read(&format!("{FOLDER}/{newest}"), LIMIT_BYTES).ok());
        text.and_then(|text| String::from_utf8(text).ok()).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// When a part was last read, as far as that is known.
    pub(super) fn last(vault: &Vault) -> Option<Nanos> {
        let kept = vault.inner.storage.list(FOLDER).ok()?;
        kept.into_iter().next_back()?.stat.map(|stat| stat.stored)
    }

    /// Keeps it. Nothing is replaced, not even here: a new name is made, and older ones are taken away.
    pub(super) fn store(&self, vault: &Vault) -> Result<(), VaultError> {
        let storage: &dyn Storage = &*vault.inner.storage;
        storage.make_folder(FOLDER)?;
        let older = storage.list(FOLDER)?;
        let after = older.last().and_then(|item| item.name.parse::<u64>().ok()).unwrap_or(0);
        let name = format!("{FOLDER}/{}", tree::entry_name(after + 1));
        storage.create(&name, self.text().as_bytes(), None).map_err(text_error)?;
        for item in older {
            if let Some(stat) = &item.stat {
                storage.remove(&format!("{FOLDER}/{}", item.name), stat)?;
            }
        }
        Ok(())
    }

    /// A round begins: what is open has to be seen in it again, or it is not open any more.
    pub(super) fn begin_round(&mut self, hidden: Vec<String>) {
        self.hidden = hidden;
        self.open.values_mut().for_each(|(_, seen)| *seen = false);
    }

    /// A part is done. `is_well` says of something that was open whether it can be read again.
    pub(super) fn take(&mut self, report: &ScrubReport, is_well: impl Fn(&HostId, Kind, &ObjectId) -> bool) {
        self.open.retain(|(host, kind, id), _| !is_well(host, *kind, id));
        for found in report.open() {
            let (kind, id) = found.object;
            self.open.insert((found.host, kind, id), (found.reason.clone(), true));
        }
        self.cursor = report.cursor;
        if self.cursor.is_none() {
            self.open.retain(|_, (_, seen)| *seen);
        }
    }

    /// A sentence for everything that somebody must look at.
    pub(super) fn sentences(&self) -> Vec<String> {
        let open = self
            .open
            .iter()
            .map(|((host, kind, id), (reason, _))| format!("host {}: {kind} {id}: {reason}", host.short()));
        self.hidden.iter().cloned().chain(open).collect()
    }

    fn text(&self) -> String {
        let mut text = match &self.cursor {
            Some((host, kind, id)) => format!("{host} {} {id}\n", kind.folder()),
            None => format!("{DONE}\n"),
        };
        for sentence in self.hidden.iter().take(OPEN_MAX) {
            text.push_str(&format!("hidden {}\n", line(sentence)));
        }
        for ((host, kind, id), (reason, seen)) in self.open.iter().take(OPEN_MAX) {
            let when = if *seen { "now" } else { "before" };
            text.push_str(&format!("open {when} {host} {} {id} {}\n", kind.folder(), line(reason)));
        }
        text
    }

    fn parse(text: &str) -> Self {
        let mut progress = Self::default();
        let mut lines = text.lines();
        progress.cursor = lines.next().and_then(|first| Some(object(first)?.0));
        for line in lines {
            if let Some(sentence) = line.strip_prefix("hidden ") {
                progress.hidden.push(sentence.to_owned());
            } else if let Some(((host, kind, id), seen, reason)) = open(line) {
                progress.open.insert((host, kind, id), (reason.to_owned(), seen));
            }
        }
        progress
    }
}

fn open(line: &str) -> Option<(Cursor, bool, &str)> {
    let (when, rest) = line.strip_prefix("open ")?.split_once(' ')?;
    let (object, reason) = object(rest)?;
    Some((object, when == "now", reason))
}

/// A host, a kind and an id, and what follows them.
fn object(text: &str) -> Option<(Cursor, &str)> {
    let mut words = text.splitn(4, ' ');
    let host: HostId = words.next()?.parse().ok()?;
    let kind = words.next()?;
    let kind = KINDS.into_iter().find(|of| of.folder() == kind)?;
    Some(((host, kind, words.next()?.parse().ok()?), words.next().unwrap_or_default()))
}

fn line(sentence: &str) -> String {
    sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SENTENCE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::{Found, Outcome};

    fn part(cursor: Option<u8>, ids: &[u8]) -> ScrubReport {
        let found = |id: &u8| Found {
            host: HostId([1; 32]),
            object: (Kind::Pack, ObjectId([*id; 32])),
            reason: "it is\ngone".into(),
            needed: true,
            outcome: Outcome::Quarantined,
        };
        ScrubReport {
            cursor: cursor.map(|id| (HostId([1; 32]), Kind::Pack, ObjectId([id; 32]))),
            found: ids.iter().map(found).collect(),
            ..ScrubReport::default()
        }
    }

    fn ids(progress: &Progress) -> Vec<u8> {
        progress.open.keys().map(|(_, _, id)| id.0[0]).collect()
    }

    #[test]
    fn it_reads_as_it_was_written() {
        let mut progress = Progress::default();
        assert_eq!(Progress::parse(&progress.text()), progress);
        progress.begin_round(vec!["hosts/x: somebody put a delete marker over it".into()]);
        progress.take(&part(Some(7), &[3, 5]), |_, _, _| false);
        let read = Progress::parse(&progress.text());
        assert_eq!(
            (&read.cursor, &read.hidden, ids(&read)),
            (&progress.cursor, &progress.hidden, vec![3, 5])
        );
        assert!(read.sentences().iter().any(|said| said.ends_with("it is gone")), "{:?}", read.sentences());
        for odd in ["", "x", "a whole round is done\nopen now x\nmore", "open now a b c d"] {
            assert_eq!(Progress::parse(odd), Progress::default(), "{odd:?}");
        }
    }

    #[test]
    fn what_is_open_stays_open_until_it_is_well_or_a_whole_round_has_not_seen_it() {
        let mut progress = Progress::default();
        progress.begin_round(Vec::new());
        progress.take(&part(Some(4), &[3]), |_, _, _| false);
        progress.take(&part(None, &[9]), |_, _, _| false);
        assert_eq!(ids(&progress), [3, 9]);
        // The next round has not come to either of them yet.
        progress.begin_round(Vec::new());
        progress.take(&part(Some(2), &[]), |_, _, _| false);
        assert_eq!(ids(&progress), [3, 9]);
        // One was healed by hand.
        progress.take(&part(Some(4), &[3]), |_, _, id| id.0[0] == 9);
        assert_eq!(ids(&progress), [3]);
        progress.take(&part(None, &[]), |_, _, _| false);
        assert_eq!(ids(&progress), [3], "this round has seen it");
        // And in this one no snapshot needs it any more.
        progress.begin_round(Vec::new());
        progress.take(&part(None, &[]), |_, _, _| false);
        assert_eq!(progress.sentences(), [""; 0]);
    }
}
