//! Ledgers: they continue what was read before, and other witnesses agree.

use super::{Said, Sheet, span};
use crate::audit::facts::VaultFact;
use crate::records::Severity;

/// A vault that does not answer for so long proves nothing.
const SILENT_SECS: i64 = 2 * 86_400;

pub(super) fn look(sheet: &mut Sheet<'_>) {
    let used: std::collections::BTreeSet<&str> = sheet
        .facts
        .hosts
        .iter()
        .flat_map(|host| &host.sources)
        .flat_map(|source| &source.copies)
        .filter_map(|copy| copy.vault.as_deref())
        .collect();
    let vaults: Vec<&VaultFact> = sheet
        .facts
        .vaults
        .iter()
        .filter(|(print, _)| used.contains(print.as_str()))
        .map(|(_, vault)| vault)
        .collect();
    for vault in vaults {
        let about = || ("", format!("vault {}", vault.name));
        let said = continues(vault, sheet.now_secs);
        sheet.put("ledger", about(), said);
        if let Some(said) = witnessed(vault) {
            sheet.put("witness", about(), said);
        }
    }
}

fn continues(vault: &VaultFact, now_secs: i64) -> Said {
    if let Some(how) = &vault.set_back {
        return Said::finding(
            Severity::Critical,
            format!("The vault {} contradicts what it showed before: {how}", vault.name),
            "Find out what happened to it before anything relies on it; `vow console vault read-anew` when you know that it was made anew.",
        );
    }
    match (vault.answered_secs, &vault.head) {
        (Some(at), Some((position, head))) if now_secs - at <= SILENT_SECS => {
            Said::pass(format!("Its ledger was verified up to entry {position}.")).with("head", head)
        }
        (Some(at), _) if now_secs - at > SILENT_SECS => Said::unknown(
            format!("The vault {} has not answered for {}.", vault.name, span(now_secs - at)),
            "Bring it back.",
        ),
        (Some(_), _) => Said::pass("Its ledger is empty."),
        (None, _) => Said::unknown(format!("The vault {} never answered.", vault.name), "Bring it back."),
    }
}

fn witnessed(vault: &VaultFact) -> Option<Said> {
    if vault.witnessed.is_empty() {
        return None;
    }
    Some(Said::finding(
        Severity::Critical,
        format!("Another vault has seen another ledger of {}: {}", vault.name, vault.witnessed.join("; ")),
        "One of them was set back, or two stories are told: keep both as they are, and find out which.",
    ))
}
