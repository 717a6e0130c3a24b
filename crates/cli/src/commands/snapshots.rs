//! `vow snapshots`.

use crate::app::Context;
use crate::entries::snapshot_value;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, Place, ReadArgs, Reading};
use crate::ui::{self, Table, plain};
use serde_json::json;
use std::collections::BTreeSet;
use vow_base::clock::Nanos;
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
        let sources: BTreeSet<_> = listed.iter().map(|(info, _)| plain(&info.manifest.source)).collect();
        listed.retain(|(info, _)| info.manifest.source == *source);
        if listed.is_empty() && !sources.is_empty() {
            let sources: Vec<_> = sources.into_iter().collect();
            cx.ui.note(&format!("there are snapshots of other sources: {}", sources.join(", ")));
        }
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
    let listed = by_age(listed, |(info, _)| Facts {
        host: info.manifest.host_key,
        sequence: info.manifest.sequence,
        received: info.receipt.received,
    });
    Ok((listed, problems))
}

/// What says how old a snapshot is.
struct Facts {
    host: [u8; 32],
    sequence: u64,
    received: Nanos,
}

/// Oldest first, by the time at which a vault took them; but those of one host always in the order of its own count, for a vault's clock may
/// have been wrong for a while, and what it missed it may have been given later.
fn by_age<T>(mut all: Vec<T>, facts: impl Fn(&T) -> Facts) -> Vec<T> {
    all.sort_by_key(|one| (facts(one).host, facts(one).sequence));
    let mut last: Option<([u8; 32], Nanos)> = None;
    let aged = all.into_iter().map(|one| {
        let Facts { host, received, .. } = facts(&one);
        let before = last.filter(|(other, _)| *other == host).map_or(received, |(_, age)| age);
        let age = received.max(before);
        last = Some((host, age));
        (age, one)
    });
    let mut aged: Vec<(Nanos, T)> = aged.collect();
    aged.sort_by_key(|(age, _)| *age);
    aged.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_host_is_its_own_whatever_a_vaults_clock_said() {
        let facts = |(host, sequence, received): &(u8, u64, Nanos)| Facts {
            host: [*host; 32],
            sequence: *sequence,
            received: *received,
        };
        // Number 2 came while the clock was far ahead, number 4 while it was behind, and number 1 of the other host was given late.
        let listed = vec![(1, 4, 5), (1, 1, 10), (2, 2, 15), (1, 2, 900), (1, 3, 12), (2, 1, 20), (2, 3, 21)];
        let sorted = by_age(listed, facts);
        assert_eq!(
            sorted,
            [(1, 1, 10), (2, 1, 20), (2, 2, 15), (2, 3, 21), (1, 2, 900), (1, 3, 12), (1, 4, 5)]
        );
    }
}
