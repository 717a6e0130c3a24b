//! Finding the PostgreSQL servers of this machine: those that run by their processes, the others by their data directories.

use super::access::{Access, AccessOptions};
use super::server;
use super::url::Url;
use crate::adapter::{Discovered, Part};
use std::fs;
use std::path::{Path, PathBuf};

/// Where data directories of packages are: one level above them.
const PLACES: &[&str] = &["/var/lib/postgresql", "/var/lib/pgsql"];

/// What a data directory says about its server.
struct Server {
    data: PathBuf,
    version: String,
    running: bool,
    /// Folder of its socket, and its port.
    socket: Option<(PathBuf, u16)>,
}

/// Every server of this machine.
pub(crate) fn servers() -> Vec<Discovered> {
    let mut found = running();
    for data in PLACES.iter().flat_map(|place| data_below(Path::new(place), 2)) {
        if !found.iter().any(|server| server.data == data)
            && let Some(server) = Server::at(&data, None)
        {
            found.push(server);
        }
    }
    found.sort_by(|a, b| a.data.cmp(&b.data));
    found.into_iter().map(describe).collect()
}

/// A server process works in its data directory, and wrote its own number there.
fn running() -> Vec<Server> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut servers: Vec<Server> = Vec::new();
    for process in processes {
        let name = process.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let comm = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if !matches!(comm.trim(), "postgres" | "postmaster") {
            continue;
        }
        let Ok(data) = fs::read_link(process.path().join("cwd")) else { continue };
        servers.extend(Server::at(&data, Some(id)));
    }
    servers
}

/// Folders with a `PG_VERSION` at most so many levels below.
fn data_below(place: &Path, levels: usize) -> Vec<PathBuf> {
    let folders = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = Vec::new();
    for folder in folders.filter(|path| path.is_dir()) {
        if folder.join("PG_VERSION").exists() && folder.join("global").exists() {
            found.push(folder);
        } else if levels > 1 {
            found.extend(data_below(&folder, levels - 1));
        }
    }
    found
}

impl Server {
    /// The server of this data directory; with a process, only when that one is the server itself.
    fn at(data: &Path, process: Option<u32>) -> Option<Self> {
        let version = fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().to_owned();
        // Lines: process, data directory, start, port, socket folder, listen address.
        let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let owner = lines.first().and_then(|line| line.parse::<u32>().ok());
        if process.is_some() && owner != process {
            return None;
        }
        let running = owner.is_some_and(|id| Path::new(&format!("/proc/{id}")).exists());
        let port = lines.get(3).and_then(|line| line.parse().ok());
        let folder = lines.get(4).filter(|line| line.starts_with('/')).map(PathBuf::from);
        let socket = folder.zip(port).filter(|_| running);
        Some(Self { data: data.to_owned(), version, running, socket })
    }
}

fn describe(server: Server) -> Discovered {
    let Server { data, version, running, socket } = server;
    let place = data.display();
    let name = format!("PostgreSQL {version} in {place}");
    let mut out = Discovered {
        kind: "postgres",
        name,
        url: socket
            .as_ref()
            .map(|(folder, port)| format!("postgres:///?host={}&port={port}", folder.display())),
        data: Some(data),
        running,
        parts: Vec::new(),
        problems: Vec::new(),
    };
    match socket {
        Some((folder, port)) => match databases(&folder, port) {
            Ok(parts) => out.parts = parts,
            Err(why) => out.problems.push(format!("its databases cannot be listed: {why}")),
        },
        None if running => out.problems.push("it has no local socket: its databases cannot be listed".into()),
        None => out.problems.push("it does not run: its databases cannot be listed".into()),
    }
    out
}

fn databases(folder: &Path, port: u16) -> Result<Vec<Part>, super::PostgresError> {
    let go_on = || false;
    let access = Access::open(&AccessOptions::of(Url::of_socket(folder, port, None)), &go_on)?;
    let databases = server::databases(&mut access.home(&go_on)?, &go_on)?;
    let part = |database: server::Database| Part {
        problem: database.refuses().map(str::to_owned),
        bytes: database.bytes,
        name: database.name,
    };
    Ok(databases.into_iter().filter(|database| database.name != "template0").map(part).collect())
}

/// Whether a source with this URL captures that server: the same socket, or this machine and the same port.
pub(crate) fn covers(url: &Url, server: &Discovered) -> bool {
    let Some(other) = server.url.as_deref().and_then(|url| Url::parse(url).ok()) else { return false };
    let here = |url: &Url| {
        let host = url.get("host").or_else(|| url.get("hostaddr"));
        matches!(host, Some("localhost" | "127.0.0.1" | "::1"))
    };
    let real = |url: &Url| url.socket().and_then(|socket| fs::canonicalize(socket).ok());
    url.port() == other.port() && (here(url) || real(url).is_some() && real(url) == real(&other))
}
