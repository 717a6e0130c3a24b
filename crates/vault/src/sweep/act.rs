//! Carrying out what was decided. Each step: take the lock, read what was appended since, decide again with it, append at the next
//! position; when that is taken, once more.

use super::look::is_over;
use super::report::{HostSwept, Stopped, SweepReport, Tally};
use super::{Seen, known, seen};
use crate::remembered::Remembered;
use crate::state::{Object, State};
use crate::storage::Stat;
use crate::vault::{Inner, Vault};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use vow_base::clock::Nanos;
use vow_base::detail::{Detail, OBJECTS_MAX};
use vow_base::receipt::Event;
use vow_base::vault::{Kind, VaultError};
use vow_base::{HostId, ObjectId};

/// Snapshots that expire with one entry.
const EXPIRED_AT_ONCE: usize = 5_000;
/// Objects that are deleted with one entry: commits wait as long as this takes.
const DELETED_AT_ONCE: usize = 1_000;
/// Unfinished writes older than this are nobody's any more.
const LEFTOVER: Duration = Duration::from_secs(24 * 3600);

/// A sweep that acts.
pub(super) struct Act<'s> {
    pub(super) vault: &'s Vault,
    pub(super) now: Nanos,
    pub(super) progress: &'s dyn Fn(u64) -> ControlFlow<()>,
}

/// What a step came to.
enum Step {
    Done,
    /// Somebody else appended first.
    Again,
}

impl Act<'_> {
    pub(super) fn run(&self, looks: Vec<Seen>, report: &mut SweepReport) -> Result<(), VaultError> {
        // What was to be done is in the report; what is done is counted anew.
        for swept in &mut report.hosts {
            (swept.expired, swept.condemned, swept.deleted) = (0, Tally::default(), Tally::default());
        }
        report.resumed = self.resume_checked(&looks)?;
        let mut hosts = std::mem::take(&mut report.hosts);
        for (mut seen, swept) in looks.into_iter().zip(&mut hosts) {
            if let Some(why) = self.host(&mut seen, swept)? {
                report.stopped = Some(why);
                break;
            }
        }
        report.hosts = hosts;
        if report.stopped.is_none() {
            report.leftovers = self.inner().storage.clear_unfinished(LEFTOVER)?;
            report.stopped = self.record_pass(report)?;
        }
        Ok(())
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.vault.inner
    }

    fn host(&self, seen: &mut Seen, swept: &mut HostSwept) -> Result<Option<Stopped>, VaultError> {
        for part in [Self::expire, Self::condemn, Self::delete] {
            if let Some(why) = part(self, seen, swept)? {
                return Ok(Some(why));
            }
            if (self.progress)(0).is_break() {
                return Ok(Some(Stopped::Asked));
            }
        }
        Ok(None)
    }

    /// Repeats a step under the lock until nobody else appended in between.
    fn until_done(
        &self,
        mut step: impl FnMut(&State) -> Result<Step, VaultError>,
    ) -> Result<Option<Stopped>, VaultError> {
        loop {
            let _lock = self.inner().lock(self.vault.lock_wait)?;
            let state = self.vault.state()?;
            if let Some(doubt) = state.doubt_at(self.inner().clock.now()) {
                return Ok(Some(Stopped::Clock(doubt)));
            }
            if let Step::Done = step(&state)? {
                return Ok(None);
            }
        }
    }

    /// Snapshots expire that the plan at the beginning and the plan now let go.
    fn expire(&self, seen: &mut Seen, swept: &mut HostSwept) -> Result<Option<Stopped>, VaultError> {
        let mut due: Vec<ObjectId> = seen.expiring.drain().collect();
        due.sort_unstable();
        for part in due.chunks(EXPIRED_AT_ONCE) {
            let stopped = self.until_done(|state| {
                seen.look.read_manifests(self.inner(), state)?;
                let plan = seen.look.plan(state, &known::versions(state)?, self.now);
                let mut text = String::new();
                let mut manifests = Vec::new();
                for decision in plan.decisions.iter().filter(|decision| !decision.is_kept()) {
                    let id = decision.snapshot.manifest;
                    if let Some(info) = seen.look.info(&id).filter(|_| part.binary_search(&id).is_ok()) {
                        let why: Vec<_> = decision.expire.iter().map(ToString::to_string).collect();
                        text.push_str(&Remembered::line(info, &id, &why.join("; ")));
                        manifests.push((Kind::Manifest, id));
                    }
                }
                let note = "retention no longer keeps these";
                let detail = Detail::new(note).about(&manifests).with_text(text);
                let step = self.append(state, Event::Expired, seen.look.host, &detail, manifests.len())?;
                if let Step::Done = step {
                    swept.expired += manifests.len() as u64;
                }
                Ok(step)
            })?;
            if stopped.is_some() {
                return Ok(stopped);
            }
        }
        Ok(None)
    }

    /// Objects are condemned that nothing names, whatever was committed since they were listed.
    fn condemn(&self, seen: &mut Seen, swept: &mut HostSwept) -> Result<Option<Stopped>, VaultError> {
        let due = std::mem::take(&mut seen.condemn);
        for part in due.chunks(OBJECTS_MAX) {
            let stopped = self.until_done(|state| {
                self.catch_up(seen, state)?;
                let known = state.of_host(&seen.look.host);
                let free = |object: &Object| known.accepts(object) && !seen.look.is_named(object);
                let now: Vec<_> = part.iter().filter(|(object, _)| free(object)).copied().collect();
                let objects: Vec<Object> = now.iter().map(|(object, _)| *object).collect();
                let detail = Detail::new("nothing kept names these").about(&objects);
                let step = self.append(state, Event::Condemned, seen.look.host, &detail, objects.len())?;
                if let Step::Done = step {
                    swept.condemned.add(Tally::of(now.iter().map(|(_, length)| *length)));
                }
                Ok(step)
            })?;
            if stopped.is_some() {
                return Ok(stopped);
            }
        }
        Ok(None)
    }

    /// Objects are deleted that are still condemned, since the same entry, and that still nothing names.
    fn delete(&self, seen: &mut Seen, swept: &mut HostSwept) -> Result<Option<Stopped>, VaultError> {
        let due = std::mem::take(&mut seen.delete);
        for part in due.chunks(DELETED_AT_ONCE) {
            let stopped = self.until_done(|state| {
                self.catch_up(seen, state)?;
                let known = state.of_host(&seen.look.host);
                // Revived and condemned again meanwhile, it has to wait anew.
                let over = |object: &Object| {
                    let condemned = known.condemned.get(object);
                    condemned.is_some_and(|condemned| is_over(state, condemned, seen.grace, self.now))
                        && !seen.look.is_named(object)
                };
                let now: Vec<_> = part.iter().filter(|(object, _)| over(object)).cloned().collect();
                if now.is_empty() {
                    return Ok(Step::Done);
                }
                let (detail, now) = announcement(now);
                let host = seen.look.host;
                let event = Event::Deleting;
                let Some(entry) = self.inner().append_event(state.position, event, Some(host), &detail)?
                else {
                    return Ok(Step::Again);
                };
                let locked = self.finish(host, entry.manifest, &now)?;
                swept.locked += locked.objects;
                let all = Tally::of(now.iter().map(|(_, stat)| stat.as_ref().map_or(0, |stat| stat.length)));
                swept.deleted.add(all.less(locked));
                Ok(Step::Done)
            })?;
            if stopped.is_some() {
                return Ok(stopped);
            }
        }
        Ok(None)
    }

    /// Marks what was committed since the host was looked at. Marks only grow, so what was decided before can only shrink.
    fn catch_up(&self, seen: &mut Seen, state: &State) -> Result<(), VaultError> {
        seen.look.mark(self.inner(), state, &std::collections::HashSet::new())
    }

    /// Appends an entry about so many things; about nothing, none.
    fn append(
        &self,
        state: &State,
        event: Event,
        host: HostId,
        detail: &Detail,
        count: usize,
    ) -> Result<Step, VaultError> {
        if count == 0 {
            return Ok(Step::Done);
        }
        let entry = self.inner().append_event(state.position, event, Some(host), detail)?;
        Ok(if entry.is_some() { Step::Done } else { Step::Again })
    }

    /// Removes the objects of an announced deletion and says that they are gone; those that the store does not let go yet.
    ///
    /// The caller holds the lock from before the announcement, or from before it read that it is not finished.
    fn finish(
        &self,
        host: HostId,
        deletion: ObjectId,
        objects: &[(Object, Option<Stat>)],
    ) -> Result<Tally, VaultError> {
        let mut locked = Tally::default();
        for ((kind, id), stat) in objects {
            let Some(stat) = stat else { continue };
            let name = crate::tree::object(&host, *kind, id);
            match self.inner().storage.remove(&name, stat) {
                // The store keeps it a while longer than the vault needs it. It is whole, and lives until it is condemned anew.
                Err(error) if error.source.kind() == ErrorKind::PermissionDenied => {
                    locked.add(Tally { objects: 1, bytes: stat.length });
                }
                other => other?,
            }
        }
        loop {
            let state = self.vault.state()?;
            if !state.deleting.contains_key(&deletion) {
                return Ok(locked);
            }
            let event = Event::Deleted;
            let entry = self.inner().append_bare(state.position, event, Some(host), Some(deletion))?;
            if entry.is_some() {
                return Ok(locked);
            }
        }
    }

    /// Finishes every deletion that is not finished; none of its objects may be named by what is kept.
    fn resume_checked(&self, looks: &[Seen]) -> Result<u64, VaultError> {
        for deletion in self.vault.state()?.deleting.values() {
            let Some(seen) = looks.iter().find(|seen| seen.look.host == deletion.host) else { continue };
            if let Some(((kind, id), _)) =
                deletion.objects.iter().find(|(object, _)| seen.look.is_named(object))
            {
                return Err(VaultError::Refused(format!(
                    "{kind} {id} of host {} is being deleted and a kept snapshot names it: this must not be; nothing was removed",
                    deletion.host.short()
                )));
            }
        }
        self.resume()
    }

    /// Finishes every deletion that is not finished.
    pub(super) fn resume(&self) -> Result<u64, VaultError> {
        let mut resumed = 0;
        self.until_done(|state| {
            for (id, deletion) in &state.deleting {
                self.finish(deletion.host, *id, &deletion.objects)?;
                resumed += deletion.objects.len() as u64;
            }
            Ok(Step::Done)
        })?;
        Ok(resumed)
    }

    /// Everything was looked at: the entry that says so lets the next pass delete what this one condemned, and keeps the clock out of doubt.
    fn record_pass(&self, report: &SweepReport) -> Result<Option<Stopped>, VaultError> {
        let detail = Detail::new("a sweep looked at everything").with_text(report.summary());
        self.until_done(|state| {
            let entry = self.inner().append_event(state.position, Event::Pass, None, &detail)?;
            Ok(if entry.is_some() { Step::Done } else { Step::Again })
        })
    }
}

/// The detail that announces a deletion, and its objects in the order in which it names them.
fn announcement(objects: Vec<(Object, Option<Stat>)>) -> (Detail, Vec<(Object, Option<Stat>)>) {
    let ids: Vec<Object> = objects.iter().map(|(object, _)| *object).collect();
    let detail = Detail::new("condemned for the whole grace; these are being removed").about(&ids);
    let stats: std::collections::HashMap<Object, Option<Stat>> = objects.into_iter().collect();
    let named = detail.objects().into_iter().map(|object| (object, stats.get(&object).cloned().flatten()));
    let named: Vec<_> = named.collect();
    let text = seen::text(named.iter().map(|(_, stat)| stat.as_ref()));
    (detail.with_text(text), named)
}
