//! What a host's own audit found, read from its document. It is other people's words: everything has a limit, and what makes no sense is left out.

use super::day_secs;
use crate::records::Severity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Findings that are kept of one audit; the rest is counted.
pub(crate) const FINDINGS_MAX: usize = 300;
const NAME_BYTES_MAX: usize = 500;
const TEXT_BYTES_MAX: usize = 2000;

/// A host's audit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostAudit {
    /// What it found.
    pub findings: Vec<HostFinding>,
    /// Findings that are not among these because there are too many.
    pub more: usize,
    /// What it could not see.
    pub unseen: Vec<String>,
    /// Things that hold data and that nobody covers, in the host's own ledger.
    pub unknown: u64,
    /// Their bytes, as far as they were counted.
    pub unknown_bytes: u64,
    /// Things that a source covers.
    pub covered: u64,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFinding {
    /// Its name.
    pub finding: String,
    /// Which check found it.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub text: String,
    /// The next step.
    pub hint: String,
    /// Lines for `vow.toml` that would close it.
    pub offer: Option<String>,
    /// By whom it was accepted.
    pub waived: Option<HostWaiver>,
}

/// An accepted finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostWaiver {
    /// Why.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// The last day.
    pub until: String,
}

impl HostFinding {
    /// Whether it is accepted at a time: also a host that audits no more does not keep a waiver alive.
    pub fn is_waived(&self, now_secs: i64) -> bool {
        let ends = self.waived.as_ref().and_then(|waiver| day_secs(&waiver.until));
        // Days are the host's; it may be a day ahead of ours or behind.
        ends.is_some_and(|day| day + 2 * 86_400 > now_secs)
    }
}

impl HostAudit {
    /// Reads a document of `vow audit`.
    pub fn read(document: &Value) -> Self {
        let list = |name: &str| document.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut audit = Self::default();
        let all = list("findings").iter().chain(list("waived"));
        for found in all.filter_map(finding) {
            if audit.findings.iter().any(|known| known.finding == found.finding) {
                continue;
            }
            match audit.findings.len() < FINDINGS_MAX {
                true => audit.findings.push(found),
                false => audit.more += 1,
            }
        }
        audit.unseen = list("unseen").iter().take(50).filter_map(sentence).collect();
        for entry in list("ledger") {
            match text(entry, "state", 20).as_deref() {
                Some("covered") => audit.covered += 1,
                Some("unknown") => {
                    audit.unknown += 1;
                    let bytes = entry.get("bytes").and_then(Value::as_u64).unwrap_or(0);
                    audit.unknown_bytes = audit.unknown_bytes.saturating_add(bytes);
                }
                _ => {}
            }
        }
        audit
    }
}

/// What could not be seen: a sentence, or what and why.
fn sentence(value: &Value) -> Option<String> {
    let part = |name: &str| text(value, name, TEXT_BYTES_MAX / 4);
    match value.as_str() {
        Some(said) => Some(cut(said, TEXT_BYTES_MAX / 2)),
        None => Some(format!("{}: {}", part("what")?, part("why").unwrap_or_default())),
    }
}

fn finding(value: &Value) -> Option<HostFinding> {
    let name = text(value, "finding", NAME_BYTES_MAX).filter(|name| !name.is_empty())?;
    let severity = match value.get("severity").and_then(Value::as_str) {
        Some("critical") => Severity::Critical,
        Some("low") => Severity::Notice,
        _ => Severity::Warning,
    };
    let waived = value.get("waived").filter(|waived| waived.is_object()).map(|waived| HostWaiver {
        reason: text(waived, "reason", TEXT_BYTES_MAX).unwrap_or_default(),
        by: text(waived, "by", NAME_BYTES_MAX).unwrap_or_default(),
        until: text(waived, "until", 20).unwrap_or_default(),
    });
    Some(HostFinding {
        check: text(value, "check", 50).unwrap_or_default(),
        severity,
        text: text(value, "text", TEXT_BYTES_MAX).unwrap_or_else(|| name.clone()),
        hint: text(value, "hint", TEXT_BYTES_MAX).unwrap_or_default(),
        offer: text(value, "offer", TEXT_BYTES_MAX),
        finding: name,
        waived,
    })
}

fn text(value: &Value, name: &str, most: usize) -> Option<String> {
    value.get(name)?.as_str().map(|text| cut(text, most))
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hostile_documents_are_read_as_far_as_they_make_sense() {
        for odd in [
            json!(null),
            json!([]),
            json!({"findings": 7}),
            json!({"findings": [1, null, {}, {"finding": 3}, {"finding": ""}]}),
        ] {
            assert_eq!(HostAudit::read(&odd).findings, [], "{odd}");
        }
        let many: Vec<_> = (0..1000)
            .map(|n| json!({"finding": format!("folder:/{n}"), "text": "é".repeat(5000), "severity": "what"}))
            .collect();
        let audit = HostAudit::read(&json!({"findings": many}));
        assert_eq!((audit.findings.len(), audit.more), (FINDINGS_MAX, 1000 - FINDINGS_MAX));
        assert!(audit.findings[0].text.len() <= TEXT_BYTES_MAX + 4);
        assert_eq!(audit.findings[0].severity, Severity::Warning);
        let same = json!({"finding": "folder:/srv", "severity": "critical"});
        assert_eq!(HostAudit::read(&json!({"findings": [same, same]})).findings.len(), 1);
    }

    #[test]
    fn a_waiver_ends_also_when_the_host_says_nothing_more() {
        let waived =
            json!({"finding": "folder:/srv", "waived": {"reason": "r", "by": "ann", "until": "2026-11-28"}});
        let audit = HostAudit::read(&json!({"waived": [waived]}));
        let day = day_secs("2026-11-28").expect("there is one");
        assert!(audit.findings[0].is_waived(day + 86_400));
        assert!(!audit.findings[0].is_waived(day + 2 * 86_400));
        let odd = json!({"finding": "x", "waived": {"until": "for ever"}});
        assert!(!HostAudit::read(&json!({"waived": [odd]})).findings[0].is_waived(day));
    }
}
