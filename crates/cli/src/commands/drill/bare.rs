//! `vow drill --bare`: the day on which everything but one vault and the recovery key is gone.
//!
//! This program starts itself again as a person on an empty machine would: in an empty folder, with an environment that names nothing,
//! for a folder vault without any network, and writes down the commands as it goes. What works here works then; what only worked because
//! something else was still there fails here.

use super::Args;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vow_agent::drill::scratch::{self, Place};

const UNSHARE: &str = "/usr/bin/unshare";
/// Types that are restored into a running server.
const INTO_SERVERS: [&str; 3] = ["postgres", "mariadb", "redis"];

/// One step of the runbook.
struct Step {
    why: &'static str,
    /// As a person would type it.
    command: String,
    code: Option<i32>,
    output: Vec<Value>,
    said: String,
}

struct Bare {
    program: PathBuf,
    /// The empty machine's only folder.
    home: PathBuf,
    /// Programs are started through this.
    wrapper: Vec<String>,
    steps: Vec<Step>,
    /// Commands that need a server to restore into.
    left: Vec<String>,
}

/// Drills.
pub(super) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let vault = args.read.vault.as_deref().unwrap_or(Path::new("/"));
    let identity = args.read.identity.as_deref().unwrap_or(Path::new("/"));
    let text = vault.to_string_lossy().into_owned();
    let is_address = text.contains("://");
    let vault = if is_address { text } else { absolute(vault)?.display().to_string() };
    let identity = absolute(identity)?;
    let folder =
        args.scratch.clone().or_else(|| super::variable("TMPDIR")).unwrap_or_else(|| "/var/tmp".into());
    let folder = absolute(&folder)?;
    // An empty machine has no state to keep a record in: what a killed drill left is found by its name.
    let tidy = || -> Outcome<()> {
        for left in scratch::clean(&folder, None)? {
            cx.ui.note(&format!("removed what a drill that was killed had left: {left}"));
        }
        Ok(())
    };
    tidy()?;
    let place = Place::unrecorded(&folder)?;
    let program = std::env::current_exe().map_err(|e| Failure::io("find", Path::new("/proc/self/exe"), e))?;
    let mut bare = Bare {
        program,
        home: place.path().to_owned(),
        wrapper: Vec::new(),
        steps: Vec::new(),
        left: Vec::new(),
    };
    let isolated = !is_address && bare.isolate();
    if !isolated && !is_address {
        cx.ui.note("the network could not be taken away: unshare does not work here");
    }
    let proofs = bare.follow(&vault, &identity, &folder, args)?;
    drop(place);
    tidy()?;
    let failed = bare.steps.iter().any(|step| !matches!(step.code, Some(0)));
    bare.print(cx, &vault);
    let exit = match bare.steps.iter().find(|step| step.code != Some(0)).and_then(|step| step.code) {
        None => Exit::Done,
        Some(10) => Exit::NotFound,
        Some(12) => Exit::Identity,
        Some(3) => Exit::Partial,
        Some(_) => Exit::Problems,
    };
    let steps: Vec<_> = bare
        .steps
        .iter()
        .map(|step| json!({"why": step.why, "command": step.command, "exit": step.code}))
        .collect();
    cx.ui.json(&json!({
        "message_type": "summary",
        "status": if failed { "problems" } else { "ok" },
        "bare": true,
        "network": if isolated { "none" } else { "as it is" },
        "runbook": steps,
        "not_followed": bare.left,
        "proofs": proofs,
    }));
    Ok(exit)
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path).map_err(|e| Failure::io("find", path, e))
}

impl Bare {
    /// Takes the network away, where that can be done.
    fn isolate(&mut self) -> bool {
        let root = rustix::process::geteuid().is_root();
        let options: &[&str] =
            if root { &["--net", "--"] } else { &["--user", "--map-current-user", "--net", "--"] };
        let works = Command::new(UNSHARE)
            .args(options)
            .arg("/bin/true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if works.is_ok_and(|status| status.success()) {
            self.wrapper = [&[UNSHARE], options].concat().iter().map(|word| (*word).to_owned()).collect();
        }
        !self.wrapper.is_empty()
    }

    /// The runbook. What is written down holds in any empty folder; scratch servers are beside it, where paths are short enough for sockets.
    fn follow(&mut self, vault: &str, identity: &Path, scratch: &Path, args: &Args) -> Outcome<Vec<Value>> {
        let identity = identity.display().to_string();
        let with = ["--vault", vault, "--identity", &identity];
        let step = |words: &[&str]| {
            [words, &with[..]].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
        };
        if !self.step("see what the vault has", &step(&["snapshots"]))? {
            return Ok(Vec::new());
        }
        let listed = self.steps.last().and_then(|step| step.output.last().cloned()).unwrap_or_default();
        if !self.step("see that the key opens the newest snapshot of everything", &step(&["key", "prove"]))? {
            return Ok(Vec::new());
        }
        let mut drill = step(&["drill"]);
        drill.splice(1..1, args.names.iter().cloned());
        let scratch = scratch.display().to_string();
        drill.extend(["--state", "proofs", "--scratch", &scratch].map(str::to_owned));
        self.step("restore everything into memory and scratch servers, and compare it", &drill)?;
        let summary = self.steps.last().and_then(|step| step.output.last().cloned()).unwrap_or_default();
        let proofs = summary["proofs"].as_array().cloned().unwrap_or_default();
        // And the command that brings files back is followed to its end.
        for snapshot in newest(&listed, |kind| kind == "files") {
            let target = format!("restored-{}", &snapshot[..12.min(snapshot.len())]);
            let words = step(&["restore", &snapshot]);
            let words = words.into_iter().chain(["--target".to_owned(), target]).collect::<Vec<_>>();
            if !self.fits(&listed, &snapshot) {
                continue;
            }
            self.step("restore the files", &words)?;
        }
        let into = newest(&listed, |kind| INTO_SERVERS.contains(&kind));
        self.left = into
            .iter()
            .map(|id| shell(&[step(&["restore", id]), vec!["--into".into(), "URL".into()]].concat()))
            .collect();
        Ok(proofs)
    }

    /// Whether a restore of this snapshot fits the scratch place twice; what does not was read in full by the drill.
    fn fits(&self, listed: &Value, snapshot: &str) -> bool {
        let all = listed["snapshots"].as_array().into_iter().flatten();
        let bytes = all.filter(|one| one["id"] == snapshot).filter_map(|one| one["bytes"].as_u64()).next();
        let free = rustix::fs::statvfs(&self.home).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        bytes.zip(free.ok()).is_some_and(|(bytes, free)| bytes.saturating_mul(2) < free)
    }

    /// Runs this program with these arguments on the empty machine; false when it failed.
    fn step(&mut self, why: &'static str, words: &[String]) -> Outcome<bool> {
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, options)) => {
                let mut command = Command::new(wrapper);
                command.args(options).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", &self.home);
        // A plan that is still on this machine is not to be found.
        command.env("TMPDIR", &self.home).env("VOW_CONFIG", self.home.join("no plan"));
        command.current_dir(&self.home).arg("--json").args(words).stdin(Stdio::null());
        let ended = command.output().map_err(|e| Failure::io("run", &self.program, e))?;
        if crate::signals::received().is_some() {
            return Err(Failure::interrupted());
        }
        let output = String::from_utf8_lossy(&ended.stdout);
        self.steps.push(Step {
            why,
            command: shell(words),
            code: ended.status.code(),
            output: output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            said: String::from_utf8_lossy(&ended.stderr).into_owned(),
        });
        Ok(ended.status.success())
    }

    fn print(&self, cx: &Context, vault: &str) {
        cx.ui.line(&format!(
            "Runbook, followed with nothing but the vault {} and the identity:",
            ui::plain(vault)
        ));
        for (number, step) in self.steps.iter().enumerate() {
            let verdict = match step.code {
                Some(0) => "worked".to_owned(),
                Some(3) => "DONE IN PART (exit 3)".to_owned(),
                Some(code) => format!("FAILED (exit {code})"),
                None => "was KILLED".to_owned(),
            };
            cx.ui.line(&format!("{}. {}: {verdict}", number + 1, step.why));
            cx.ui.line(&format!("   {}", ui::plain(&step.command)));
            if step.code != Some(0) {
                let message = step.output.last().and_then(|last| last["message"].as_str());
                message
                    .into_iter()
                    .chain(step.said.lines())
                    .for_each(|line| ui::diagnose(&format!("   {}", ui::plain(line))));
            }
        }
        if !self.left.is_empty() {
            cx.ui.line("Not followed, because it takes a new server; the drill above restored the same into scratch servers:");
            self.left.iter().for_each(|command| cx.ui.line(&format!("   {}", ui::plain(command))));
        }
    }
}

/// Ids of the newest snapshot of each source of these types.
fn newest(listed: &Value, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut newest = std::collections::BTreeMap::new();
    for one in listed["snapshots"].as_array().into_iter().flatten() {
        if one["type"].as_str().is_some_and(&is_wanted) {
            let key = (one["host"].to_string(), one["source"].to_string());
            newest.insert(key, one["id"].as_str().unwrap_or_default().to_owned());
        }
    }
    newest.into_values().collect()
}

/// A command as it can be typed.
fn shell(words: &[String]) -> String {
    let is_plain = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@#%+=,".contains(&b))
    };
    let quoted = words.iter().map(|word| match is_plain(word) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    });
    std::iter::once("vow".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}
