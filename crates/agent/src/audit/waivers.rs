//! Accepted findings: by name, with a reason, until a day.

use super::{Finding, Offer};
use crate::plan::Waiver;
use jiff::civil::Date;
use serde::Serialize;

/// A waiver that holds for a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// Why.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// The last day on which it holds.
    pub until: String,
}

/// Marks findings that are waived `today`. Gives sentences about waivers that hold no more, or for nothing.
pub fn apply(findings: &mut [Finding], waivers: &[Waiver], today: Date) -> Vec<String> {
    let mut notes = Vec::new();
    for waiver in waivers {
        let mut meant = 0;
        for finding in findings.iter_mut().filter(|finding| is_meant(&waiver.finding, &finding.finding)) {
            meant += 1;
            if waiver.until >= today {
                let (reason, by, until) =
                    (waiver.reason.clone(), waiver.by.clone(), waiver.until.to_string());
                finding.waived.get_or_insert(Waived { reason, by, until });
            }
        }
        let (name, by, until) = (&waiver.finding, &waiver.by, waiver.until);
        if meant == 0 {
            notes.push(format!("the waiver for {name} (by {by}) is for nothing that was found: remove it"));
        } else if until < today {
            notes.push(format!(
                "the waiver for {name} (by {by}) has ended on {until}: close the finding, or decide again"
            ));
        }
    }
    notes
}

/// Says of findings that lie in a folder that is a finding itself that they are closed with it.
pub fn nest(findings: &mut [Finding]) {
    let folders: Vec<_> = findings.iter().map(|finding| finding.finding.clone()).collect();
    for finding in
        findings.iter_mut().filter(|finding| finding.offer.is_some() && finding.check == "coverage")
    {
        let above =
            folders.iter().find(|folder| **folder != finding.finding && is_meant(folder, &finding.finding));
        let is_files = finding.offer.as_ref().is_some_and(Offer::is_files);
        if let Some(folder) = above.filter(|_| is_files) {
            finding.hint = format!("it is closed, or accepted, together with {folder}");
            finding.offer = None;
        }
    }
}

/// Whether a waiver of this name is for that finding: the same one, or one of the folder that it names or something below it.
fn is_meant(waived: &str, found: &str) -> bool {
    if waived == found {
        return true;
    }
    let (Some((kind, folder)), Some((_, path))) = (waived.split_once(':'), found.split_once(':')) else {
        return false;
    };
    let is_folder = matches!(kind, "folder" | "mount") && folder.starts_with('/');
    is_folder
        && path
            .strip_prefix(folder.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
