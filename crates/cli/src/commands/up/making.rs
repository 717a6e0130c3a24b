//! The first time: what is on the machine is looked at, and a plan with keys, a vault and a console is made.

use super::Args;
use super::choose::{Choice, Facts, choose};
use super::plan;
use crate::app::Context;
use crate::commands::init::{absolute, hostname, paths_or_default};
use crate::commands::vault::join::read_token;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::layout::{self, Made, NewPlan};
use crate::looking::Look;
use crate::ui::{Ui, plain, plural};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_agent::audit::Sizer;
use vow_agent::plan::check_name;

/// Counting what might not fit may take this long, and one folder of it this long.
const COUNTING: Duration = Duration::from_secs(20);
const COUNTING_ONE: Duration = Duration::from_secs(10);
/// Lines shown of what is not captured.
const SHOWN: usize = 10;

/// Makes the plan.
pub(super) fn make(cx: &Context, dir: &Path, args: &Args) -> Outcome<Made> {
    let usage = |why: String| Failure::new(Exit::Usage, why);
    check_name("tenant", &args.tenant).map_err(usage)?;
    let host = match &args.name {
        Some(name) => check_name("host", name).map(|()| name.clone()).map_err(usage)?,
        None => hostname(),
    };
    let join = args.join.as_deref().map(read_token).transpose()?;
    let local = join.is_none();
    let mut new = NewPlan {
        dir: dir.to_owned(),
        tenant: args.tenant.clone(),
        host,
        paths: Vec::new(),
        exclude: Vec::new(),
        recipients: Vec::new(),
        readers: Vec::new(),
        local,
        join: join.map(|token| ("remote".to_owned(), token)),
        sources: None,
        console: args.console.is_none() && local,
    };
    if args.paths.is_empty() {
        let choice = looked(cx, dir, local)?;
        if choice.is_empty() {
            return Err(nothing(cx.ui, &choice));
        }
        new.paths = choice.paths.iter().map(|(path, _)| path.clone()).collect();
        new.exclude = exclude(dir, &new.paths);
        new.sources = Some(plan::of_choice(&choice, &new.exclude));
        let made = create(cx, &new)?;
        say(cx.ui, &choice, &made);
        return Ok(made);
    }
    new.paths = paths_or_default(&args.paths)?;
    new.exclude = exclude(dir, &new.paths);
    let texts: Option<Vec<_>> = new.paths.iter().map(|path| path.to_str()).collect();
    // What is no text is refused where everything is made, with a reason.
    new.sources = texts.map(|texts| plan::of_paths(&texts, &new.exclude));
    create(cx, &new)
}

fn create(cx: &Context, new: &NewPlan) -> Outcome<Made> {
    let made = layout::create(new)?;
    let vault = if new.local { "a vault" } else { "a place in the vault that was joined" };
    let console = if new.console { ", a console" } else { "" };
    cx.ui.say(&format!("made {} with {vault}{console} and a recovery key beside it", made.config.display()));
    Ok(made)
}

/// What the folder holds besides the vault is of no use in a backup either.
fn exclude(dir: &Path, paths: &[PathBuf]) -> Vec<String> {
    let within = paths.iter().any(|path| path.starts_with(dir));
    let holds_dir = paths.iter().any(|path| dir.starts_with(path));
    let own = if holds_dir && !within { dir.to_str().map(escape_pattern) } else { None };
    own.into_iter().collect()
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

/// Looks at the machine, and chooses.
fn looked(cx: &Context, dir: &Path, local: bool) -> Outcome<Choice> {
    cx.ui.say("looking at this machine …");
    let look = Look::new(None)?;
    let account = rustix::process::geteuid();
    let home = (!account.is_root()).then(home).transpose()?;
    let sizer = Sizer::new(COUNTING, COUNTING_ONE);
    let own = |path: &Path| {
        std::fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() == account.as_raw() && !meta.is_symlink())
    };
    let choice = choose(&Facts {
        ledger: &look.ledger,
        inventory: &look.inventory,
        servers: &look.servers,
        home: home.as_deref(),
        room_bytes: if local { room(dir) } else { None },
        size: &|path| sizer.size(path),
        own: &own,
    });
    for unseen in &look.inventory.unseen {
        cx.ui.warn(&plain(&format!("not seen: {}: {}", unseen.what, unseen.why)));
    }
    Ok(choice)
}

fn home() -> Outcome<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no home folder to back up: $HOME is not set")
            .hint("name what to back up: vow up PATH…")
    })?;
    absolute(Path::new(&home))
}

/// Half of what is free where the vault will be: the other half is for the days that follow.
fn room(dir: &Path) -> Option<u64> {
    let there = dir.ancestors().find(|folder| folder.is_dir())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) / 2)
}

/// What was found, in short; the plan has it in full.
fn say(ui: Ui, choice: &Choice, made: &Made) {
    let paths: Vec<_> = choice.paths.iter().map(|(path, _)| plain(&path.to_string_lossy())).collect();
    if !paths.is_empty() {
        ui.say(&format!("  folders: {}", paths.join(", ")));
    }
    for server in &choice.servers {
        match &server.problem {
            None => ui.say(&format!(
                "  {}: {}",
                plain(&server.name),
                plural(server.databases.len() as u64, "database")
            )),
            Some(problem) => ui.warn(&format!("{} is NOT captured: {}", plain(&server.name), plain(problem))),
        }
    }
    if !choice.sqlite.is_empty() {
        ui.say(&format!("  {} of services", plural(choice.sqlite.len() as u64, "SQLite database")));
    }
    say_left(ui, choice);
    let left_out = !choice.left.is_empty() || choice.servers.iter().any(|server| server.problem.is_some());
    if left_out {
        crate::ui::diagnose(&format!(
            "  next step: {} has each of them with what to do about it",
            made.config.display()
        ));
    }
}

fn say_left(ui: Ui, choice: &Choice) {
    for left in choice.left.iter().take(SHOWN) {
        ui.warn(&format!("{} is NOT captured: {}", plain(&left.path.to_string_lossy()), plain(&left.why)));
    }
    let more = choice.left.len().saturating_sub(SHOWN);
    if more > 0 {
        ui.warn(&format!("{more} more are NOT captured"));
    }
}

/// A plan without a source would only be in the way the next time.
fn nothing(ui: Ui, choice: &Choice) -> Failure {
    say_left(ui, choice);
    Failure::new(Exit::Usage, "nothing was found here that can be backed up; nothing was made")
        .hint("name what to back up: vow up PATH…")
}
