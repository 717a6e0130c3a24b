//! What the patterns of a plan hide: how much, and how new. A pattern that hides more than its author meant shows here.

use crate::ui;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vow_agent::audit::{Size, Sizer};
use vow_agent::plan::{Config, SourcePlan};
use vow_sources::files::LeftOut;

/// Looking for what is hidden may take this long for one source.
const LOOKING: Duration = Duration::from_secs(1);
/// Folders that wait to be looked into, at most.
const WAITING_MAX: usize = 100_000;

/// What one pattern hides.
pub(super) struct Exclusion {
    source: String,
    pattern: String,
    size: Size,
}

/// Every pattern of every source of files.
pub(super) fn of(config: &Config) -> Vec<Exclusion> {
    config.sources.iter().filter(|source| source.kind == "files").flat_map(of_source).collect()
}

fn of_source(source: &SourcePlan) -> Vec<Exclusion> {
    let patterns = source.capture.excludes();
    let Ok(left_out) = LeftOut::by(&patterns) else { return Vec::new() };
    if patterns.is_empty() {
        return Vec::new();
    }
    let until = Instant::now() + LOOKING;
    let sizer = Sizer::new(LOOKING, LOOKING / 4);
    let mut hidden: BTreeMap<String, Size> = BTreeMap::new();
    let mut waiting: Vec<PathBuf> = source.capture.roots();
    let mut whole = true;
    while let Some(folder) = waiting.pop() {
        if Instant::now() >= until {
            whole = false;
            break;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            match left_out.pattern(&path, kind.is_dir()) {
                Some(pattern) => add(hidden.entry(pattern.to_owned()).or_default(), sizer.size(&path)),
                None if kind.is_dir() && waiting.len() < WAITING_MAX => waiting.push(path),
                None => {}
            }
        }
    }
    let one = |pattern: String| {
        let mut size = hidden.get(&pattern).copied().unwrap_or_default();
        size.at_least |= !whole;
        Exclusion { source: source.name.clone(), pattern, size }
    };
    patterns.into_iter().map(one).collect()
}

fn add(sum: &mut Size, more: Size) {
    sum.files += more.files;
    sum.bytes = sum.bytes.saturating_add(more.bytes);
    sum.newest_secs = sum.newest_secs.max(more.newest_secs);
    sum.at_least |= more.at_least;
}

impl Exclusion {
    /// For programs.
    pub(super) fn value(&self) -> Value {
        let Size { files, bytes, newest_secs, at_least, .. } = self.size;
        json!({
            "source": self.source, "pattern": self.pattern, "files": files, "bytes": bytes,
            "newest_secs": newest_secs, "at_least": at_least,
        })
    }

    /// For people.
    pub(super) fn row(&self) -> Vec<String> {
        let least = if self.size.at_least { "≥ " } else { "" };
        let newest = self.size.newest_secs.map(|secs| ui::local_time(secs.saturating_mul(1_000_000_000)));
        vec![
            self.source.clone(),
            self.pattern.clone(),
            format!("{least}{}", ui::count(self.size.files)),
            format!("{least}{}", ui::bytes(self.size.bytes)),
            newest.unwrap_or_else(|| "-".to_owned()),
        ]
    }
}
