//! `vow snapshots`.

use crate::app::Context;
use crate::entries::snapshot_value;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, Place, ReadArgs, Reading};
use crate::ui::{self, Table, plain};
use serde_json::json;
use vow_base::id::hex;
use vow_base::manifest::Group;
use vow_store::archive::{ArchiveError, SnapshotInfo};

/// List snapshots, and which vaults have them
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only snapshots of this source
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    #[command(flatten)]
    read: ReadArgs,
}

/// Lists.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let reading = Reading::open(cx, &args.read, Need::Nothing)?;
    let (mut listed, problems) = all(cx, &reading)?;
    if let Some(source) = &args.source {
        listed.retain(|(info, _)| info.manifest.source == *source);
    }
    let values: Vec<_> = listed.iter().map(|(info, places)| snapshot_value(info, &names(places))).collect();
    cx.ui.json(&json!({"message_type": "snapshots", "snapshots": values, "problems": problems}));
    let mut head = vec!["id", "received", "snapshot", "status", "files", "bytes", "added", "vaults"];
    let with_groups = listed.iter().any(|(info, _)| info.manifest.group.is_some());
    head.extend(with_groups.then_some("group"));
    let mut table = Table::new(&head, &[4, 5, 6]);
    for (info, places) in &listed {
        let counts = info.manifest.counts;
        let mut row = vec![
            info.id.short(),
            ui::local_time(info.receipt.received),
            plain(&info.name()),
            info.manifest.status.word().to_owned(),
            ui::count(counts.files),
            ui::bytes(counts.bytes),
            ui::bytes(counts.added_bytes),
            names(places).join(","),
        ];
        row.extend(with_groups.then(|| info.manifest.group.as_ref().map_or_else(String::new, group_shown)));
        table.row(row);
    }
    if listed.is_empty() {
        cx.ui.line("there are no snapshots");
    } else {
        table.lines().iter().for_each(|line| cx.ui.line(line));
    }
    Ok(if problems.is_empty() && reading.unreachable.is_empty() { Exit::Done } else { Exit::Partial })
}

/// What was captured at one moment has the same here.
pub(crate) fn group_shown(group: &Group) -> String {
    format!("{} {}", plain(&group.name), &hex(&group.id)[..8])
}

fn names<'p>(places: &[&'p Place]) -> Vec<&'p str> {
    places.iter().map(|place| place.name.as_str()).collect()
}

/// A snapshot, and the vaults that have it.
pub(crate) type Listed<'r> = (SnapshotInfo, Vec<&'r Place>);

/// Every snapshot once, oldest first, with the vaults that have it; and what could not be read.
pub(crate) fn all<'r>(cx: &Context, reading: &'r Reading) -> Outcome<(Vec<Listed<'r>>, Vec<String>)> {
    let mut listed: Vec<Listed<'_>> = Vec::new();
    let mut at = std::collections::HashMap::new();
    let mut problems = Vec::new();
    let mut last: Option<Failure> = None;
    for place in reading.places.iter().chain(&reading.spool) {
        let (snapshots, errors) = match place.archive.snapshots_lenient() {
            Ok(read) => read,
            Err(error) => {
                let failure =
                    Failure::from(error).during(format!("the vault {} cannot be listed", place.name));
                problems.push(failure.line());
                cx.ui.warn(&failure.line());
                last = Some(failure);
                continue;
            }
        };
        for error in errors {
            let text = format!("{}: {error}", place.name);
            // On a vault of several hosts the others are none of this plan's business.
            if matches!(error, ArchiveError::Untrusted { .. })
                && (reading.config.is_some() || !snapshots.is_empty())
            {
                cx.ui.note(&format!("{text}; its snapshots are not shown"));
                continue;
            }
            cx.ui.warn(&text);
            problems.push(text);
        }
        for info in snapshots {
            let index = *at.entry(info.id).or_insert_with(|| {
                listed.push((info, Vec::new()));
                listed.len() - 1
            });
            listed[index].1.push(place);
        }
    }
    if let (Some(failure), true) = (last, problems.len() == reading.places.len() && listed.is_empty()) {
        return Err(failure);
    }
    listed.sort_by_key(|(info, _)| (info.receipt.received, info.manifest.sequence));
    Ok((listed, problems))
}
