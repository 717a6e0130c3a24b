//! What scratch servers of every kind need: room, an account that may be used, no network to reach anybody by, and to be thrown away.

mod room;
mod sockets;
mod throwaway;

pub use room::Room;
pub(crate) use room::with_room;
pub(crate) use throwaway::Throwaway;

use crate::process::{Account, Launcher};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNSHARE: &str = "/usr/bin/unshare";
/// Twice the data's size is wanted free: indexes are built by sorting.
const SPACE_FACTOR: u64 = 2;
/// And this much for the server itself.
const SPACE_BASE_BYTES: u64 = 256 << 20;

/// Insists on room for a server with this much data below `place`.
///
/// # Errors
/// What is lacking, as the rest of a sentence about the scratch server.
pub(crate) fn check_space(place: &Path, bytes: u64) -> Result<(), String> {
    let free = room::free_bytes(place).map_err(|e| format!("cannot be put into {}: {e}", place.display()))?;
    let wanted = bytes.saturating_mul(SPACE_FACTOR).saturating_add(SPACE_BASE_BYTES);
    if free >= wanted {
        return Ok(());
    }
    let (free, wanted, place) = (free >> 20, wanted >> 20, place.display());
    Err(format!(
        "needs about {wanted} MiB in {place}, where {free} MiB are free; name a roomier place with --scratch"
    ))
}

/// The path of a socket is not longer, in bytes.
const SOCKET_MAX_BYTES: usize = 107;

/// Insists that a server can listen here.
///
/// # Errors
/// What is wrong, as the rest of a sentence about the scratch server.
pub(crate) fn check_socket(socket: &Path) -> Result<(), String> {
    let length = socket.as_os_str().len();
    if length <= SOCKET_MAX_BYTES {
        return Ok(());
    }
    Err(format!(
        "cannot listen on {}: the path of a socket has {SOCKET_MAX_BYTES} bytes at most, and this one has {length}; name a place with \
         a shorter path with --scratch",
        socket.display()
    ))
}

/// Writes a file that is not there yet, into a folder that may be another account's: nothing that was put in its place is written to.
pub(crate) fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

/// Who reads what a strange host made: for root the first of these accounts that exists, or nobody.
pub(crate) fn least(names: &[&str]) -> Option<Account> {
    let named = || names.iter().chain(&["nobody"]).find_map(|name| Account::named(name));
    rustix::process::geteuid().is_root().then(named).flatten()
}

/// The account for a server that refuses root: oneself, or for root the first of these that exists, or nobody.
///
/// # Errors
/// There is none, as the rest of a sentence about the scratch server.
pub(crate) fn account(names: &[&str]) -> Result<Account, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Account::own());
    }
    least(names).ok_or_else(|| {
        format!("needs an account to run as: neither {} nor nobody exists", names.join(" nor "))
    })
}

/// What a scratch server may still reach, where it cannot be kept from it.
const ITS_NETWORK: &str =
    "the scratch server shares this machine's network and sockets: unshare does not work here";
const ITS_SOCKETS: &str =
    "the scratch server could reach sockets of other servers of this machine: they cannot be hidden here";

/// A command that runs as this account where it reaches nobody: in a network of its own, with the sockets of other programs hidden. What
/// came out of a snapshot (foreign tables, functions) may want to talk to the very server that it was captured from. Gives a note where
/// that cannot be had.
///
/// Root makes these name spaces itself; under a service manager that took the right to do so away, the account makes them, in a user name
/// space.
pub(crate) fn isolated(
    account: &Account,
    launcher: &Launcher,
    server: &Path,
) -> (Command, Option<&'static str>) {
    let (uid, gid) = (account.uid.to_string(), account.gid.to_string());
    let (map_user, map_group) = (format!("--map-user={uid}"), format!("--map-group={gid}"));
    let as_account = ["--setgid", &gid, "--setuid", &uid, "--"];
    let (root, is_root) = (Launcher::default(), rustix::process::geteuid().is_root());
    let hiding: [(&Launcher, &[&str], &[&str]); 2] = [
        (&root, &["--net", "--mount", "--"], &as_account),
        (
            launcher,
            &["--user", "--map-root-user", "--net", "--mount", "--"],
            &["--user", &map_user, &map_group, "--"],
        ),
    ];
    let sockets = sockets::all();
    for (starter, alone, again) in hiding.into_iter().skip(usize::from(!is_root)) {
        let command = |sockets: Vec<&Path>| {
            let mut command = starter.command(Path::new(UNSHARE));
            command.args(alone).args(["/bin/sh", "-c", sockets::HIDE, "sh"]);
            command.arg(sockets.len().to_string()).args(sockets).arg(UNSHARE).args(again);
            command
        };
        // Whether one can be hidden shows whether any can.
        if works(starter, command(sockets.iter().take(1).map(PathBuf::as_path).collect())) {
            let mut command = command(sockets.iter().map(PathBuf::as_path).collect());
            command.arg(server).env("HOME", &account.home);
            return (command, None);
        }
    }
    let by_root = ["--net", "--setgid", &gid, "--setuid", &uid, "--"];
    let by_account = ["--user", "--map-current-user", "--net", "--"];
    let ways: [(&Launcher, &[&str]); 2] = [(&root, &by_root), (launcher, &by_account)];
    for (starter, options) in ways.into_iter().skip(usize::from(!is_root)) {
        let command = || {
            let mut command = starter.command(Path::new(UNSHARE));
            command.args(options);
            command
        };
        if works(starter, command()) {
            let mut command = command();
            command.arg(server).env("HOME", &account.home);
            return (command, Some(ITS_SOCKETS));
        }
    }
    (launcher.command(server), Some(ITS_NETWORK))
}

fn works(starter: &Launcher, mut command: Command) -> bool {
    command.arg("/bin/true");
    starter.output(command, 1 << 16, &|| false).is_ok_and(|(_, ended)| ended.status.success())
}
