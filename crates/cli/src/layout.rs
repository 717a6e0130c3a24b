//! Making a new plan: keys, vault, recovery identity and `vow.toml`, all of it or nothing.

use crate::commands::vault::join::{expect, join};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::kit::{Kit, KitVault};
use crate::signals;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_agent::plan::{Place, quoted};
use vow_base::Fingerprint;
use vow_base::clock::SystemClock;
use vow_base::disk::{Disk, RealDisk};
use vow_base::id::hex;
use vow_base::publish::{parent, publish};
use vow_base::sign::PublicKey;
use vow_protocol::{JoinToken, Role};
use vow_store::session::{Recipient, new_identity, restore_credential};
use vow_vault::Vault;

/// What to make.
pub(crate) struct NewPlan {
    /// Where; an absolute path.
    pub(crate) dir: PathBuf,
    /// The customer.
    pub(crate) tenant: String,
    /// Name of the host.
    pub(crate) host: String,
    /// What to capture; absolute paths.
    pub(crate) paths: Vec<PathBuf>,
    /// What not.
    pub(crate) exclude: Vec<String>,
    /// Whom to seal to; with nobody, a new recovery identity is made.
    pub(crate) recipients: Vec<Recipient>,
    /// Keys of restorers that vaults are told of.
    pub(crate) readers: Vec<PublicKey>,
    /// Make a vault in the folder.
    pub(crate) local: bool,
    /// Join this vault, under this name.
    pub(crate) join: Option<(String, JoinToken)>,
}

/// What was made.
pub(crate) struct Made {
    /// The configuration.
    pub(crate) config: PathBuf,
    /// The recovery kit, when one was made.
    pub(crate) recovery: Option<PathBuf>,
    /// The vaults.
    pub(crate) vaults: Vec<KitVault>,
}

/// The recovery kit that `init` and `up` make.
pub(crate) fn recovery_file(dir: &Path) -> PathBuf {
    dir.join("recovery.agekey")
}

/// The configuration in a folder.
pub(crate) fn config_file(dir: &Path) -> PathBuf {
    dir.join("vow.toml")
}

/// Makes everything. When anything fails, or a signal comes, what was made is removed again.
pub(crate) fn create(plan: &NewPlan) -> Outcome<Made> {
    let stop = signals::hold();
    let dir = &plan.dir;
    let [config, keys, vault, state] =
        [config_file(dir), dir.join("keys"), dir.join("vault"), dir.join("state")];
    let recovery = plan.recipients.is_empty().then(|| recovery_file(dir));
    for path in [&config, &keys, &vault, &state].into_iter().chain(&recovery) {
        refuse_existing(path)?;
    }
    for path in &plan.paths {
        fs::symlink_metadata(path).map_err(|e| {
            Failure::io("look at", path, e)
                .during("a path to back up is not there")
                .hint("correct --path; nothing was made")
        })?;
    }
    let text_paths = plan.paths.iter().map(|path| as_text(path)).collect::<Outcome<Vec<_>>>()?;

    let mut undo = Undo::default();
    undo.make_dirs(dir)?;
    undo.dir(&keys)?;
    undo.trees.push(keys.clone());
    RealDisk.sync_dir(dir)?;
    let host_key = hostkeys::create(&keys)?;
    let mut vaults = Vec::new();
    if plan.local {
        undo.trees.push(vault.clone());
        let store = Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &vault)?;
        store.join(&host_key)?;
        let fingerprint = Fingerprint::of(&store.public_key());
        vaults.push(KitVault { name: "local".into(), place: Place::Folder(vault.clone()), fingerprint });
    }
    if let Some((name, token)) = &plan.join {
        let (place, fingerprint) = (Place::Address(token.address.clone()), token.fingerprint);
        vaults.push(KitVault { name: name.clone(), place, fingerprint });
    }
    let (mut recipients, mut readers) = (plan.recipients.clone(), plan.readers.clone());
    if let Some(recovery) = &recovery {
        let (secret, recipient) = new_identity();
        let kit = Kit { hosts: vec![(plan.host.clone(), host_key)], vaults: vaults.clone() };
        undo.files.push(recovery.clone());
        hostkeys::write_secret(recovery, &kit.text(&secret, &recipient))?;
        recipients.push(recipient);
        readers.push(restore_credential(&secret)?.public());
    }
    if stop.is_cancelled() {
        return Err(Failure::interrupted());
    }
    let text = config_text(plan, &recipients, &readers, &text_paths, &vaults);
    if let Some((_, token)) = &plan.join {
        // Last: the token is used up by this, and cannot be used again with other keys.
        let signing = hostkeys::signing_key(&keys)?;
        let joined = join(token, &signing, Some(&plan.tenant), &plan.host, &readers)?;
        expect(&joined, Role::Write)?;
    }
    undo.files.push(config.clone());
    publish(&RealDisk, dir, &config, text.as_bytes(), None, false)
        .map_err(|e| Failure::failed(format!("cannot write {}", config.display())).because(&e))?;
    undo.keep();
    Ok(Made { config, recovery, vaults })
}

fn refuse_existing(path: &Path) -> Outcome<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(Failure::failed(format!("{} is there already; nothing was changed", path.display()))
            .hint("choose another folder with --dir, or use what is there: `vow config check`")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // A file where a folder should be, and the like: making the folder would say it less clearly.
        Err(e) => Err(Failure::io("look at", path, e)),
    }
}

fn as_text(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} is not UTF-8 and cannot stand in vow.toml", path.display()))
            .hint("name a folder above it")
    })
}

fn config_text(
    plan: &NewPlan,
    recipients: &[Recipient],
    readers: &[PublicKey],
    paths: &[&str],
    vaults: &[KitVault],
) -> String {
    let recipients: Vec<_> = recipients.iter().map(Recipient::text).collect();
    let readers: Vec<_> = readers.iter().map(|key| hex(&key.0)).collect();
    let readers: Vec<_> = readers.iter().map(String::as_str).collect();
    let mut text = format!(
        "# The plan of this host. `vow config check` checks it; more vaults and sources can be added.\n\n\
         [host]\ntenant = {}\nname = {}\nrecipients = {}\nreaders = {}\n",
        quoted(&plan.tenant),
        quoted(&plan.host),
        list(&recipients),
        list(&readers),
    );
    for vault in vaults {
        text.push('\n');
        text.push_str(&vault_block(&vault.name, &vault.place, &vault.fingerprint));
    }
    text.push_str(&format!("\n[[source]]\nname = \"files\"\ntype = \"files\"\npaths = {}\n", list(paths)));
    if !plan.exclude.is_empty() {
        let exclude: Vec<_> = plan.exclude.iter().map(String::as_str).collect();
        text.push_str(&format!("exclude = {}\n", list(&exclude)));
    }
    text
}

/// A vault as it stands in vow.toml.
pub(crate) fn vault_block(name: &str, place: &Place, fingerprint: &Fingerprint) -> String {
    let place = match place {
        // The vault that is made beside the configuration moves with it.
        Place::Folder(_) if name == "local" => "path = \"vault\"".to_owned(),
        Place::Folder(path) => format!("path = {}", quoted(&path.to_string_lossy())),
        Place::Address(address) => format!("url = {}", quoted(&address.to_string())),
    };
    format!(
        "[[vault]]\nname = {}\n{place}\nfingerprint = {}\n",
        quoted(name),
        quoted(&fingerprint.to_string())
    )
}

fn list(texts: &[&str]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// What is removed again unless everything came to be. Nothing that was there before is ever in here.
#[derive(Default)]
struct Undo {
    files: Vec<PathBuf>,
    trees: Vec<PathBuf>,
    dirs: Vec<PathBuf>,
    kept: bool,
}

impl Undo {
    fn make_dirs(&mut self, dir: &Path) -> Outcome<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if parent(dir) != dir {
            self.make_dirs(parent(dir))?;
        }
        self.dir(dir)?;
        self.dirs.push(dir.to_owned());
        RealDisk.sync_dir(parent(dir))?;
        Ok(())
    }

    fn dir(&self, dir: &Path) -> Outcome<()> {
        fs::DirBuilder::new().mode(0o700).create(dir).map_err(|e| Failure::io("create the folder", dir, e))
    }

    fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Best effort: the failure that led here is the one to report.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for tree in &self.trees {
            let _ = fs::remove_dir_all(tree);
        }
        for dir in self.dirs.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use vow_agent::plan::quoted;

    #[test]
    fn strings_are_quoted_as_toml() {
        for text in ["a", "a\"b\\c", "two\nlines", "'", "ü\t"] {
            let line = format!("x = {}", quoted(text));
            let read: toml::Table = toml::from_str(&line).expect("what was quoted");
            assert_eq!(read["x"].as_str(), Some(text), "{line}");
        }
    }
}
