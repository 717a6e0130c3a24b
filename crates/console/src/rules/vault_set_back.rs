//! The ledger of a vault is shorter than it was, or another one: copies that it had acknowledged may be gone.

use super::settings::Settings;
use super::{Found, Said};
use crate::records::{Severity, VaultFacts};

pub(super) fn watch(vault: &VaultFacts, _settings: &Settings, _now_secs: i64) -> Said {
    let Some(how) = &vault.set_back else { return Some(vec![]) };
    Found::new(
        Severity::Critical,
        format!("{} was set back: {}.", vault.vault, how.trim_end_matches('.')),
        format!(
            "Do not trust this vault: keep what is there, and prune nothing anywhere. Find out who restored its disk, or changed it: \
             `vow vault status` there, and the receipts of the hosts. What is missing in it comes again from another vault, or with the next runs. \
             When you know why it was made anew: `vow console vault read-anew {}`.",
            vault.vault
        ),
    )
    .said()
}
