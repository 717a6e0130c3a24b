//! What is to be drilled: which snapshot, from which level.

use crate::app::Context;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::reading::{Place, Reading};
use crate::ui::midnight;
use std::collections::BTreeMap;
use vow_base::HostId;
use vow_store::archive::{ArchiveError, SnapshotInfo};

/// One snapshot on one level, or why there is none.
pub(crate) struct Target<'r> {
    /// The source.
    pub(crate) source: String,
    /// The level.
    pub(crate) level: &'r str,
    /// The snapshot, or why there is none.
    pub(crate) found: Result<(&'r Place, SnapshotInfo), Why>,
    /// The newest one was asked for.
    pub(crate) is_newest: bool,
    /// The highest number of a snapshot of this source on any of the levels.
    pub(crate) newest_known: Option<u64>,
}

/// Why there is no snapshot to drill.
pub(crate) enum Why {
    /// The level has none: what was promised is not there.
    Absent(String),
    /// The level cannot be read, or a manifest on it: nothing is known.
    Unread(String),
    /// What is there is damaged.
    Damaged(String),
}

/// What the names mean; without one, every source of the plan, or of the vaults.
pub(crate) fn targets<'r>(cx: &Context, reading: &'r Reading, names: &[String]) -> Outcome<Vec<Target<'r>>> {
    let mut targets = Vec::new();
    match (&reading.config, names) {
        (Some(config), []) => {
            let host = hostkeys::load_public(config)?.host_id();
            for source in &config.sources {
                targets.extend(of_source(reading, &source.name, Some(host)));
            }
        }
        (None, []) => targets.extend(of_vaults(reading)?),
        (config, names) => {
            for name in names {
                let planned = config.as_ref().filter(|config| config.sources.iter().any(|s| s.name == *name));
                match planned {
                    Some(config) => {
                        let host = hostkeys::load_public(config)?.host_id();
                        targets.extend(of_source(reading, name, Some(host)));
                    }
                    None => targets.extend(of_spec(cx, reading, name)?),
                }
            }
        }
    }
    let is_absent = |target: &Target<'_>| matches!(target.found, Err(Why::Absent(_)));
    if targets.iter().all(is_absent) {
        let text =
            targets.first().map_or("there is no snapshot to drill".into(), |target| match &target.found {
                Err(Why::Absent(text)) => text.clone(),
                _ => String::new(),
            });
        return Err(Failure::new(crate::exit::Exit::NotFound, text)
            .hint("run `vow backup` first; `vow snapshots` lists what there is"));
    }
    compare_levels(&mut targets);
    Ok(targets)
}

/// The newest snapshot of a source on each level.
fn of_source<'r>(reading: &'r Reading, source: &str, host: Option<HostId>) -> Vec<Target<'r>> {
    let spec = match host {
        Some(host) => format!("{host}/{source}@latest"),
        None => format!("{source}@latest"),
    };
    let target = |level, found| Target {
        source: source.to_owned(),
        level,
        found,
        is_newest: true,
        newest_known: None,
    };
    let read = reading.places.iter().map(|place| {
        let found = place.archive.find(&spec).map(|info| (place, info)).map_err(|error| match error {
            ArchiveError::NoSuchSnapshot { .. } => {
                Why::Absent(format!("there is no snapshot of {source} on {}", place.name))
            }
            error => why(&error),
        });
        target(place.name.as_str(), found)
    });
    let away = reading
        .unreachable
        .iter()
        .map(|(name, failure)| target(name.as_str(), Err(Why::Unread(failure.line()))));
    read.chain(away).collect()
}

/// What an argument names that is no source of the plan.
fn of_spec<'r>(cx: &Context, reading: &'r Reading, spec: &str) -> Outcome<Vec<Target<'r>>> {
    let mut refused: Option<Failure> = None;
    let latest = format!("{spec}@latest");
    let attempts: &[&str] = if spec.contains('@') { &[spec] } else { &[spec, &latest] };
    for attempt in attempts {
        let is_newest = attempt.ends_with("@latest") || *attempt == "latest";
        let mut targets = Vec::new();
        for place in &reading.places {
            let found = match place.archive.find_in(attempt, &midnight) {
                Ok(info) => Ok((place, info)),
                Err(error @ ArchiveError::NoSuchSnapshot { .. }) => {
                    refused.get_or_insert_with(|| error.into());
                    continue;
                }
                Err(error @ ArchiveError::Ambiguous { .. }) => return Err(error.into()),
                Err(error) => Err(why(&error)),
            };
            let source = found.as_ref().map_or(spec.to_owned(), |(_, info)| info.manifest.source.clone());
            let level = place.name.as_str();
            targets.push(Target { source, level, found, is_newest, newest_known: None });
        }
        if !targets.is_empty() {
            let lacking = reading.places.len() - targets.len();
            if lacking > 0 {
                cx.ui.note(&format!("{spec} is not on {lacking} of the levels"));
            }
            return Ok(targets);
        }
    }
    Err(refused
        .unwrap_or_else(|| Failure::new(crate::exit::Exit::NotFound, format!("no snapshot is {spec:?}"))))
}

/// The newest snapshot of every source that the vaults have.
fn of_vaults(reading: &Reading) -> Outcome<Vec<Target<'_>>> {
    let mut targets = Vec::new();
    for place in &reading.places {
        let (snapshots, errors) = place.archive.snapshots_lenient()?;
        let mut newest: BTreeMap<([u8; 32], String), SnapshotInfo> = BTreeMap::new();
        for info in snapshots {
            let key = (info.manifest.host_key, info.manifest.source.clone());
            let known = newest.get(&key).map(|known| known.receipt.position);
            if known.is_none_or(|known| known <= info.receipt.position) {
                newest.insert(key, info);
            }
        }
        let level = place.name.as_str();
        let all = newest.into_values().map(|info| Target {
            source: info.manifest.source.clone(),
            level,
            found: Ok((place, info)),
            is_newest: true,
            newest_known: None,
        });
        targets.extend(all);
        // A manifest that cannot be read may be a newer one.
        let damaged = errors.iter().filter(|error| matches!(error, ArchiveError::Manifest { .. }));
        targets.extend(damaged.map(|error| Target {
            source: "?".into(),
            level,
            found: Err(why(error)),
            is_newest: true,
            newest_known: None,
        }));
    }
    let away = reading.unreachable.iter().map(|(name, failure)| Target {
        source: "?".into(),
        level: name.as_str(),
        found: Err(Why::Unread(failure.line())),
        is_newest: true,
        newest_known: None,
    });
    targets.extend(away);
    Ok(targets)
}

fn why(error: &ArchiveError) -> Why {
    use vow_sources::adapter::{Blame, blame_of};
    match blame_of(error) {
        Blame::Gone | Blame::Machine => Why::Unread(error.to_string()),
        Blame::Snapshot | Blame::Identity => Why::Damaged(error.to_string()),
    }
}

/// A level that is behind the others must not pass for the newest.
fn compare_levels(targets: &mut [Target<'_>]) {
    let mut newest: BTreeMap<([u8; 32], String), u64> = BTreeMap::new();
    let key = |info: &SnapshotInfo| (info.manifest.host_key, info.manifest.source.clone());
    for (_, info) in targets.iter().filter_map(|target| target.found.as_ref().ok()) {
        let known = newest.entry(key(info)).or_default();
        *known = (*known).max(info.manifest.sequence);
    }
    for target in targets {
        if let Ok((_, info)) = &target.found {
            target.newest_known = newest.get(&key(info)).copied();
        }
    }
}
