//! A vault itself says that somebody must look at it: damage that nobody healed, a bucket that lets go, a clock in doubt.

use super::settings::Settings;
use super::{Found, Said};
use crate::records::{Severity, VaultFacts};

/// Kinds of findings that mean that copies are lost, or can be.
const GRAVE: [&str; 6] = ["read-only", "storage", "probe", "scrub", "damaged", "fork"];

pub(super) fn watch(vault: &VaultFacts, _settings: &Settings, _now_secs: i64) -> Said {
    let Some((_, first)) = vault.findings.first() else { return Some(vec![]) };
    let grave = vault.findings.iter().any(|(kind, _)| GRAVE.contains(&kind.as_str()));
    let others = match vault.findings.len() - 1 {
        0 => String::new(),
        1 => ", and another finding".to_owned(),
        number => format!(", and {number} more findings"),
    };
    let mut found = Found::new(
        if grave { Severity::Critical } else { Severity::Warning },
        format!("{} says: {}{others}.", vault.vault, first.trim_end_matches('.')),
        "Look at the vault: `vow vault status` there says the same with more; docs/vault.md says what each finding asks for.",
    );
    for (kind, sentence) in &vault.findings {
        found = found.with(kind, sentence);
    }
    found.said()
}
