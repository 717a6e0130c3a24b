//! A snapshot whose files were restored into a folder, made a data directory that a person starts a server from.

use super::super::error::MariaDbError;
use super::super::session::Stop;
use super::super::stored::Stored;
use super::super::tools::{Flavour, Tools};
use super::capture::STREAM;
use super::unpack;
use crate::adapter::Replay;
use crate::isolation;
use crate::process::{Account, Launcher};
use std::fs;
use std::path::Path;

/// The data directory below the folder.
const DATA: &str = "data";

/// Makes `root/data`. Gives what a person must know.
pub(crate) fn settle(
    stored: &Stored<'_>,
    root: &Path,
    replay: &Replay,
    stop: Stop<'_>,
) -> Result<Option<Vec<String>>, MariaDbError> {
    if !stored.is_physical() {
        return Ok(None);
    }
    let root = fs::canonicalize(root).map_err(MariaDbError::io("look at", root))?;
    let data = root.join(DATA);
    if data.exists() {
        return Err(MariaDbError::Refused(format!(
            "there is {} already: a data directory is made in a folder that has none",
            data.display()
        )));
    }
    let flavour = Flavour::of(&format!("{} {}", stored.facts.server_version, stored.facts.version_comment));
    let launcher = Launcher::default();
    let tools = Tools::find(&launcher, None, flavour)?;
    unpack(stored, &tools, &launcher, &data, stop)?;
    let owner = isolation::account(&["mysql"]).map_err(MariaDbError::Scratch)?;
    give_all(&data, &owner).map_err(MariaDbError::io("give away", &data))?;
    // It has become the data directory, and takes as much room.
    let stream = root.join(STREAM);
    fs::remove_file(&stream).map_err(MariaDbError::io("remove", &stream))?;
    let version = &stored.facts.server_version;
    let _ = replay;
    Ok(Some(vec![
        format!("the data directory is {}; it belongs to {}", data.display(), owner.name),
        format!(
            "start a server of version {version} with --datadir={}, and with --skip-slave-start and --event-scheduler=OFF until it is meant \
             to serve again",
            data.display()
        ),
    ]))
}

/// Everything in it belongs to the account that servers run as.
fn give_all(path: &Path, account: &Account) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(account.uid), Some(account.gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), account)?;
        }
    }
    Ok(())
}
