//! A snapshot whose files were restored into a folder, made a data directory that a person starts a server from.

use super::super::binlog;
use super::super::error::MariaDbError;
use super::super::live;
use super::super::scratch::Scratch;
use super::super::session::Stop;
use super::super::stored::Stored;
use super::super::tools::{Flavour, Tools};
use super::capture::STREAM;
use super::unpack;
use crate::adapter::Replay;
use crate::isolation;
use crate::process::{Account, Launcher};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The data directory below the folder.
const DATA: &str = "data";

/// Makes `root/data` of a copy of files, and of dumps when the binary log is to be replayed over them. Gives what a person must know.
pub(crate) fn settle(
    stored: &Stored<'_>,
    root: &Path,
    replay: &Replay,
    stop: Stop<'_>,
) -> Result<Option<Vec<String>>, MariaDbError> {
    if !stored.is_physical() && replay.log.is_none() {
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
    let owner = isolation::account(&["mysql"]).map_err(MariaDbError::Scratch)?;
    if stored.is_physical() {
        let flavour =
            Flavour::of(&format!("{} {}", stored.facts.server_version, stored.facts.version_comment));
        let launcher = Launcher::default();
        let tools = Tools::find(&launcher, None, flavour)?;
        unpack(stored, &tools, &launcher, &data, stop)?;
        owner.take_tree(&data).map_err(MariaDbError::io("give away", &data))?;
        // It has become the data directory, and takes as much room.
        let stream = root.join(STREAM);
        fs::remove_file(&stream).map_err(MariaDbError::io("remove", &stream))?;
    }
    if replay.log.is_some() {
        go_on(stored, &root, &data, &owner, replay, stop)?;
    }
    let version = &stored.facts.server_version;
    Ok(Some(vec![
        format!("the data directory is {}; it belongs to {}", data.display(), owner.name),
        format!(
            "start a server of version {version} with --datadir={}, and with --skip-slave-start and --event-scheduler=OFF until it is \
             meant to serve again",
            data.display()
        ),
    ]))
}

/// Lets a scratch server with this data directory replay the log.
fn go_on(
    stored: &Stored<'_>,
    root: &Path,
    data: &Path,
    owner: &Account,
    replay: &Replay,
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    if let Some(above) = owner.cannot_enter(root) {
        return Err(MariaDbError::Refused(format!(
            "the account {} cannot get into {}, so no server of it can replay the binary log there; name a target in a place that everybody \
             may enter, such as /var/lib",
            owner.name,
            above.display()
        )));
    }
    let launcher = Launcher::new(Some(owner.clone()));
    // Only its owner enters the target; the server is one of them until it has ended.
    let place = root.join("scratch");
    let make = || {
        launcher.give(root)?;
        fs::DirBuilder::new().mode(0o700).create(&place)?;
        launcher.give(&place)
    };
    make().map_err(MariaDbError::io("make", &place))?;
    let scratch = Scratch::of_folder(&place, data, &stored.facts, stop)?;
    if !stored.is_physical() {
        live::fill(stored, &scratch, stop)?;
    }
    binlog::replay(stored, &scratch, replay, stop)?;
    scratch.shut_down(stop)?;
    fs::remove_dir(&place).map_err(MariaDbError::io("remove", &place))?;
    if let Some(log) = &replay.log {
        fs::remove_dir_all(log).map_err(MariaDbError::io("remove", log))?;
    }
    Ok(())
}
