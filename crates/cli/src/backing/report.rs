//! What a run says about itself: the table for people, the summary for programs, the exit code for both.

use super::{Run, SourceRun};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::{self, Table, Ui, plain};
use serde_json::{Value, json};
use vow_base::manifest::Status;

const PROBLEMS_SHOWN: usize = 10;

/// `ok`, `partial` or `failed`.
pub(crate) fn status_of(run: &Run) -> &'static str {
    if run.interrupted || run.sources.iter().any(|source| source.result.is_err()) {
        return "failed";
    }
    let whole = |source: &SourceRun| {
        !source.lacks_level()
            && source.troubles.is_empty()
            && source.result.as_ref().is_ok_and(|report| report.status == Status::Ok)
    };
    let waits = run.waits.as_ref().map_or(1, |waits| waits.snapshots);
    let sound = run.sources.iter().all(whole)
        && run.contradictions.is_empty()
        && waits == 0
        && run.left_open.is_empty();
    if sound { "ok" } else { "partial" }
}

/// The exit code of a run. Failures that agree keep their own.
pub(crate) fn exit_of(run: &Run) -> Exit {
    if let Some(signal) = crate::signals::received().filter(|_| run.interrupted) {
        return Exit::Signal(signal);
    }
    let mut exits = run.sources.iter().filter_map(SourceRun::failure_exit);
    if let Some(first) = exits.next() {
        return if exits.all(|exit| exit == first) { first } else { Exit::Failed };
    }
    match status_of(run) {
        "ok" => Exit::Done,
        _ if !run.contradictions.is_empty() && !run.interrupted => Exit::Problems,
        "partial" => Exit::Partial,
        _ => Exit::Failed,
    }
}

/// The document that `backup --json` ends with.
pub(crate) fn summary(run: &Run) -> Value {
    let snapshots: Vec<_> = run.sources.iter().map(snapshot).collect();
    let errors: u64 = run.sources.iter().map(errors).sum();
    let finding = |(level, failure): &(String, Failure)| json!({"level": level, "message": failure.line(), "hint": failure.hint});
    let findings: Vec<_> = run.contradictions.iter().map(finding).collect();
    json!({
        "message_type": "summary",
        "status": status_of(run),
        "dry_run": run.dry_run,
        "errors": errors,
        "snapshots": snapshots,
        "spool": spool(run),
        "findings": findings,
        "left_open": run.left_open,
    })
}

fn spool(run: &Run) -> Value {
    match &run.waits {
        Ok(waits) => json!({"snapshots": waits.snapshots, "bytes": waits.bytes, "levels": waits.levels}),
        Err(failure) => json!({"error": failure.line(), "hint": failure.hint}),
    }
}

fn errors(source: &SourceRun) -> u64 {
    source.result.as_ref().map_or(1, |report| report.counts.errors)
}

fn snapshot(source: &SourceRun) -> Value {
    let made = source.result.as_ref().is_ok_and(|report| report.snapshot.is_some());
    let levels: Vec<_> =
        source.levels.iter().map(|(name, outcome)| level(name, outcome.as_ref().err(), made)).collect();
    match &source.result {
        Ok(report) => json!({
            "id": report.snapshot.map(|id| id.to_string()),
            "source": source.source,
            "status": report.status.word(),
            "files": report.counts.files,
            "dirs": report.counts.dirs,
            "others": report.counts.others,
            "bytes": report.counts.bytes,
            "added_bytes": report.counts.added_bytes,
            "errors": report.counts.errors,
            "duration_secs": report.duration_secs,
            "levels": levels,
            "spooled": source.spooled,
            "notes": report.notes.iter().chain(of_the_engine(source, &report.notes)).collect::<Vec<_>>(),
            "hooks": source.hooks,
            "troubles": source.troubles,
        }),
        Err(failure) => json!({
            "id": null,
            "source": source.source,
            "status": "failed",
            "files": 0, "dirs": 0, "others": 0, "bytes": 0, "added_bytes": 0,
            "errors": 1,
            "duration_secs": 0.0,
            "levels": levels,
            "spooled": false,
            "error": failure.line(),
            "hint": failure.hint,
        }),
    }
}

/// What the engine said of vaults and of what it remembers; what the source noted stands in the snapshot.
fn of_the_engine<'s>(source: &'s SourceRun, noted: &[String]) -> impl Iterator<Item = &'s String> {
    source.problems.notes.iter().filter(|note| !noted.contains(note))
}

/// A level that takes snapshots has none of a source that failed.
fn level(name: &str, failure: Option<&Failure>, made: bool) -> Value {
    match failure {
        None if !made => json!({"name": name, "status": "none"}),
        None => json!({"name": name, "status": "ok"}),
        Some(failure) => {
            json!({"name": name, "status": "failed", "error": failure.line(), "hint": failure.hint})
        }
    }
}

/// The table, for people; and on the standard error what somebody has to know or do, also when a program reads the result.
pub(crate) fn print_human(ui: Ui, run: &Run) {
    let names: Vec<_> = run
        .sources
        .first()
        .map(|s| s.levels.iter().map(|(name, _)| name.as_str()).collect())
        .unwrap_or_default();
    let mut head = vec!["source", "status", "snapshot", "files", "dirs", "bytes", "added", "time"];
    head.extend(names);
    let mut table = Table::new(&head, &[3, 4, 5, 6, 7]);
    run.sources.iter().for_each(|source| table.row(row(source)));
    if run.dry_run {
        ui.say("dry run: nothing was sent");
    }
    table.lines().iter().for_each(|line| ui.say(line));
    for source in &run.sources {
        print_troubles(ui, source);
    }
    for (name, failure) in run.levels.troubles() {
        trouble(ui, &format!("the vault {name}"), failure);
    }
    for (name, failure) in &run.contradictions {
        trouble(ui, &format!("the vault {name} contradicts itself"), failure);
    }
    print_spool(ui, run);
}

/// What waits here is no backup yet: it goes with this host.
fn print_spool(ui: Ui, run: &Run) {
    let line = match &run.waits {
        Ok(waits) => waits.line(),
        Err(failure) => return trouble(ui, "the spool", failure),
    };
    let Some(line) = line else { return };
    let nowhere =
        |source: &SourceRun| source.spooled && source.levels.iter().all(|(_, outcome)| outcome.is_err());
    if run.sources.iter().any(nowhere) {
        ui.warn(&format!("NOTHING OF THIS RUN HAS REACHED A VAULT YET: {line}"));
    } else {
        ui.warn(&line);
    }
    ui::diagnose("  next step: bring the vault back; the next run sends what waits, before anything else");
}

fn row(source: &SourceRun) -> Vec<String> {
    let mut cells = match &source.result {
        Ok(report) => vec![
            source.source.clone(),
            report.status.word().to_owned(),
            report.snapshot.map_or_else(|| "-".into(), |id| id.short()),
            ui::count(report.counts.files),
            ui::count(report.counts.dirs),
            ui::bytes(report.counts.bytes),
            ui::bytes(report.counts.added_bytes),
            ui::duration(report.duration_secs),
        ],
        Err(_) => {
            let mut cells = vec![source.source.clone(), "FAILED".into()];
            cells.extend(std::iter::repeat_n("-".to_owned(), 6));
            cells
        }
    };
    let made = source.result.is_ok();
    cells.extend(source.levels.iter().map(|(_, outcome)| match outcome {
        Ok(()) if made => "ok".to_owned(),
        Ok(()) => "-".to_owned(),
        Err(_) => "FAILED".to_owned(),
    }));
    cells
}

fn print_troubles(ui: Ui, source: &SourceRun) {
    source.troubles.iter().for_each(|text| ui.warn(&format!("{}: {}", source.source, plain(text))));
    let report = match &source.result {
        Err(failure) => return trouble(ui, &source.source, failure),
        Ok(report) => report,
    };
    report
        .notes
        .iter()
        .take(PROBLEMS_SHOWN)
        .for_each(|note| ui.note(&format!("{}: {}", source.source, plain(note))));
    of_the_engine(source, &report.notes)
        .for_each(|note| ui.warn(&format!("{}: {}", source.source, plain(note))));
    if source.problems.count > 0 {
        ui.warn(&format!(
            "{}: {} could not be captured, so the snapshot is partial:",
            source.source,
            ui::plural(source.problems.count, "path")
        ));
        source.problems.lines(PROBLEMS_SHOWN).iter().for_each(|line| ui::diagnose(&format!("  {line}")));
        ui::diagnose(
            "  next step: run vow as a user who may read them, or leave them out with `exclude` in vow.toml",
        );
    }
    for (name, outcome) in &source.levels {
        // What keeps a level from being used at all is said once, below.
        if let Err(failure) = outcome {
            ui.warn(&format!(
                "{}: the vault {name} does not have this snapshot: {}",
                source.source,
                failure.line()
            ));
        }
    }
}

fn trouble(ui: Ui, what: &str, failure: &Failure) {
    ui.warn(&format!("{what}: {}", failure.line()));
    if let Some(hint) = &failure.hint {
        ui::diagnose(&format!("  next step: {hint}"));
    }
}
