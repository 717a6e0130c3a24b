//! The vault that an administration command is about, in its own folder.

use super::bucket::InBucket;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::level::open_vault;
use crate::owner;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use vow_vault::Vault;
use vow_vault::server::Config as Settings;

/// Which vault.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct At {
    /// The folder of the vault: that of its vault.toml, or the one that holds its file VOW
    #[arg(long, value_name = "DIR", env = "VOW_VAULT_DIR", hide_env_values = true)]
    pub(super) dir: PathBuf,
}

/// The settings of a vault that is served.
pub(super) const SETTINGS: &str = "vault.toml";

impl At {
    /// Opens the vault to look at it.
    pub(super) fn open(&self) -> Outcome<Vault> {
        match self.bucket()? {
            Some(bucket) => bucket.vault(),
            None => open_vault(&self.store()?, None),
        }
    }

    /// The bucket that the vault lies in, if it lies in one.
    pub(super) fn bucket(&self) -> Outcome<Option<InBucket>> {
        let dir = self.absolute()?;
        if dir.join("VOW").exists() {
            return Ok(None);
        }
        let settings = self.settings()?;
        if settings.is_in_bucket() { InBucket::open(&dir, &settings).map(Some) } else { Ok(None) }
    }

    /// Opens the vault to change it.
    ///
    /// What root writes into the vault of another user, that user's server cannot go on with.
    pub(super) fn open_to_change(&self) -> Outcome<Vault> {
        if let Some(bucket) = self.bucket()? {
            return bucket.vault();
        }
        let store = self.store()?;
        owner::refuse_root(&store, "vow vault …")?;
        open_vault(&store, None)
    }

    /// Whether this user can, and may, write there. That of a server in another user's name is asked through its socket, by root as well.
    ///
    /// Into a bucket whoever has the vault's key can write.
    pub(super) fn is_writable(&self) -> Outcome<bool> {
        use rustix::fs::Access;
        let settings = self.settings()?;
        let (path, needed) = match settings.is_in_bucket() {
            true => (self.absolute()?.join(&settings.key), Access::READ_OK),
            false => (self.store()?, Access::WRITE_OK),
        };
        if !settings.is_in_bucket() && other_owner(&path).is_some() {
            return Ok(false);
        }
        match rustix::fs::access(&path, needed) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS) => Ok(false),
            // That it is not there is said by whoever opens it.
            Err(_) => Ok(true),
        }
    }

    /// What vault.toml says; the defaults where there is none.
    pub(super) fn settings(&self) -> Outcome<Settings> {
        let dir = self.absolute()?;
        let file = dir.join(SETTINGS);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Failure::io("read", &file, e)),
        };
        let mut settings = Settings::parse(&text).map_err(|bad| {
            let place = format!("{}:{}:{}", file.display(), bad.line, bad.column);
            Failure::new(Exit::Usage, format!("{place}: {}", bad.message))
                .hint("correct that line; docs/vault.md, \"Serving\", has all of them")
        })?;
        // Relative to the folder that they stand in.
        for path in [Some(&mut settings.socket), settings.metrics_token_file.as_mut()].into_iter().flatten() {
            if !path.as_os_str().is_empty() {
                *path = dir.join(&*path);
            }
        }
        for path in settings.replicate.iter_mut().filter_map(|from| from.path.as_mut()) {
            *path = dir.join(&*path);
        }
        Ok(settings)
    }

    /// What vault.toml says, when there is one.
    pub(super) fn settings_if_any(&self) -> Outcome<Option<Settings>> {
        if self.absolute()?.join(SETTINGS).exists() { self.settings().map(Some) } else { Ok(None) }
    }

    /// The folder that holds the file VOW, of a vault that lies in one: this one, or the one that its settings name.
    pub(super) fn store(&self) -> Outcome<PathBuf> {
        let dir = self.absolute()?;
        if dir.join("VOW").exists() || !dir.join(SETTINGS).exists() {
            return Ok(dir);
        }
        Ok(dir.join(self.settings()?.storage))
    }

    fn absolute(&self) -> Outcome<PathBuf> {
        std::path::absolute(&self.dir).map_err(|e| Failure::io("find", &self.dir, e))
    }
}

/// To root, the other user whose vault this is: what root writes into it, that user's server could not go on with.
fn other_owner(store: &Path) -> Option<u32> {
    let owner = std::fs::metadata(store).ok()?.uid();
    (owner != 0 && rustix::process::geteuid().is_root()).then_some(owner)
}

impl From<&Path> for At {
    fn from(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }
}
