//! The vault that an administration command is about, in its own folder.

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::level::open_vault;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use vow_vault::Vault;

/// Which vault.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct At {
    /// The folder of the vault: that of its vault.toml, or the one that holds its file VOW
    #[arg(long, value_name = "DIR", env = "VOW_VAULT_DIR", hide_env_values = true)]
    pub(super) dir: PathBuf,
}

/// The settings of a vault that is served.
pub(super) const SETTINGS: &str = "vault.toml";
/// Where `vow vault init --dir` puts the vault itself.
pub(super) const STORE: &str = "store";

impl At {
    /// Opens the vault to look at it.
    pub(super) fn open(&self) -> Outcome<Vault> {
        open_vault(&store(&self.dir)?, None)
    }

    /// Opens the vault to change it.
    ///
    /// What root writes into the vault of another user, that user's server cannot go on with.
    pub(super) fn open_to_change(&self) -> Outcome<Vault> {
        let store = store(&self.dir)?;
        let owner = std::fs::metadata(&store).map_err(|e| Failure::io("look at", &store, e))?.uid();
        if owner != 0 && rustix::process::geteuid().is_root() {
            let name = format!("#{owner}");
            return Err(Failure::new(
                Exit::Usage,
                format!("{} belongs to another user (number {owner})", store.display()),
            )
            .hint(format!("run the command as that user: sudo -u '{name}' vow vault …")));
        }
        open_vault(&store, None)
    }
}

/// The folder that holds the file VOW: this one, or the one below the settings.
pub(super) fn store(dir: &Path) -> Outcome<PathBuf> {
    let dir = std::path::absolute(dir).map_err(|e| Failure::io("find", dir, e))?;
    Ok(if dir.join("VOW").exists() || !dir.join(SETTINGS).exists() { dir } else { dir.join(STORE) })
}
