//! A web server for one folder on loopback, and the client that asks it. Reads only, follows no link out of the folder.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Neither side waits longer for the other.
const PATIENCE: Duration = Duration::from_secs(20);
/// A request line is not longer.
const LINE_MAX_BYTES: u64 = 16 << 10;
/// Of an answer no more is read.
pub(super) const BODY_MAX_BYTES: u64 = 96 << 20;
/// What a folder is answered with.
const INDEX: [&str; 3] = ["index.html", "index.htm", "index.xhtml"];

/// Serves `root` until the process ends; gives where.
pub(super) fn start(root: &Path) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let root = root.canonicalize()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            // A browser that hangs up is no harm.
            std::thread::spawn(move || drop(answer(&root, stream)));
        }
    });
    Ok(address)
}

fn answer(root: &Path, stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream.take(LINE_MAX_BYTES * 4));
    let mut line = String::new();
    lines.by_ref().take(LINE_MAX_BYTES).read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // The rest of the head says nothing that matters here.
    loop {
        let mut header = String::new();
        if lines.read_line(&mut header)? <= 2 {
            break;
        }
    }
    let found = if matches!(method, "GET" | "HEAD") { find(root, target) } else { Found::Absent };
    match found {
        Found::Absent => write!(out, "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        Found::Moved(to) => write!(out, "HTTP/1.0 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
        Found::File(path) => {
            let mut file = File::open(&path)?;
            let (length, kind) = (file.metadata()?.len(), kind_of(&path));
            write!(out, "HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")?;
            if method == "GET" {
                io::copy(&mut file, &mut out)?;
            }
            Ok(())
        }
    }
}

enum Found {
    File(PathBuf),
    Moved(String),
    Absent,
}

/// The file that a target means.
fn find(root: &Path, target: &str) -> Found {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let Some(decoded) = decoded(path) else { return Found::Absent };
    let relative = decoded.trim_start_matches('/');
    if !decoded.starts_with('/') || relative.split('/').any(|part| part == "..") || decoded.contains('\0') {
        return Found::Absent;
    }
    let within = |path: PathBuf| path.canonicalize().ok().filter(|path| path.starts_with(root));
    match within(root.join(relative)) {
        Some(file) if file.is_file() && !decoded.ends_with('/') => Found::File(file),
        Some(folder) if folder.is_dir() => {
            let index = INDEX.iter().find_map(|name| within(folder.join(name)).filter(|file| file.is_file()));
            match index {
                Some(_) if !decoded.ends_with('/') => Found::Moved(format!("{path}/")),
                Some(file) => Found::File(file),
                None => Found::Absent,
            }
        }
        _ => Found::Absent,
    }
}

/// `%41` is `A`; `None` for what is no text then.
fn decoded(path: &str) -> Option<String> {
    let (mut bytes, mut out) = (path.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let pair = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

fn kind_of(path: &Path) -> &'static str {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    match end.as_str() {
        "html" | "htm" => "text/html",
        "xhtml" => "application/xhtml+xml",
        "css" => "text/css",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// An answer.
pub(super) struct Answer {
    /// 200, or why not.
    pub(super) status: u16,
    /// `text/html`.
    pub(super) kind: String,
    /// Where to go instead.
    pub(super) location: Option<String>,
    /// What was sent.
    pub(super) body: Vec<u8>,
}

/// Asks for a path.
pub(super) fn ask(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // What would end the line is no path.
    let path: String = path.chars().filter(|c| !c.is_control() && *c != ' ').collect();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut reader = BufReader::new(stream.take(BODY_MAX_BYTES));
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let value = |name: &str| {
        let lines = head.iter().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
    };
    let status = head.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let (kind, location) = (value("Content-Type").unwrap_or_default(), value("Location"));
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok(Answer { status, kind, location, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_served_and_nothing_outside_of_it() {
        let temp = tempfile::tempdir().expect("a folder");
        let root = temp.path().join("www");
        std::fs::create_dir_all(root.join("sub dir")).expect("made");
        std::fs::write(temp.path().join("secret"), "s").expect("written");
        std::fs::write(root.join("sub dir/index.html"), "<p>hello").expect("written");
        std::os::unix::fs::symlink(temp.path().join("secret"), root.join("link")).expect("made");
        let address = start(&root).expect("served");
        let status = |path: &str| ask(address, path).expect("an answer").status;
        let page = ask(address, "/sub%20dir/?x").expect("an answer");
        assert_eq!(
            (page.status, page.kind.as_str(), page.body.as_slice()),
            (200, "text/html", &b"<p>hello"[..])
        );
        assert_eq!(ask(address, "/sub%20dir").expect("an answer").location.as_deref(), Some("/sub%20dir/"));
        for outside in [
            "/",
            "/../secret",
            "/%2e%2e/secret",
            "/link",
            "/sub%20dir/index.html/",
            "secret",
            "/%zz",
            "/a%00b",
        ] {
            assert_eq!(status(outside), 404, "{outside}");
        }
    }
}
