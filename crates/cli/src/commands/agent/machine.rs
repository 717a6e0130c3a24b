//! What the plan says to the agent, and how its runs are made.

use super::secs;
use crate::failure::{Failure, Outcome};
use crate::reporting::{delay_secs, keep, keep_runs, last_run, of_lost};
use crate::ui::Ui;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use vow_agent::daemon::{Exited, Machine, Orders};
use vow_agent::plan::{Config, Due, Ionice, SourcePlan};
use vow_agent::reporting::now_secs;
use vow_agent::schedule::{Calendar, Job, Plan, Start, What, spread};
use vow_base::id::hex;
use vow_base::sign::random_run_id;
use vow_protocol::report::{Body, Expected};
use vow_sources::coherence;

/// The job that looks the host over.
const AUDIT: &str = "audit";
/// The job that restores for a test.
const DRILL: &str = "drill";
/// When the host is looked over, unless the plan says otherwise: in the quiet of the night, each host at another time.
const AUDIT_SCHEDULE: &str = "10 4 * * *";
/// Audits and drills of different hosts are spread over this.
const SPREAD_SECS: u32 = 3600;

/// This program, as the agent uses it.
pub(super) struct HostMachine {
    ui: Ui,
    file: PathBuf,
    origin: &'static str,
    program: PathBuf,
    /// The plan that was usable last.
    last: Mutex<Option<Config>>,
    /// Ids of the runs under way, by job.
    runs: Mutex<BTreeMap<String, String>>,
}

impl HostMachine {
    pub(super) fn new(ui: Ui, file: &Path, origin: &'static str) -> Outcome<Self> {
        let program = std::env::current_exe();
        let program =
            program.map_err(|e| Failure::failed("this program does not find itself").because(&e))?;
        let (last, runs) = (Mutex::new(Config::read(file, origin).ok()), Mutex::default());
        Ok(Self { ui, file: file.to_owned(), origin, program, last, runs })
    }

    /// A way of reading the plan.
    pub(super) fn loader(&self) -> impl Fn() -> Outcome<Config> + Send + Sync + 'static {
        let (file, origin) = (self.file.clone(), self.origin);
        move || Ok(Config::read(&file, origin)?)
    }

    /// Does something with the plan that was usable last.
    fn with_plan<T>(&self, act: impl FnOnce(&Config) -> T) -> Option<T> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(act)
    }

    /// Programs that make a run stand back for others; each becomes the next one, so that signals reach the run itself.
    fn standing_back(&self) -> Vec<String> {
        let wanted = self.with_plan(|config| (config.agent.nice, config.agent.ionice));
        let (nice, ionice) = wanted.unwrap_or((0, Ionice::None));
        let mut words = Vec::new();
        if nice > 0 && is_there("nice") {
            words.extend(["nice".to_owned(), "-n".to_owned(), nice.to_string()]);
        }
        let class: &[&str] = match ionice {
            Ionice::None => &[],
            Ionice::BestEffort => &["-c", "2", "-n", "7"],
            Ionice::Idle => &["-c", "3"],
        };
        if !class.is_empty() && is_there("ionice") {
            words.push("ionice".to_owned());
            // Where it is not allowed or not known the run goes on without.
            words.push("-t".to_owned());
            words.extend(class.iter().map(|word| (*word).to_owned()));
        }
        words
    }
}

impl Machine for HostMachine {
    fn orders(&self) -> Result<Orders, String> {
        let config = Config::read(&self.file, self.origin).map_err(|error| Failure::from(error).line())?;
        let orders = orders(&config);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(config);
        Ok(orders)
    }

    fn command(&self, start: &Start, what: What) -> Command {
        let words = self.standing_back();
        let mut command = match words.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.arg("--config").arg(&self.file).args(["--json", "--quiet"]);
        match what {
            What::Backup => {
                let run = hex(&random_run_id().unwrap_or_default());
                command.args([
                    "backup",
                    "--run-id",
                    &run,
                    "--attempt",
                    &start.attempt.to_string(),
                    "--",
                    &start.key,
                ]);
                self.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(start.key.clone(), run);
            }
            What::Drill => drop(command.args(self.with_plan(drill_words).unwrap_or_default())),
            What::Audit => drop(command.arg("audit")),
        }
        // What a run needs to be told it is told above; the service manager speaks with the agent alone.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        command
    }

    fn ended(&self, start: &Start, what: What, exited: &Exited) {
        let run = self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&start.key);
        let (What::Backup, Some(run)) = (what, run) else { return };
        self.with_plan(|config| {
            let first: Vec<_> = config.sources.iter().filter(|plan| plan.name == start.key).collect();
            let spoke =
                |plan: &SourcePlan| last_run(&config.state, &plan.name).is_some_and(|last| last.run == run);
            let silent: Vec<_> = config.gathered(&first).into_iter().filter(|plan| !spoke(plan)).collect();
            if silent.is_empty() {
                return;
            }
            let why = format!("the run ended without a word of its own: {}", exited.reason());
            let report =
                |plan: &&SourcePlan| of_lost(config, plan, &run, start.attempt, exited.began_secs, &why);
            keep_runs(self.ui, config, silent.iter().map(report).collect());
            // Programs that it has made stand still must not wait for the next one.
            settle(config.state.clone());
        });
    }

    fn keep(&self, body: Body) {
        self.with_plan(|config| keep(self.ui, config, body));
    }
}

/// Closes what a run that was killed has left open, beside everything else: a hook may take its time.
pub(super) fn settle(state: PathBuf) {
    let close = move || {
        for left in coherence::settle(&coherence::folder(&state)) {
            let group = left.group;
            tracing::warn!(
                group,
                "a run that was killed had left hooks or snapshots open; they are closed now"
            );
            left.heard.iter().for_each(|heard| tracing::warn!(group, "{}", heard.line()));
            left.removed.iter().for_each(|name| tracing::warn!(group, "removed the snapshot {name}"));
            left.problems.iter().for_each(|text| tracing::error!(group, "{text}"));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("settle".into()).spawn(close) {
        tracing::error!("what a killed run may have left open waits for the next run: {error}");
    }
}

/// What a plan says to the agent.
pub(super) fn orders(config: &Config) -> Orders {
    // One of a group brings the others with it.
    let leads = |source: &&SourcePlan| config.leader_of(&source.name) == source.name;
    let mut jobs: Vec<_> = config.sources.iter().filter(leads).map(|source| backup(config, source)).collect();
    let looks = config.console.is_some().then(|| Due::At(AUDIT_SCHEDULE.into()));
    for (key, what, due) in [
        (AUDIT, What::Audit, config.agent.audit.clone().or(looks)),
        (DRILL, What::Drill, config.agent.drill.clone()),
    ] {
        if let Some(Due::At(schedule)) = due {
            // A source may have any name; none has a blank.
            jobs.push(chore(config, &format!("{key} of the host"), what, &schedule));
        }
    }
    Orders {
        plan: Plan { jobs, parallel: config.agent.parallel },
        hash: hex(&config.hash),
        expected: config.sources.iter().map(|source| expected(config, source)).collect(),
        stop_within: config.agent.stop_within,
        alive_every: config.agent.alive_every,
    }
}

fn backup(config: &Config, source: &SourcePlan) -> Job {
    let timing = config.timings.get(&source.name).cloned().unwrap_or_default();
    let delay_secs = delay_secs(config, &source.name, &timing);
    Job {
        key: source.name.clone(),
        what: What::Backup,
        calendar: timing.calendar,
        window: timing.window,
        delay_secs,
        retries: timing.retries,
        catch_up_secs: timing.catch_up.map(secs),
    }
}

fn chore(config: &Config, key: &str, what: What, schedule: &str) -> Job {
    Job {
        key: key.to_owned(),
        what,
        // It was checked when the plan was read.
        calendar: Calendar::new(schedule, config.agent.time_zone.as_deref()).ok(),
        window: None,
        delay_secs: spread(&format!("{}/{}", config.tenant, config.host), key, SPREAD_SECS),
        retries: 2,
        catch_up_secs: None,
    }
}

fn expected(config: &Config, source: &SourcePlan) -> Expected {
    let timing = config.timings.get(&source.name);
    let calendar = timing.and_then(|timing| timing.calendar.as_ref());
    Expected {
        source: source.name.clone(),
        source_type: source.kind.clone(),
        schedule: calendar.map(|calendar| calendar.text().to_owned()),
        time_zone: calendar.and_then(|calendar| calendar.zone_name()).map(str::to_owned),
        next_secs: crate::reporting::next_secs(config, &source.name, now_secs()),
        levels: config.vaults.iter().map(|vault| vault.name.clone()).collect(),
        restore_target_secs: source.drill.restore_target_secs,
        drill_within_secs: source.drill.within_secs,
    }
}

/// What owes a proof is drilled, the longest debt first, within the budget of the plan.
fn drill_words(config: &Config) -> Vec<String> {
    let mut words = vec!["drill".to_owned(), "--due".to_owned()];
    if let Some(minutes) = config.agent.drill_minutes {
        words.extend(["--budget-minutes".to_owned(), minutes.to_string()]);
    }
    if let Some(bytes) = config.agent.drill_bytes {
        words.extend(["--budget-bytes".to_owned(), bytes.to_string()]);
    }
    words
}

/// Whether a program is where programs are looked for.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
