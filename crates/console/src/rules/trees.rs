//! Top trees that vanished, lost nearly everything, or are new and large.

use super::words;
use super::{Found, RunCase, Said};
use crate::records::{RuleName, Severity};
use vow_protocol::report::{NAMED_MAX, Shape, Tree};

/// Trees with less than both of these are not worth waking someone for.
const LEAST_FILES: u64 = 10;
const LEAST_BYTES: u64 = 1 << 20;
/// A loss of this share of the source is critical.
const CRITICAL_LOSS: f64 = 0.1;

pub(super) fn judge(case: &RunCase) -> Said {
    let body = &case.run.body;
    let (shape, reference) = (body.shape.as_ref()?, case.history.shape.as_ref()?);
    if !case.has_snapshot() || !case.is_newest() {
        return None;
    }
    if case.marked_since(RuleName::Trees).is_some_and(|since| since > reference.started_secs) {
        return Some(vec![]);
    }
    let before = &reference.value;
    let (all_before, all_now) = (total(before).max(1), body.bytes.max(1));
    let lost: Vec<(&str, Tree, Tree)> = before
        .trees
        .iter()
        .filter(|(_, tree)| tree.files >= LEAST_FILES || tree.bytes >= LEAST_BYTES)
        .filter_map(|(path, tree)| {
            Some((path.as_str(), *tree, *shape.trees.get(path).unwrap_or(&absent(shape, tree)?)))
        })
        .filter(|(_, was, is)| lost_share(was, is) >= case.settings.tree_lost_share)
        .collect();
    let new: Vec<(&str, Tree)> = shape
        .trees
        .iter()
        .filter(|(path, tree)| {
            !before.trees.contains_key(*path) && before.trees.len() < NAMED_MAX && tree.bytes >= LEAST_BYTES
        })
        .filter(|(_, tree)| tree.bytes as f64 >= case.settings.tree_new_share * all_now as f64)
        .map(|(path, tree)| (path.as_str(), *tree))
        .collect();
    if lost.is_empty() && new.is_empty() {
        return Some(vec![]);
    }
    let mut parts = Vec::new();
    let mut severity = Severity::Notice;
    if !lost.is_empty() {
        let bytes: u64 = lost.iter().map(|(_, was, is)| was.bytes.saturating_sub(is.bytes)).sum();
        let files: u64 = lost.iter().map(|(_, was, is)| was.files.saturating_sub(is.files)).sum();
        severity = if bytes as f64 >= CRITICAL_LOSS * all_before as f64 {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let names = words::names(lost.iter().map(|(path, ..)| *path), 3);
        parts.push(format!(
            "{names} lost {} with {}",
            words::count(files, "file"),
            words::bytes(bytes as f64)
        ));
    }
    if !new.is_empty() {
        let names = words::names(new.iter().map(|(path, _)| *path), 3);
        let bytes: u64 = new.iter().map(|(_, tree)| tree.bytes).sum();
        let verb = if new.len() == 1 { "is" } else { "are" };
        parts.push(format!("{names} {verb} new with {}", words::bytes(bytes as f64)));
    }
    let since = words::moment(reference.started_secs, &case.zone);
    let sentence = format!("In {} {}, compared with {since}.", case.source(), parts.join("; "));
    let next = "Look whether it was moved or removed on purpose, or a file system is not mounted. If it was on purpose, mark it as expected.";
    let mut found = Found::new(severity, sentence, next).report(&reference.report);
    for (path, was, is) in lost.iter().take(10) {
        found = found.with(path, tree_change(was, is));
    }
    for (path, is) in new.iter().take(10) {
        found = found.with(path, tree_change(&Tree::default(), is));
    }
    found.said()
}

/// What a tree that is not named has: nothing, unless so many are named that it may only be too small to be.
fn absent(shape: &Shape, was: &Tree) -> Option<Tree> {
    let smallest = shape.trees.values().map(|tree| tree.bytes).min().unwrap_or(0);
    (shape.trees.len() < NAMED_MAX || was.bytes / 2 > smallest).then(Tree::default)
}

/// The share of files or of bytes that is gone, whichever is more.
fn lost_share(was: &Tree, is: &Tree) -> f64 {
    let share = |was: u64, is: u64| if was == 0 { 0.0 } else { 1.0 - is as f64 / was as f64 };
    let files = if was.files >= LEAST_FILES { share(was.files, is.files) } else { 0.0 };
    let bytes = if was.bytes >= LEAST_BYTES { share(was.bytes, is.bytes) } else { 0.0 };
    files.max(bytes)
}

fn total(shape: &Shape) -> u64 {
    shape.trees.values().map(|tree| tree.bytes).sum()
}

fn tree_change(was: &Tree, is: &Tree) -> String {
    let text =
        |tree: &Tree| format!("{}, {}", words::count(tree.files, "file"), words::bytes(tree.bytes as f64));
    format!("before: {}; now: {}", text(was), text(is))
}
