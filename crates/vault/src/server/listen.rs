//! Where the vault listens: addresses, sockets from systemd, and the local socket for administration.

use super::config::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_base::vault::VaultError;

/// Why a vault is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The vault itself is in the way.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No connection can be taken at this address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The local socket cannot be made.
    #[error("cannot make the socket {path}: {reason}", path = path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What is in the way.
        reason: String,
    },
    /// The file with the token for `/metrics` cannot be used.
    #[error("cannot use the token in {path}: {reason}", path = path.display())]
    Token {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The vault's key cannot be used for TLS.
    #[error(transparent)]
    Tls(#[from] vow_protocol::tls::TlsError),
    /// The system gives no threads, sockets, …
    #[error("the server cannot start: {0}")]
    System(#[from] io::Error),
}

/// Connections that wait to be taken.
const BACKLOG: i32 = 1024;
/// A peer that is gone is noticed after about this time, also while it is waited for.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Listens on these addresses, or takes the sockets that systemd has opened already.
pub(super) fn open(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ServeError> {
    let mut handed = listenfd::ListenFd::from_env();
    if handed.len() > 0 {
        let mut listeners = Vec::new();
        for number in 0..handed.len() {
            let Some(listener) = handed.take_tcp_listener(number)? else { continue };
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
        return Ok(listeners);
    }
    addresses.iter().map(|address| listen(*address)).collect()
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let tried = try_listen(address);
    let listener = match tried {
        // A system without IPv6: "everywhere" is what was meant.
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && is_unsupported(&error) => {
            try_listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        other => other,
    };
    listener.map_err(|source| ServeError::Listen { address, source })
}

fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unsupported = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL, Errno::PROTONOSUPPORT];
    error.raw_os_error().is_some_and(|code| unsupported.iter().any(|errno| errno.raw_os_error() == code))
}

fn try_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // Inherited by the connections.
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Makes the local socket: nobody but the owner can ever connect, not even in the moment between its making and its closing.
///
/// It is made in a private folder beside its place and then moved there.
pub(super) fn local(path: &Path) -> Result<UnixListener, ServeError> {
    let wrong = |reason: String| ServeError::Socket { path: path.to_owned(), reason };
    let failed = |error: io::Error| wrong(error.to_string());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed)?;
    }
    let meta = std::fs::metadata(folder).map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != own && meta.uid() != 0 {
        return Err(wrong(format!("{} belongs to user {}", folder.display(), meta.uid())));
    }
    if meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0 {
        return Err(wrong(format!("others can write to {}", folder.display())));
    }
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(meta) if !meta.file_type().is_socket() => return Err(wrong("something else is there".into())),
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(wrong("another server uses it".into())),
        // Left by one that died: it gives way to ours.
        Ok(_) => {}
    }
    let private = folder.join(format!(".vow-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&private);
    std::fs::DirBuilder::new().mode(0o700).create(&private).map_err(failed)?;
    let made = make_in(&private, path);
    let _ = std::fs::remove_dir_all(&private);
    made.map_err(failed)
}

fn make_in(private: &Path, path: &Path) -> io::Result<UnixListener> {
    let inside = private.join("s");
    let listener = UnixListener::bind(&inside)?;
    std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&inside, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Sees to it that there are enough descriptors for everything the limits allow; says so when there are not.
pub(super) fn raise_descriptors(limits: &Limits) {
    // A connection, a file for each request, and what the process itself needs.
    let needed = (limits.connections + 2 * limits.requests + 256) as u64;
    let mut now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|soft| soft >= needed) {
        return;
    }
    now.current = Some(now.maximum.map_or(needed, |hard| hard.min(needed)));
    let raised = setrlimit(Resource::Nofile, now).is_ok();
    if !raised || now.current.is_some_and(|soft| soft < needed) {
        tracing::warn!(needed, allowed = ?getrlimit(Resource::Nofile).current, "the system allows fewer open files than the limits on connections need");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_socket_is_private_and_replaces_only_a_dead_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/vault.sock");
        let listener = local(&path).expect("a socket");
        let mode = std::fs::metadata(&path).expect("it").mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(local(&path).expect_err("in use").to_string().contains("another server"));
        drop(listener);
        local(&path).expect("the other one is dead");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "x").expect("a file");
        assert!(local(&path).expect_err("a file").to_string().contains("something else"));
        let names = std::fs::read_dir(path.parent().expect("a folder")).expect("listed").count();
        assert_eq!(names, 1, "nothing is left over");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("changed");
        let error = local(&folder.path().join("vault.sock")).expect_err("open to all");
        assert!(error.to_string().contains("others can write"), "{error}");
    }
}
