//! One drill: one snapshot from one level, restored and compared as its type asks for.

use super::content::inspector::Program;
use super::expect::{Expect, Expectations};
use super::files::{self, FilesError, Found, Inspector, Options, Tamper};
use super::rotation::Rotation;
use super::scratch::{Place, ScratchError};
use super::site::{self, Site};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use vow_base::Fingerprint;
use vow_base::id::hex;
use vow_base::sign::PublicKey;
use vow_protocol::proof::Screenshot;
use vow_protocol::report::{NAMED_MAX, ProofReport, Verdict};
use vow_sources::adapter::{self, Adapter, AdapterError, Blame, Capture, Ground, Proof, Tried, blame_of};
use vow_sources::isolation::Room;
use vow_sources::question::Question;
use vow_store::archive::{ArchiveError, Snapshot, SnapshotInfo};
use vow_store::monitor::Monitor;

/// The type of source that is nothing but files.
const FILES: &str = "files";
/// Types of snapshots that hold pieces of a log.
const LOGS: [&str; 2] = [vow_sources::postgres::LOG_KIND, vow_sources::mariadb::BINLOG_KIND];
/// What a full disk says, by the system, by etcd, by SQLite and by MariaDB.
const DISK_FULL: [&str; 4] =
    ["No space left on device", "no space left on device", "database or disk is full", "ERROR 1114"];
/// How problems begin that are of the plan's expectations and of its site.
const UNEXPECTED: [&str; 2] = ["expected: ", "site: "];
/// Empty servers that were initialised before, in the drill's own folder.
const TEMPLATES: &str = "templates";

/// What to drill, and how.
pub struct Order<'o> {
    /// The snapshot, opened from the level.
    pub snapshot: &'o Snapshot,
    /// The level's name.
    pub level: &'o str,
    /// The fingerprint of the recipient whose identity opened it.
    pub recipient: String,
    /// Which part of its files is read; databases are always restored whole.
    pub rotation: &'o Rotation,
    /// Threads; 0 for one per processor.
    pub threads: usize,
    /// Where scratch servers may be, and the drill's own folder.
    pub scratch: (&'o Path, &'o Path),
    /// Makes what looks at the contents of files.
    pub inspectors: Option<&'o (dyn Fn() -> Box<dyn Inspector> + Sync)>,
    /// Damage to be noticed, of files.
    pub tamper: Option<&'o dyn Tamper>,
    /// The highest number of a snapshot of this source that is known to exist, when the newest was asked for.
    pub newest_known: Option<u64>,
    /// Seconds within which the plan wants it restored.
    pub restore_target_secs: Option<u64>,
    /// What the plan expects of its files.
    pub expect: &'o [Expect],
    /// What the plan asks of its databases.
    pub questions: &'o [Question],
    /// The site of the plan, and the program that is the inside of looking at it.
    pub site: Option<(&'o Site, &'o Program)>,
    /// The source as the plan has it, where the plan is: it may know how its own snapshots are proven.
    pub capture: Option<&'o dyn Capture>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Drilled {
    /// As it is reported.
    pub report: ProofReport,
    /// Everything that is wrong, of which the report names the first.
    pub problems: Vec<String>,
    /// Files that are as they were captured, and not what their type says: damaged on the host before.
    pub spoiled: Vec<String>,
    /// How many of these.
    pub spoiled_count: u64,
    /// What a person may want to know.
    pub notes: Vec<String>,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// The share of it that was read, from 0 to 1.
    pub share: f64,
    /// Where the next sampled drill begins.
    pub next: u64,
    /// Restoring all of it would take so long, by this drill.
    pub whole_restore_secs: f64,
    /// After how many drills of this size every byte was read.
    pub term_drills: u64,
    /// Pictures of its site.
    pub screenshots: Vec<Screenshot>,
}

/// Why there is no result at all.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The snapshot cannot be read: the identity does not open it, or the vault is gone.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The same, while a database was restored.
    #[error(transparent)]
    Adapter(AdapterError),
    /// There is no place for a scratch server.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// It was asked to stop.
    #[error("interrupted")]
    Stopped,
}

impl DrillError {
    /// Whom to ask.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Archive(error) => blame_of(error),
            Self::Adapter(error) => error.blame(),
            Self::Scratch(_) => Blame::Machine,
            Self::Stopped => Blame::Gone,
        }
    }
}

impl From<FilesError> for DrillError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Archive(error) => error.into(),
            FilesError::Stopped => Self::Stopped,
        }
    }
}

/// Seconds since 1970.
pub fn now_secs() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// A report about a snapshot, before anything is known about it.
pub fn blank(info: &SnapshotInfo, level: &str) -> ProofReport {
    ProofReport {
        source: info.manifest.source.clone(),
        source_type: info.manifest.source_type.clone(),
        snapshot: info.id.to_string(),
        received_secs: info.receipt.received / 1_000_000_000,
        level: level.to_owned(),
        // Nobody countersigned a snapshot whose receipt could not be read.
        vault: (info.receipt.position > 0)
            .then(|| Fingerprint::of(&PublicKey(info.receipt.vault_key)).to_string()),
        recipient: String::new(),
        started_secs: now_secs(),
        restore_secs: 0.0,
        compare_secs: 0.0,
        verdict: Verdict::Blocked,
        compared: 0,
        files: info.manifest.counts.files,
        files_read: 0,
        bytes: 0,
        problems: Vec::new(),
        blocked: Vec::new(),
        restore_target_secs: None,
        drill_within_secs: None,
    }
}

/// Drills.
///
/// # Errors
/// See [`DrillError`]. That the snapshot is damaged, or cannot be tried here, is a result.
pub fn drill(order: &Order<'_>, monitor: &Monitor) -> Result<Drilled, DrillError> {
    let info = order.snapshot.info();
    let mut report = blank(info, order.level);
    report.recipient.clone_from(&order.recipient);
    report.restore_target_secs = order.restore_target_secs;
    let mut drilled = Drilled {
        report,
        problems: Vec::new(),
        spoiled: Vec::new(),
        spoiled_count: 0,
        notes: Vec::new(),
        bytes_read: 0,
        share: order.rotation.share(),
        next: order.rotation.next(),
        whole_restore_secs: 0.0,
        term_drills: order.rotation.term_drills(),
        screenshots: Vec::new(),
    };
    if let Some(text) = older(info, order.newest_known) {
        drilled.problems.push(text);
    }
    match adapter::adapter(&info.manifest.source_type) {
        Some(adapter) if adapter.kind() != FILES => drilled.database(order, adapter, monitor)?,
        Some(_) => {
            drilled.files(order, monitor)?;
            drilled.site(order, monitor)?;
        }
        None => {
            drilled.files(order, monitor)?;
            let kind = &info.manifest.source_type;
            drilled.report.blocked.push(match LOGS.contains(&kind.as_str()) {
                true => "a piece of a log was hashed, and nothing was restored: it is of use with the snapshot that it goes on from only, to \
                         which `vow restore … --time latest` replays it"
                    .into(),
                false => format!(
                    "this version of vow does not know sources of type {kind:?}: their files were hashed, and nothing was restored"
                ),
            });
        }
    }
    drilled.compare_with_target();
    Ok(drilled.judged())
}

/// Where a drill with this folder keeps empty servers.
pub(super) fn templates(state: &Path) -> PathBuf {
    state.join(TEMPLATES)
}

/// An older snapshot must not be taken for the newest.
pub(super) fn older(info: &SnapshotInfo, newest_known: Option<u64>) -> Option<String> {
    let sequence = info.manifest.sequence;
    newest_known.filter(|known| *known > sequence).map(|known| {
        format!(
            "this is not the newest snapshot of {}: it is number {sequence} of its host, and number {known} is known to exist; \
             the vault lost or hides the newer one, or it is not there yet",
            info.manifest.source
        )
    })
}

impl Drilled {
    /// A result that says only why nothing could be tried.
    pub fn blocked(info: &SnapshotInfo, level: &str, why: String) -> Self {
        let mut report = blank(info, level);
        report.blocked.push(why);
        Self::empty(report).judged()
    }

    /// A result that says only what is wrong.
    pub fn failed(info: &SnapshotInfo, level: &str, why: String) -> Self {
        let mut failed = Self::empty(blank(info, level));
        failed.problems.push(why);
        failed.judged()
    }

    /// A result of nothing but a report.
    pub fn empty(report: ProofReport) -> Self {
        Self {
            problems: report.problems.clone(),
            report,
            spoiled: Vec::new(),
            spoiled_count: 0,
            notes: Vec::new(),
            bytes_read: 0,
            share: 0.0,
            next: 0,
            whole_restore_secs: 0.0,
            term_drills: 0,
            screenshots: Vec::new(),
        }
    }

    /// Whether nothing is wrong but that it is not what the plan expects: it is as it was captured.
    pub fn is_only_unexpected(&self) -> bool {
        self.problems.iter().all(|text| UNEXPECTED.iter().any(|word| text.starts_with(word)))
    }

    /// The drill was shown damage: what it did not notice makes it a broken one.
    pub fn tested(&mut self, tried: &[Tried]) {
        let missed: Vec<_> = tried.iter().filter(|one| !one.noticed).collect();
        for one in &missed {
            let said = one.said.as_ref().map_or("nothing".to_owned(), |text| format!("only: {text}"));
            self.problems.push(format!(
                "the drill did not notice a {} ({}), and said {said}; do not rely on its proofs",
                one.name, one.object
            ));
        }
        if !missed.is_empty() {
            self.report.verdict = Verdict::Broken;
            self.report.problems = self.problems.iter().take(NAMED_MAX).cloned().collect();
        }
    }

    fn files(&mut self, order: &Order<'_>, monitor: &Monitor) -> Result<Found, DrillError> {
        let options = Options {
            rotation: order.rotation,
            threads: order.threads,
            inspectors: order.inspectors,
            tamper: order.tamper,
        };
        let began = Instant::now();
        let mut expectations = Expectations::new(order.expect);
        let mut found = files::read(order.snapshot, &options, monitor, |entry| expectations.see(entry))?;
        // Reading and comparing go hand in hand: what a restore into memory takes.
        let secs = began.elapsed().as_secs_f64();
        let more = found.problem_count.saturating_sub(found.problems.len() as u64);
        self.problems.append(&mut found.problems);
        if more > 0 {
            self.problems.push(format!("and {more} more"));
        }
        match expectations.finish(order.snapshot) {
            Ok(mut unmet) => self.problems.append(&mut unmet),
            Err(error) if matches!(blame_of(&error), Blame::Gone | Blame::Identity) => {
                return Err(error.into());
            }
            Err(error) => self.problems.push(format!("what is expected of it cannot be looked up: {error}")),
        }
        self.spoiled.append(&mut found.spoiled);
        self.spoiled_count += found.spoiled_count;
        self.bytes_read += found.bytes_read;
        let report = &mut self.report;
        report.restore_secs = secs;
        (report.files, report.bytes) = (found.files, found.bytes);
        report.files_read = found.files_read;
        report.compared = found.files_read;
        self.whole_restore_secs = match found.bytes_read {
            0 => secs,
            read => secs * (found.bytes.max(read) as f64 / read as f64),
        };
        if found.files_read == 0 && self.problems.is_empty() {
            match found.files {
                0 => self.problems.push("the snapshot holds no file at all".into()),
                _ => self
                    .report
                    .blocked
                    .push("no file had its turn in a sample this small: nothing was read".into()),
            }
        }
        Ok(found)
    }

    fn site(&mut self, order: &Order<'_>, monitor: &Monitor) -> Result<(), DrillError> {
        let Some((site, program)) = order.site else { return Ok(()) };
        if self.share < 1.0 {
            self.notes.push("the site was not looked at: this drill reads a part of the files".into());
            return Ok(());
        }
        let looked = site::look(site, order.snapshot, program, order.scratch, &|| monitor.is_cancelled());
        if monitor.is_cancelled() {
            return Err(DrillError::Stopped);
        }
        match looked {
            Ok(mut looked) => {
                self.report.compared += looked.compared;
                self.problems.append(&mut looked.problems);
                self.report.blocked.append(&mut looked.blocked);
                self.notes.append(&mut looked.notes);
                self.screenshots = looked.screenshots;
                Ok(())
            }
            Err(ArchiveError::Write(error)) => {
                self.report.blocked.push(format!("the site could not be written out: {error}"));
                Ok(())
            }
            Err(error) if matches!(blame_of(&error), Blame::Gone | Blame::Identity) => Err(error.into()),
            // The files were read a moment ago, and said what is wrong with them.
            Err(error) => {
                self.problems.push(format!("the site cannot be restored: {error}"));
                Ok(())
            }
        }
    }

    fn database(
        &mut self,
        order: &Order<'_>,
        adapter: &dyn Adapter,
        monitor: &Monitor,
    ) -> Result<(), DrillError> {
        let (scratch, state) = order.scratch;
        let place = match Place::create(scratch, state) {
            Ok(place) => place,
            Err(error) => {
                self.report.blocked.push(format!("there is no place for a scratch server: {error}"));
                return Ok(());
            }
        };
        let began = Instant::now();
        let room = Room::default();
        let stop = || monitor.is_cancelled() || room.is_none();
        let templates = templates(state);
        let ground = Ground { place: place.path(), templates: Some(&templates) };
        let proven = room.watch(place.path(), || {
            let by_plan = order.capture.and_then(|capture| capture.prove(order.snapshot, ground, &stop));
            by_plan.unwrap_or_else(|| adapter.prove(order.snapshot, ground, order.questions, &stop))
        });
        let secs = began.elapsed().as_secs_f64();
        drop(place);
        let proof = match proven {
            Ok(proof) => proof,
            Err(AdapterError::Unsupported(why)) => {
                self.files(order, monitor)?;
                self.report.blocked.push(format!("its files were hashed, and nothing was restored: {why}"));
                return Ok(());
            }
            Err(error) => match error.blame() {
                Blame::Snapshot => Proof { problems: vec![error.to_string()], ..Proof::default() },
                Blame::Machine => Proof { blocked: vec![error.to_string()], ..Proof::default() },
                Blame::Gone if room.is_none() && !monitor.is_cancelled() => Proof::default(),
                Blame::Identity | Blame::Gone if monitor.is_cancelled() => return Err(DrillError::Stopped),
                Blame::Identity | Blame::Gone => return Err(DrillError::Adapter(error)),
            },
        };
        self.take(proof, secs, &room, order.snapshot.info());
        Ok(())
    }

    fn take(&mut self, mut proof: Proof, secs: f64, room: &Room, info: &SnapshotInfo) {
        let wrong = proof.problems.iter().chain(&proof.blocked);
        let is_said = wrong.clone().any(|text| DISK_FULL.iter().any(|words| text.contains(words)));
        let is_seen = room.is_little() && wrong.count() > 0;
        if is_said || is_seen || room.is_none() {
            // Nothing is known about the snapshot, whatever else went wrong after that.
            self.report.blocked.push("the scratch place is full; name a roomier one with --scratch".into());
            self.notes.append(&mut proof.problems);
        }
        let report = &mut self.report;
        report.restore_secs = if proof.restore_secs > 0.0 { proof.restore_secs } else { secs };
        report.compare_secs = (secs - report.restore_secs).max(0.0);
        report.compared = proof.compared;
        report.files_read = if proof.compared > 0 { report.files } else { 0 };
        report.bytes = proof.bytes.max(info.manifest.counts.bytes);
        self.bytes_read = if proof.compared > 0 { info.manifest.counts.bytes } else { 0 };
        self.whole_restore_secs = report.restore_secs;
        self.share = 1.0;
        self.term_drills = 1;
        report.blocked.append(&mut proof.blocked);
        self.problems.append(&mut proof.problems);
        self.notes.append(&mut proof.notes);
        if report.compared == 0 && self.problems.is_empty() && report.blocked.is_empty() {
            self.problems.push("nothing in it could be compared".into());
        }
    }

    /// The plan wants it back sooner than this drill says that it would be.
    fn compare_with_target(&mut self) {
        let Some(target) = self.report.restore_target_secs.map(|secs| secs as f64) else { return };
        if self.report.compared > 0 && self.report.blocked.is_empty() && self.whole_restore_secs > target {
            self.notes.push(format!(
                "restoring all of it takes about {:.0} s by this drill, and the plan wants it within {target:.0} s",
                self.whole_restore_secs
            ));
        }
    }

    /// The verdict, from what was found: what is wrong weighs more than what could not be tried, and that more than what is right.
    #[must_use]
    pub fn judged(mut self) -> Self {
        let report = &mut self.report;
        report.verdict = verdict(!self.problems.is_empty(), !report.blocked.is_empty(), report.compared);
        report.problems = self.problems.iter().take(NAMED_MAX).cloned().collect();
        let more = self.problems.len() - report.problems.len();
        if more > 0 {
            report.problems.push(format!("and {more} more"));
        }
        self
    }
}

/// What a drill says, from whether anything is wrong, whether anything could not be tried, and how much was compared.
pub fn verdict(wrong: bool, blocked: bool, compared: u64) -> Verdict {
    match (wrong, blocked, compared) {
        (true, _, _) => Verdict::Failed,
        (false, true, _) | (false, false, 0) => Verdict::Blocked,
        (false, false, _) => Verdict::Proven,
    }
}

/// The recipient whose identity it was: the first one of the manifest that is among these.
pub fn recipient(info: &SnapshotInfo, identities: &[[u8; 16]]) -> String {
    let sealed = info.manifest.recipients.iter();
    let known =
        sealed.filter(|one| identities.iter().any(|own| own[..] == one[..])).map(|one| hex(one)).next();
    known.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_compared_is_never_a_pass() {
        assert_eq!(verdict(false, false, 1), Verdict::Proven);
        assert_eq!(verdict(false, false, 0), Verdict::Blocked);
        assert_eq!(verdict(false, true, 9), Verdict::Blocked);
        assert_eq!(verdict(true, true, 9), Verdict::Failed);
    }
}
