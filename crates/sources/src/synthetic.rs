//! Entries of a snapshot that no file system has: folders and files that an adapter makes up.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use vow_store::listing::{Kind, Time, path};
use vow_store::source::{Attributes, Folder, Item, Stat, Stream};

/// A folder.
pub fn folder(path: &[u8]) -> Item {
    item(path, Kind::Dir, 0o700)
}

/// A file, to be given a stream.
pub fn file(path: &[u8]) -> Item {
    item(path, Kind::File, 0o600)
}

/// A stream of bytes that are there already.
pub fn bytes(bytes: Vec<u8>) -> Box<dyn Stream> {
    Box::new(Bytes(io::Cursor::new(bytes)))
}

fn item(path: &[u8], kind: Kind, mode: u32) -> Item {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Time { secs: since.as_secs() as i64, nanos: since.subsec_nanos() };
    let stat = Stat {
        kind,
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        size: 0,
        mtime: now,
        ctime: now,
        device: 0,
        inode: 0,
        links: 1,
        rdev: (0, 0),
        allocated: 0,
    };
    let name_bytes = path::name(path).len();
    Item { path: path.to_vec(), stat, folder: Arc::new(Nowhere), name_bytes, ancestor: false }
}

struct Bytes(io::Cursor<Vec<u8>>);

impl Stream for Bytes {
    fn read(&mut self, buffer: &mut [u8], _stop: &dyn Fn() -> bool) -> Result<usize, String> {
        io::Read::read(&mut self.0, buffer).map_err(|e| e.to_string())
    }

    fn finish(self: Box<Self>, _stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

/// The folder of what is on no disk: nothing can be opened, and there are no attributes.
struct Nowhere;

impl Folder for Nowhere {
    fn open_file(&self, _name: &[u8]) -> io::Result<std::fs::File> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn read_link(&self, _name: &[u8]) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn attributes(&self, _name: &[u8]) -> io::Result<Attributes> {
        Ok(Attributes::new())
    }

    fn attributes_of(&self, _file: &std::fs::File) -> io::Result<Attributes> {
        Ok(Attributes::new())
    }

    fn stat(&self, _name: &[u8]) -> io::Result<Stat> {
        Err(io::ErrorKind::NotFound.into())
    }
}
