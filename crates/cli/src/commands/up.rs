//! `vow up`: one machine, everything in one folder.

mod report;

use super::init::{absolute, hostname, paths_or_default};
use crate::app::Context;
use crate::backing::{self, Order, Run, exit_of, status_of};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::identity::{self, Identity};
use crate::layout::{self, NewPlan};
use crate::level;
use crate::proof::{Proof, Scratch, prove};
use crate::reporting;
use crate::signals;
use crate::ui::Task;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_agent::plan::Config;
use vow_base::vault::Retrieve;
use vow_store::archive::Archive;

/// Back up this machine and prove it: keys, vault, backup, and a restore test, in one go
///
/// The first time, everything is made in DIR. Then it backs up, restores a sample (or everything, when it is little) and compares
/// it with the live files byte for byte. Exit code 0 means: proven.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to back up, the first time [default: /etc and the home folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Where everything is kept [default: /var/lib/vow for root, ~/.local/share/vow for others]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One cycle, then exit; what this version does in any case
    #[arg(long)]
    once: bool,
    /// File with the identity to prove with [default: the recovery key in DIR, while it is there]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// One cycle.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let dir = match &args.dir {
        Some(dir) => absolute(dir)?,
        None => default_dir()?,
    };
    let file = layout::config_file(&dir);
    let first = !file.exists();
    if first {
        make(cx, &dir, &args.paths)?;
    }
    let config = Config::read(&file, "vow up")?;
    if !first {
        refuse_other_paths(&config, &args.paths)?;
    }
    let order = Order {
        sources: config.sources.iter().collect(),
        config: &config,
        dry_run: false,
        allow_empty: false,
        accept_server: false,
        run: crate::commands::backup::new_run()?,
        on_source: None,
    };
    let run = backing::run(cx.ui, &order)?;
    reporting::keep_runs(cx.ui, &config, reporting::of_run(&config, &run, 1));
    backing::print_human(cx.ui, &run);
    let proofs = match (exit_of(&run), identity_of(args, &dir)?) {
        (Exit::Signal(_), _) => Vec::new(),
        (_, Some(identity)) => prove_all(cx, &config, &run, &identity)?,
        (_, None) => Vec::new(),
    };
    let exit = exit(&run, &proofs);
    report::print(cx, &report::Report { config: &config, dir: &dir, run: &run, proofs: &proofs, exit });
    Ok(exit)
}

fn default_dir() -> Outcome<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/vow"));
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let share = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
    share.map(|share| share.join("vow")).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no place to keep everything: $HOME is not set")
            .hint("name one with --dir DIR")
    })
}

/// Makes the plan. What the folder holds besides the vault is of no use in a backup either.
fn make(cx: &Context, dir: &Path, paths: &[PathBuf]) -> Outcome<()> {
    let paths = paths_or_default(paths)?;
    let within = paths.iter().any(|path| path.starts_with(dir));
    let holds_dir = paths.iter().any(|path| dir.starts_with(path));
    let exclude = if holds_dir && !within { dir.to_str().map(escape_pattern) } else { None };
    let plan = NewPlan {
        dir: dir.to_owned(),
        tenant: "default".into(),
        host: hostname(),
        paths,
        exclude: exclude.into_iter().collect(),
        recipients: Vec::new(),
        readers: Vec::new(),
        local: true,
        join: None,
    };
    let made = layout::create(&plan)?;
    cx.ui.say(&format!("made {} with a vault and a recovery key beside it", made.config.display()));
    Ok(())
}

/// A path as an exclude pattern that fits only itself.
fn escape_pattern(path: &str) -> String {
    path.chars().fold(String::new(), |mut pattern, c| {
        if "*?[]{}\\!# ".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
        pattern
    })
}

/// Later runs do what vow.toml says; paths that it does not have would be forgotten in silence.
fn refuse_other_paths(config: &Config, given: &[PathBuf]) -> Outcome<()> {
    for path in given {
        let path = absolute(path)?;
        if !config.sources.iter().any(|source| source.capture.roots().contains(&path)) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} is not among the paths in {}", path.display(), config.file.display()),
            )
            .hint(format!("add it to a [[source]] in {}, and run `vow up` again", config.file.display())));
        }
    }
    Ok(())
}

fn identity_of(args: &Args, dir: &Path) -> Outcome<Option<Identity>> {
    if let Some(identity) = identity::given(args.identity.as_deref())? {
        return Ok(Some(identity));
    }
    let kit = layout::recovery_file(dir);
    if kit.exists() { identity::read_file(&kit).map(Some) } else { Ok(None) }
}

/// Proves each snapshot of the run from each level that has it.
fn prove_all(cx: &Context, config: &Config, run: &Run, identity: &Identity) -> Outcome<Vec<Proof>> {
    let _stop = signals::hold();
    let host = hostkeys::load_public(config)?;
    let scratch = Scratch::create(&config.state)?;
    let mut proofs = Vec::new();
    for source in &run.sources {
        let Some(id) = source.result.as_ref().ok().and_then(|report| report.snapshot) else { continue };
        for (level, _) in source.levels.iter().filter(|(_, outcome)| outcome.is_ok()) {
            let Some(vault) = readable(config, run, level, identity)? else { continue };
            let archive = Archive::new(vault, Some(identity.keys.clone()), vec![host]);
            let task = Task::new(cx.ui, &format!("proving {}", source.source));
            let find = archive.find(&id.to_string()).and_then(|info| archive.open(&info));
            let proof =
                find.map_err(Failure::from).and_then(|snapshot| prove(&snapshot, level, &scratch, &task));
            let _ = task.finish();
            proofs.push(
                proof.map_err(|failure| failure.during(format!("the backup in {level} was not proven")))?,
            );
        }
    }
    Ok(proofs)
}

/// A level to restore from; behind an address with the identity.
fn readable(
    config: &Config,
    run: &Run,
    level: &str,
    identity: &Identity,
) -> Outcome<Option<Arc<dyn Retrieve>>> {
    if let Some(vault) = run.levels.retrieve(level) {
        return Ok(Some(vault));
    }
    let plan = config.vaults.iter().find(|plan| plan.name == level);
    plan.map(|plan| level::open_to_read(plan, plan.fingerprint, Some(identity))).transpose()
}

/// Done means proven: every source captured whole, on every level, and every one of these copies compared.
fn exit(run: &Run, proofs: &[Proof]) -> Exit {
    let captured = exit_of(run);
    if !matches!(captured, Exit::Done | Exit::Partial) {
        return captured;
    }
    if proofs.iter().any(|proof| !proof.problems.is_empty()) {
        return Exit::Problems;
    }
    let proven = !proofs.is_empty() && proofs.iter().all(Proof::holds);
    if proven && status_of(run) == "ok" { Exit::Done } else { Exit::Partial }
}
