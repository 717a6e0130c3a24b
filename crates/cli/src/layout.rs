//! Making a new plan: keys, vault, recovery identity and `vow.toml`, all of it or nothing.

use crate::commands::vault::join::{expect, join};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::kit::{Kit, KitVault};
use crate::signals;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_agent::plan::{Place, RECOVERY_KEY, quoted};
use vow_base::Fingerprint;
use vow_base::clock::SystemClock;
use vow_base::disk::{Disk, RealDisk};
use vow_base::id::hex;
use vow_base::publish::{parent, publish};
use vow_base::sign::PublicKey;
use vow_console::server::Folder;
use vow_console::server::config::{HOSTS_PORT, WEB_PORT};
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
    /// Sources as they stand in the plan, which is then explained from its first line; otherwise one of files with the paths.
    pub(crate) sources: Option<String>,
    /// Make a console in the folder, for this machine alone.
    pub(crate) console: bool,
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
    dir.join(RECOVERY_KEY)
}

/// The console that `up` makes.
pub(crate) fn console_dir(dir: &Path) -> PathBuf {
    dir.join("console")
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
    let console = plan.console.then(|| console_dir(dir));
    for path in [&config, &keys, &vault, &state].into_iter().chain(&recovery).chain(&console) {
        refuse_existing(path)?;
    }
    for path in &plan.paths {
        fs::symlink_metadata(path).map_err(|e| {
            Failure::io("look at", path, e)
                .during("a path to back up is not there")
                .hint("correct the path; nothing was made")
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
    let mut text = config_text(plan, &recipients, &readers, &text_paths, &vaults);
    if let Some(console) = &console {
        undo.dir(console)?;
        undo.trees.push(console.clone());
        RealDisk.sync_dir(dir)?;
        text.push_str(&own_console(console)?);
    }
    if stop.is_cancelled() {
        return Err(Failure::interrupted());
    }
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

const PLAIN: &str =
    "# The plan of this host. `vow config check` checks it; more vaults and sources can be added.\n";
const EXPLAINED: &str = "\
# The plan of this host, written by `vow up`, which never changes it again. Change what you like: `vow config check`
# says what is wrong with it, and it counts from the next run on. There is no secret in it.
";
const RECIPIENTS: &str = "\
# Snapshots are sealed to these public keys. The secret half is in the recovery kit and nowhere else: nothing on this
# machine opens a snapshot without it. A second one, kept elsewhere: `vow key new -o FILE`, and its recipient here.
";
const READERS: &str = "\
# Who may read what this host sends to vaults behind an address: the recovery kit again, by another of its keys.
";
const LOCAL: &str = "
# Where snapshots go. A vault on this machine's own disk is for a fast restore: it goes with the disk, and whoever is
# root here can remove it. Add one behind an address with a token from it: `vow vault join TOKEN`.
";
const REMOTE: &str = "
# Where snapshots go. This machine can add to it and do nothing else there.
";

/// A console that only this machine reaches, in a folder that is there; gives its lines of the plan.
fn own_console(dir: &Path) -> Outcome<String> {
    let [hosts, web] = free_ports()?;
    let address = format!("https://127.0.0.1:{hosts}");
    let settings = format!(
        "# The console of this machine alone, made by `vow up`. docs/console.md, \"Settings\", has everything that can stand here.\n\n\
         address = {}\nlisten_hosts = [{}]\nlisten_web = [{}]\nweb_address = {}\n",
        quoted(&address),
        quoted(&format!("127.0.0.1:{hosts}")),
        quoted(&format!("127.0.0.1:{web}")),
        quoted(&format!("http://127.0.0.1:{web}")),
    );
    let folder = Folder::create(dir, &settings)?;
    let fingerprint = Fingerprint::of(&folder.key()?.public());
    Ok(format!(
        "\n# Who is told of every run, drill and audit: the console that `vow up` made beside this file, for this machine alone.\n\
         [console]\nurl = {}\nfingerprint = {}\n",
        quoted(&address),
        quoted(&fingerprint.to_string()),
    ))
}

/// Ports of this machine that are free now: the usual ones, or others.
fn free_ports() -> Outcome<[u16; 2]> {
    let taken = |e: std::io::Error| Failure::failed("no port can be had on 127.0.0.1").because(&e);
    let open = |usual: u16| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, usual));
        listener.or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).map_err(taken)
    };
    // Both are held until both are chosen: else they could be the same.
    let (hosts, web) = (open(HOSTS_PORT)?, open(WEB_PORT)?);
    Ok([hosts.local_addr().map_err(taken)?.port(), web.local_addr().map_err(taken)?.port()])
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
    let explained = plan.sources.is_some();
    let say = |comment: &'static str| if explained { comment } else { "" };
    let mut text = format!(
        "{}\n[host]\ntenant = {}\nname = {}\n{}recipients = {}\n{}readers = {}\n{}",
        if explained { EXPLAINED } else { PLAIN },
        quoted(&plan.tenant),
        quoted(&plan.host),
        say(RECIPIENTS),
        list(&recipients),
        say(READERS),
        list(&readers),
        say(if plan.local { LOCAL } else { REMOTE }),
    );
    for vault in vaults {
        text.push('\n');
        text.push_str(&vault_block(&vault.name, &vault.place, &vault.fingerprint));
    }
    if let Some(sources) = &plan.sources {
        text.push('\n');
        text.push_str(sources);
        return text;
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
        Place::Bucket(url) => format!("url = {}", quoted(url)),
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
