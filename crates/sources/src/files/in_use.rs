//! Data that is worth nothing when it is copied file by file while somebody writes it: of servers that run, and of SQLite databases.
//!
//! What lies still is copied like everything else. The names of a folder only raise the suspicion; then it is looked whether a server
//! has a file there open, or whether a log stands beside a database.

use super::names::Names;
use super::sys::{self, Seen};
use crate::proc;
use rustix::fd::AsFd;
use rustix::fs::OFlags;

/// Data directories by their looks, and the servers that may have them open.
struct Looks {
    server: &'static str,
    source: &'static str,
    programs: &'static [&'static str],
    /// Names that are all there.
    names: &'static [&'static [u8]],
    /// A running server has a file open whose path in the folder ends so.
    held: &'static [u8],
}

const SERVERS: [Looks; 3] = [
    Looks {
        server: "a running Redis",
        source: "redis",
        programs: &["redis-server", "valkey-server", "keydb-server"],
        names: &[b"appendonly.aof.manifest"],
        held: b".incr.aof",
    },
    Looks {
        server: "a running etcd",
        source: "etcd",
        programs: &["etcd"],
        names: &[b"snap", b"wal"],
        held: b"snap/db",
    },
    Looks {
        server: "a running OpenLDAP",
        source: "ldap",
        programs: &["slapd"],
        names: &[b"data.mdb", b"lock.mdb"],
        held: b"data.mdb",
    },
];

/// The server and the source type to use, when the folder is the data directory of a server that runs.
pub(crate) fn server(folder: impl AsFd, names: &Names) -> Option<(&'static str, &'static str)> {
    let looks = SERVERS.iter().find(|looks| looks.names.iter().all(|name| names.contains(name)))?;
    let processes = proc::named(looks.programs);
    let files: Vec<_> = match looks.held.starts_with(b".") {
        true => (0..names.len())
            .map(|at| names.get(at).0.to_vec())
            .filter(|name| name.ends_with(looks.held))
            .collect(),
        false => vec![looks.held.to_vec()],
    };
    let is_held = files.iter().any(|name| match sys::stat_at(&folder, name) {
        // Whose files may not be seen is taken for the one.
        Ok(Seen::Entry(stat)) => {
            processes.iter().any(|process| process.holds((stat.device, stat.inode)).unwrap_or(true))
        }
        _ => false,
    });
    is_held.then_some((looks.server, looks.source))
}

const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const JOURNAL_MAGIC: &[u8] = &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// SQLite databases in the folder part of whose content stands in a file beside them.
pub(crate) fn sqlite(folder: impl AsFd, names: &Names) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (beside, _) in (0..names.len()).map(|at| names.get(at)) {
        let database = [&b"-wal"[..], b"-journal"].iter().find_map(|end| beside.strip_suffix(*end));
        let Some(database) = database.filter(|name| names.contains(name)) else { continue };
        if is_sqlite(&folder, database) {
            found.push(database.to_vec());
        }
    }
    found
}

/// Whether this file is one of them.
pub(crate) fn is_sqlite(folder: impl AsFd, name: &[u8]) -> bool {
    let beside = |end: &[u8]| [name, end].concat();
    let has_log =
        || matches!(sys::stat_at(&folder, &beside(b"-wal")), Ok(Seen::Entry(stat)) if stat.size > 0);
    // A journal may be kept when its transaction is over; its beginning is then overwritten.
    let has_journal = || begins(&folder, &beside(b"-journal"), JOURNAL_MAGIC);
    (has_log() || has_journal()) && begins(&folder, name, SQLITE_MAGIC)
}

/// The files that belong to such a database.
pub(crate) fn files_of(database: &[u8]) -> [Vec<u8>; 4] {
    [&b""[..], b"-wal", b"-shm", b"-journal"].map(|end| [database, end].concat())
}

fn begins(folder: impl AsFd, name: &[u8], magic: &[u8]) -> bool {
    let Ok(file) = sys::open_at(folder, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) else {
        return false;
    };
    let mut start = vec![0; magic.len()];
    rustix::io::pread(&file, &mut start, 0).is_ok_and(|length| length == magic.len() && start == magic)
}
