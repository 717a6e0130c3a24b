//! Finding the MariaDB servers of this machine: those that run by their processes, the others by their data directories.

use super::access::{Access, AccessOptions};
use super::server;
use super::url::Url;
use crate::adapter::{Discovered, Part};
use std::fs;
use std::path::{Path, PathBuf};

/// Where data directories of packages are.
const PLACES: &[&str] = &["/var/lib/mysql", "/var/lib/mariadb", "/usr/local/mysql/data"];
/// Names of server processes.
const NAMES: &[&str] = &["mariadbd", "mysqld"];

struct Server {
    data: PathBuf,
    running: bool,
    socket: Option<PathBuf>,
}

/// Every server of this machine.
pub(crate) fn servers() -> Vec<Discovered> {
    let mut found = running();
    for data in PLACES.iter().map(PathBuf::from).filter(|data| data.join("ibdata1").exists()) {
        if !found.iter().any(|server| same(&server.data, &data)) {
            found.push(Server { data, running: false, socket: None });
        }
    }
    found.sort_by(|a, b| a.data.cmp(&b.data));
    found.into_iter().map(describe).collect()
}

fn same(a: &Path, b: &Path) -> bool {
    fs::canonicalize(a).ok().is_some_and(|a| fs::canonicalize(b).ok() == Some(a))
}

/// A server process works in its data directory.
fn running() -> Vec<Server> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut servers: Vec<Server> = Vec::new();
    for process in processes {
        let comm = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if !NAMES.contains(&comm.trim()) {
            continue;
        }
        let Ok(data) = fs::read_link(process.path().join("cwd")) else { continue };
        // Several threads of starting look alike for a moment.
        if !data.join("ibdata1").exists() || servers.iter().any(|server| server.data == data) {
            continue;
        }
        let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> =
            words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let socket = socket(&words).or_else(|| socket_of(&process.path()));
        servers.push(Server { data, running: true, socket: socket.filter(|path| path.exists()) });
    }
    servers
}

/// The socket that its arguments or the option file among them name.
fn socket(words: &[String]) -> Option<PathBuf> {
    let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)).map(PathBuf::from);
    let named = value("--socket=").or_else(|| {
        let file = value("--defaults-file=").or_else(|| value("--defaults-extra-file="))?;
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().map(str::trim).rfind(|line| line.starts_with("socket"))?;
        line.split_once('=').map(|(_, path)| PathBuf::from(path.trim()))
    });
    named.filter(|path| path.is_absolute())
}

/// The socket it listens on, by what the kernel says of the process' files.
fn socket_of(process: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(process.join("fd")).ok()?.flatten();
    let links = files.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode = |link: PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    let inodes: Vec<_> = links.filter_map(inode).collect();
    let table = fs::read_to_string(process.join("net/unix")).ok()?;
    table.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        // Number: RefCount Protocol Flags Type State Inode Path; the flag says that it listens.
        let [_, _, _, "00010000", _, _, inode, path, ..] = words.as_slice() else { return None };
        inodes.iter().any(|own| own == inode).then(|| PathBuf::from(path))
    })
}

fn describe(server: Server) -> Discovered {
    let Server { data, running, socket } = server;
    let mut out = Discovered {
        kind: "mariadb",
        name: format!("MariaDB in {}", data.display()),
        url: socket.as_ref().map(|socket| format!("mariadb:///?socket={}", socket.display())),
        data: Some(data.clone()),
        running,
        parts: Vec::new(),
        problems: Vec::new(),
    };
    match socket {
        Some(socket) => match databases(&socket) {
            Ok((version, parts)) => {
                out.name = format!("{version} in {}", data.display());
                out.parts = parts;
            }
            Err(why) => out.problems.push(format!("its databases cannot be listed: {why}")),
        },
        None if running => out.problems.push("it has no local socket: its databases cannot be listed".into()),
        None => out.problems.push("it does not run: its databases cannot be listed".into()),
    }
    out
}

fn databases(socket: &Path) -> Result<(String, Vec<Part>), super::MariaDbError> {
    let go_on = || false;
    let access = Access::open(&AccessOptions::of(Url::of_socket(socket, None)), &go_on)?;
    let mut session = access.session(&go_on)?;
    let version = session.value("asking for the version", "SELECT @@version", &go_on)?;
    let flavour = access.tools.flavour.name();
    let version = version.split('-').next().unwrap_or_default().to_owned();
    let databases = server::databases(&mut session, &go_on)?;
    let part = |database: super::truth::DatabaseFacts| Part {
        name: database.name,
        bytes: Some(database.bytes),
        problem: None,
    };
    Ok((format!("{flavour} {version}"), databases.into_iter().map(part).collect()))
}

/// Whether a source with this URL captures that server: the same socket, or this machine and its usual port.
pub fn covers(url: &Url, server: &Discovered) -> bool {
    let Some(other) = server.url.as_deref().and_then(|url| Url::parse(url).ok()) else { return false };
    let here = matches!(url.get("host"), Some("localhost" | "127.0.0.1" | "::1"));
    let real = |url: &Url| url.socket().and_then(|socket| fs::canonicalize(socket).ok());
    match url.get("host") {
        // Which of several servers has a port cannot be told from its socket.
        Some(_) => here && url.port() == other.port() && is_usual(&other),
        None => real(url).is_some() && real(url) == real(&other),
    }
}

fn is_usual(url: &Url) -> bool {
    url.get("socket").is_some_and(|socket| socket.starts_with("/run/") || socket.starts_with("/var/"))
}
