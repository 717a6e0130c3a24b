//! `vow drill`.

mod bare;
mod due;
mod history;
mod ledger;
mod report;
mod targets;
mod telling;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::identity::Identity;
use crate::reading::{Need, Place, ReadArgs, Reading};
use crate::ui::{Task, plural};
pub(crate) use report::Proven;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use targets::{Target, targets};
use vow_agent::drill::content::child;
use vow_agent::drill::content::inspector::{ChildInspector, Program, Unchecked};
use vow_agent::drill::files::Inspector;
use vow_agent::drill::proofs::{Asset, Proofs, ProofsError};
use vow_agent::drill::rotation::{Rotation, Sample};
use vow_agent::drill::sabotage;
use vow_agent::drill::scratch::{self, ScratchError};
use vow_agent::drill::source::{self, Drilled, Order};
use vow_agent::plan::{Config, SourcePlan};
use vow_base::amount::{BadAmount, Bytes};
use vow_base::id::hex;
use vow_protocol::proof::{FORMAT, ProofRecord, VERSION};
use vow_protocol::report::Verdict;
use vow_sources::adapter::Blame;
use vow_store::archive::SnapshotInfo;

/// Restore snapshots for a test, compare them with the truth, and keep the proof
///
/// Files are read back from the vault and hashed against the listing, and nothing is written. Databases are restored into a scratch
/// server, which reaches no network, and compared object by object, count by count, checksum by checksum. Without a name: the newest
/// snapshot of every source of the plan, from every level. Exit code 0 means: all of them proven.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to drill: a source (its newest snapshot), or a snapshot by its id, SOURCE@2026-11-20 or HOST/SOURCE@latest
    #[arg(value_name = "SOURCE|SNAPSHOT")]
    names: Vec<String>,
    /// Restore from this level only: its name in the plan
    #[arg(long, value_name = "NAME", conflicts_with = "vault")]
    level: Option<PathBuf>,
    /// Read a part of the files only, PERCENT or BYTES ("10%", "20GB"); one drill goes on where the last one ended
    #[arg(long, value_name = "SAMPLE")]
    sample: Option<Sample>,
    /// Drill what is due, the longest debt first, within the budget
    #[arg(long, conflicts_with_all = ["names", "sample"])]
    due: bool,
    /// Minutes that drills may take, with --due [default: 120]
    #[arg(long, value_name = "M", requires = "due")]
    budget_minutes: Option<u64>,
    /// Bytes that drills may read, with --due: "200GB" [default: no limit]
    #[arg(long, value_name = "BYTES", requires = "due", value_parser = bytes)]
    budget_bytes: Option<u64>,
    /// The disaster: with nothing but the vault given by --vault and the identity, and print the commands that a person would repeat
    #[arg(long, requires = "vault", requires = "identity", conflicts_with_all = ["due", "level", "sabotage"])]
    bare: bool,
    /// Test the drill as well: show it damaged copies of what it has proven, each of which it must fail for the right reason
    #[arg(long)]
    sabotage: bool,
    /// Drill nothing: list what was drilled here, with the times to restore; of these sources and this level, when they are named
    #[arg(long, conflicts_with_all = ["due", "bare", "sabotage", "sample", "vault"])]
    history: bool,
    /// Folder in which a scratch server may be made [default: $TMPDIR or /var/tmp]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Folder of the drill's key and proofs [default: in the state folder of the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Reading threads [default: one per processor]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    #[command(flatten)]
    read: ReadArgs,
}

/// Drills.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    if args.bare {
        return bare::run(cx, args);
    }
    if args.history {
        return history::run(cx, args);
    }
    let read = ReadArgs { vault: args.read.vault.clone().or(args.level.clone()), ..args.read.clone() };
    let reading = Reading::open(cx, &read, Need::Identity)?;
    let mut drills =
        Drills::open(cx, reading.config.as_ref(), args.state.as_deref(), args.scratch.as_deref())?;
    let targets = targets(cx, &reading, &args.names)?;
    if args.due {
        // What nobody can open any more is a finding of the night.
        let done = due::run(cx, args, &reading, &mut drills, &targets);
        telling::send(cx, &reading);
        return done;
    }
    refuse_other_identity(&reading, &targets)?;
    let sample = args.sample.unwrap_or(Sample::Everything);
    let depth = Depth { sample, sabotage: args.sabotage, threads: args.threads };
    let proofs = drills.all(&reading, &targets, &depth);
    telling::send(cx, &reading);
    let proofs = proofs?;
    report::refuse_wrong_identity(&proofs)?;
    let exit = report::exit_of(&proofs);
    cx.ui.json(&report::summary(&proofs, exit));
    Ok(exit)
}

/// Drills the newest snapshots of these sources of a plan, from every level of it that can be read; keeps the proofs, and their reports
/// for the console, and prints nothing. Of files a part is enough when a sample is given.
///
/// For `vow up`, which has its plan and identity already.
///
/// # Errors
/// There is no such snapshot, no level can be read, the identity opens none of them, or proofs cannot be kept. What a drill finds is a
/// result.
pub(crate) fn of_plan(
    cx: &Context,
    config: Config,
    identity: Identity,
    sources: &[String],
    sample: Sample,
) -> Outcome<Vec<Proven>> {
    let reading = Reading::of_plan(cx, config, identity)?;
    let mut drills = Drills::open(cx, reading.config.as_ref(), None, None)?;
    let targets = targets(cx, &reading, sources)?;
    let depth = Depth { sample, sabotage: false, threads: 0 };
    let proofs = targets.iter().map(|target| drills.one(&reading, target, &depth));
    let proofs = proofs.collect::<Outcome<Vec<_>>>()?;
    report::refuse_wrong_identity(&proofs)?;
    Ok(proofs)
}

/// A person who gives the wrong key has learned nothing about the snapshots, and no proof says otherwise.
fn refuse_other_identity(reading: &Reading, targets: &[Target<'_>]) -> Outcome<()> {
    let found: Vec<_> = targets.iter().filter_map(|target| target.found.as_ref().ok()).collect();
    let Some(identity) = reading.identity.as_ref().filter(|identity| identity.keys.are_all_known()) else {
        return Ok(());
    };
    let own = identity.keys.fingerprints();
    let is_for_others = |found: &&(&Place, SnapshotInfo)| source::recipient(&found.1, own).is_empty();
    if found.is_empty() || !found.iter().all(is_for_others) {
        return Ok(());
    }
    Err(Failure::wrong_identity().during(match found.len() {
        1 => "nothing was drilled: the snapshot is sealed to other recipients".to_owned(),
        count => {
            format!("nothing was drilled: all of these {count} snapshots are sealed to other recipients")
        }
    }))
}

fn bytes(text: &str) -> Result<u64, BadAmount> {
    text.parse().map(|Bytes(bytes)| bytes)
}

/// How a drill is done.
pub(crate) struct Depth {
    /// How much of the files is read.
    pub(crate) sample: Sample,
    /// The drill is tested as well.
    pub(crate) sabotage: bool,
    /// Threads; 0 for one per processor.
    pub(crate) threads: usize,
}

/// What all drills of one command share.
pub(crate) struct Drills<'c> {
    cx: &'c Context,
    /// The drill's own folder.
    state: PathBuf,
    /// Where scratch servers may be.
    scratch: PathBuf,
    /// What was proven here before.
    pub(crate) proofs: Proofs,
}

impl<'c> Drills<'c> {
    /// Opens the folder of proofs, and removes what drills that were killed have left.
    pub(crate) fn open(
        cx: &'c Context,
        config: Option<&Config>,
        state: Option<&Path>,
        scratch: Option<&Path>,
    ) -> Outcome<Self> {
        let state = state_folder(config, state)?;
        let scratch = match scratch {
            Some(folder) => std::path::absolute(folder).map_err(|e| Failure::io("find", folder, e))?,
            None => variable("TMPDIR").unwrap_or_else(|| PathBuf::from("/var/tmp")),
        };
        for left in scratch::clean(&scratch, Some(&state))? {
            cx.ui.note(&format!("removed what a drill that was killed had left: {left}"));
        }
        let proofs = Proofs::open(&state)?;
        for (path, why) in &proofs.refused {
            cx.ui.warn(&format!("the proof {} is not believed: {why}", path.display()));
        }
        Ok(Self { cx, state, scratch, proofs })
    }

    /// All of these, said as they end.
    fn all(&mut self, reading: &Reading, targets: &[Target<'_>], depth: &Depth) -> Outcome<Vec<Proven>> {
        let mut proofs = Vec::new();
        for target in targets {
            let proven = self.one(reading, target, depth)?;
            report::print(self.cx, &proven);
            proofs.push(proven);
        }
        Ok(proofs)
    }

    /// One snapshot from one level. Only what ends the whole command is an error.
    pub(crate) fn one(&mut self, reading: &Reading, target: &Target<'_>, depth: &Depth) -> Outcome<Proven> {
        let (place, info) = match &target.found {
            Ok(found) => found,
            Err(why) => {
                let proven = Proven::without(target, why, reading.config.as_ref());
                telling::keep(self.cx, reading, None, &proven.drilled.report);
                return Ok(proven);
            }
        };
        let asset: Asset = (hex(&info.manifest.host_key), info.manifest.source.clone(), place.name.clone());
        let from =
            self.proofs.of(&asset).next_back().and_then(|last| u64::from_str_radix(&last.next, 16).ok());
        let rotation = match depth.sample {
            Sample::Everything => Rotation::everything(),
            some => {
                let bytes = info.manifest.counts.bytes;
                Rotation::new(self.proofs.rotation_key(), from.unwrap_or_default(), some, bytes)
            }
        };
        let plan = reading.config.as_ref().and_then(|config| planned(config, info));
        let unchecked = Arc::new(Unchecked::default());
        let program = inspect_program()?;
        let site_program = Program { argument: "__site", ..program.clone() };
        let inspectors =
            || Box::new(ChildInspector::new(program.clone(), unchecked.clone())) as Box<dyn Inspector>;
        let known = self.proofs.newest_sequence(&asset.0, &asset.1).max(target.newest_known);
        let task = Task::new(self.cx.ui, &format!("drilling {} from {}", target.source, place.name));
        let opened = place.archive.open(info).map_err(source::DrillError::from);
        let drilled = opened.and_then(|snapshot| {
            let order = Order {
                snapshot: &snapshot,
                level: &place.name,
                recipient: reading
                    .identity
                    .as_ref()
                    .map(|identity| source::recipient(info, identity.keys.fingerprints()))
                    .unwrap_or_default(),
                rotation: &rotation,
                threads: depth.threads,
                scratch: (&self.scratch, &self.state),
                inspectors: Some(&inspectors),
                tamper: None,
                newest_known: known.filter(|_| target.is_newest),
                restore_target_secs: plan.and_then(|plan| plan.drill.restore_target_secs),
                expect: plan.map_or(&[], |plan| &plan.drill.expect),
                questions: plan.map_or(&[], |plan| &plan.drill.questions),
                site: plan.and_then(|plan| plan.drill.site.as_ref()).map(|site| (site, &site_program)),
                capture: plan
                    .filter(|plan| plan.kind == info.manifest.source_type)
                    .map(|plan| plan.capture.as_ref()),
            };
            let mut drilled = source::drill(&order, &task.monitor)?;
            let mut tried = Vec::new();
            if depth.sabotage && drilled.report.verdict == Verdict::Proven {
                let order = sabotage::Order {
                    archive: &place.archive,
                    snapshot: &snapshot,
                    rotation_key: self.proofs.rotation_key(),
                    scratch: (&self.scratch, &self.state),
                    threads: depth.threads,
                };
                tried = sabotage::sabotage(&order, &task.monitor)?;
                drilled.tested(&tried);
            }
            Ok((drilled, tried))
        });
        let interrupted = task.monitor.is_cancelled();
        let _ = task.finish();
        if interrupted {
            return Err(Failure::interrupted());
        }
        let mut wrong_identity = false;
        let (mut drilled, tried) = match drilled {
            Ok(drilled) => drilled,
            Err(error) => {
                wrong_identity = error.blame() == Blame::Identity;
                let text = format!("it cannot be restored from here: {error}");
                let drilled = match error.blame() {
                    Blame::Machine | Blame::Gone => Drilled::blocked(info, &place.name, text),
                    Blame::Snapshot | Blame::Identity => Drilled::failed(info, &place.name, text),
                };
                (drilled, Vec::new())
            }
        };
        if depth.sabotage && tried.is_empty() {
            drilled.notes.push("it was not shown any damage: only what is proven is".into());
        }
        drilled.report.restore_target_secs = plan.and_then(|plan| plan.drill.restore_target_secs);
        drilled.report.drill_within_secs = plan.and_then(|plan| plan.drill.within_secs);
        let unchecked = unchecked.files.load(Ordering::Relaxed);
        if unchecked > 0 {
            let files = plural(unchecked, "file");
            drilled.notes.push(format!(
                "{files} could not be looked at by their type: too large, or too much for the parser"
            ));
        }
        let mut proven = Proven { wrong_identity, tried, ..Proven::of(target, info, drilled) };
        self.keep(reading, info, &rotation, &mut proven)?;
        Ok(proven)
    }

    /// Signs and keeps it; in the ledger of a vault on this machine as well.
    fn keep(
        &mut self,
        reading: &Reading,
        info: &SnapshotInfo,
        rotation: &Rotation,
        proven: &mut Proven,
    ) -> Outcome<()> {
        let drilled = &proven.drilled;
        // A sample that came to no end is taken again.
        let whole_arc =
            matches!(drilled.report.verdict, Verdict::Proven | Verdict::Failed) && !proven.wrong_identity;
        let next = if whole_arc { rotation.next() } else { rotation.begin() };
        let record = ProofRecord {
            format: FORMAT.to_owned(),
            version: VERSION,
            drill_key: String::new(),
            tenant: info.manifest.tenant.clone(),
            host: info.manifest.host.clone(),
            host_key: hex(&info.manifest.host_key),
            sequence: info.manifest.sequence,
            report: drilled.report.clone(),
            share: drilled.share,
            next: format!("{next:016x}"),
            whole_restore_secs: drilled.whole_restore_secs,
            screenshots: drilled.screenshots.clone(),
            sabotaged: proven.tried.iter().map(|one| one.name.to_owned()).collect(),
            software: concat!("vow ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let stored = self.proofs.add(&record)?;
        telling::keep(self.cx, reading, Some(info), &drilled.report);
        if drilled.report.verdict == Verdict::Proven && drilled.share >= 1.0 {
            let note = ledger::enter(reading, info, &drilled.report, self.proofs.key(), &stored);
            proven.ledger = note;
        }
        Ok(())
    }
}

/// What the plan says of the source of a snapshot of its own host.
fn planned<'c>(config: &'c Config, info: &SnapshotInfo) -> Option<&'c SourcePlan> {
    let own = hostkeys::load_public(config).is_ok_and(|key| key == info.manifest.public_key());
    config.sources.iter().find(|source| own && source.name == info.manifest.source)
}

/// This program as the limited child.
fn inspect_program() -> Outcome<Program> {
    let path = std::env::current_exe().map_err(|e| Failure::io("find", Path::new("/proc/self/exe"), e))?;
    Ok(Program { path, argument: "__inspect" })
}

/// The limited child itself.
pub(crate) fn inspect() -> Outcome<Exit> {
    child::run().map_err(|error| Failure::failed("the child of a drill stops").because(&error))?;
    Ok(Exit::Done)
}

/// The inside of looking at a site.
pub(crate) fn site() -> Outcome<Exit> {
    vow_agent::drill::site::inner::run()
        .map_err(|error| Failure::failed("the site cannot be served").because(&error))?;
    Ok(Exit::Done)
}

/// The drill's own folder.
fn state_folder(config: Option<&Config>, named: Option<&Path>) -> Outcome<PathBuf> {
    match (named, config) {
        (Some(state), _) => std::path::absolute(state).map_err(|e| Failure::io("find", state, e)),
        (None, Some(config)) => Ok(config.state.join("drill")),
        (None, None) => default_state(),
    }
}

/// Without a plan: where programs of this account keep what they remember.
fn default_state() -> Outcome<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/vow/drill"));
    }
    let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("vow/drill")).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no place for proofs: $HOME is not set")
            .hint("name one with --state DIR")
    })
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl From<ScratchError> for Failure {
    fn from(error: ScratchError) -> Self {
        Self::failed("the scratch place of drills cannot be used")
            .because(&error)
            .hint("name another one with --scratch DIR, or remove by hand what a killed drill has left")
    }
}

impl From<ProofsError> for Failure {
    fn from(error: ProofsError) -> Self {
        Self::failed("proofs cannot be kept").because(&error).hint("name another folder with --state DIR")
    }
}
