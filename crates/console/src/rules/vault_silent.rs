//! A vault does not answer the console: nothing is known of what it has.

use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{Severity, VaultFacts};

pub(super) fn watch(vault: &VaultFacts, settings: &Settings, now_secs: i64) -> Said {
    // One cause, one ticket: what a vault says that was set back is not asked for any further.
    if vault.set_back.is_some() {
        return None;
    }
    let last = vault.answered_secs.unwrap_or(vault.since_secs);
    if now_secs - last <= settings.vault_silent_secs {
        return Some(vec![]);
    }
    // While this console was down it asked nobody.
    let silent = now_secs - last.max(settings.listening_since_secs);
    if silent <= settings.vault_silent_secs {
        return None;
    }
    let why =
        vault.error.as_deref().map(|why| format!(" ({})", why.trim_end_matches('.'))).unwrap_or_default();
    Found::new(
        Severity::Critical,
        format!("{} has not answered for {}{why}.", vault.vault, words::span(silent as f64)),
        "Look whether the machine runs and `vow vault serve` on it; until it answers, nothing is known of the copies there.",
    )
    .with("silent for", words::span(silent as f64))
    .said()
}
