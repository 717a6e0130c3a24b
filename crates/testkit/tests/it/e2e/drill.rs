//! Drills: what is right is proven, and what is not is not, whatever it is that is wrong.

mod console;
mod databases;
mod faults;
mod files;
mod killed;
mod kinds;
mod questions;
mod remote;
mod scene;
mod site;
mod templates;
mod whole;

use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use vow_testkit::Host;
use vow_testkit::shell::{Done, Running};

/// Drills with the recovery kit.
fn drill<'a>(host: &Host, arguments: impl IntoIterator<Item = &'a str>) -> Done {
    let identity = host.identity().display().to_string();
    let all = ["drill", "--json", "--identity", &identity].into_iter().map(str::to_owned);
    host.run(all.chain(arguments.into_iter().map(str::to_owned)))
}

/// Insists that each of these kinds of damage was tried and noticed.
#[track_caller]
fn noticed(done: &Done, wanted: &[&str]) {
    let proof = proofs(done).remove(0);
    let tried = proof["sabotages"].as_array().cloned().unwrap_or_default();
    for wanted in wanted {
        let one = tried.iter().find(|one| one["name"] == *wanted);
        assert!(one.is_some_and(|one| one["noticed"] == true), "{wanted}\n{}", done.story());
    }
}

/// Waits until so many processes work below a folder, kills the drill, and insists that they stay behind.
#[track_caller]
fn kill_amid(mut running: Running, place: &Path, processes: usize) {
    let began = Instant::now();
    while working_in(place).len() < processes
        && !running.has_ended()
        && began.elapsed() < Duration::from_secs(120)
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(!running.has_ended(), "too fast to be killed: {:?}", running.wait());
    let _ = running.kill();
    assert!(!names(place).is_empty(), "it left its place");
}

/// Processes that work below a folder.
fn working_in(place: &Path) -> Vec<u32> {
    let pids = names(Path::new("/proc")).into_iter().filter_map(|name| name.parse().ok());
    pids.filter(|pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(place))
    })
    .collect()
}

/// Processes that were started with a path below a folder.
fn started_below(place: &Path) -> Vec<String> {
    let inside = format!("{}/", place.display());
    let lines = names(Path::new("/proc")).into_iter().filter_map(|pid| {
        pid.parse::<u32>().ok()?;
        std::fs::read(format!("/proc/{pid}/cmdline")).ok()
    });
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&inside)).collect()
}

/// The proofs in its summary.
#[track_caller]
fn proofs(done: &Done) -> Vec<Value> {
    let summary = done.summary();
    assert_eq!(summary["message_type"], "summary", "{}", done.story());
    summary["proofs"].as_array().cloned().unwrap_or_default()
}

/// The texts of a list of it.
fn texts(proof: &Value, list: &str) -> String {
    proof[list].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// Names of what lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
