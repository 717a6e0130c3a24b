//! Answers to the kernel.

use super::attributes::{attributes, file_type};
use super::nodes::{Nodes, TOP};
use super::tree::{Node, Tree};
use crate::ui;
use fuser::{
    AccessFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyXattr, Request,
};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vow_store::archive::{ArchiveError, FileReader};
use vow_store::listing::entry::Kind;

/// Nothing changes, so nothing needs to be asked again.
const FOR_EVER: Duration = Duration::from_secs(86_400);
/// The two questions of `lseek` that come here; numbers of Linux.
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;
const FIRST: Generation = Generation(0);

/// The file system.
pub(crate) struct Mounted {
    tree: Tree,
    nodes: Mutex<Nodes>,
    files: Mutex<HashMap<u64, Arc<Mutex<FileReader>>>>,
    folders: Mutex<HashMap<u64, Arc<Mutex<Listing>>>>,
    last_handle: AtomicU64,
}

/// A folder that is being listed.
struct Listing {
    names: Vec<(Vec<u8>, Node)>,
}

impl Mounted {
    /// Shows this tree.
    pub(crate) fn new(tree: Tree) -> Self {
        let nodes = Mutex::new(Nodes::new());
        Self {
            tree,
            nodes,
            files: Mutex::default(),
            folders: Mutex::default(),
            last_handle: AtomicU64::new(0),
        }
    }

    fn node(&self, number: INodeNo) -> Result<Node, Errno> {
        let number = u64::from(number);
        if number == TOP {
            return self.tree.top().map_err(|error| refused(&error));
        }
        lock(&self.nodes).get(number).ok_or(Errno::ESTALE)
    }

    fn entry(
        &self,
        number: INodeNo,
    ) -> Result<Arc<vow_store::listing::entry::Entry<vow_base::ObjectId>>, Errno> {
        match self.node(number)? {
            Node::Entry(_, entry) => Ok(entry),
            _ => Err(Errno::ENODATA),
        }
    }

    fn found(&self, parent: INodeNo, name: &OsStr) -> Result<Option<Node>, Errno> {
        self.tree.lookup(&self.node(parent)?, name.as_bytes()).map_err(|error| refused(&error))
    }

    fn handle(&self) -> u64 {
        self.last_handle.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn open_file(&self, number: INodeNo) -> Result<u64, Errno> {
        let Node::Entry(snapshot, entry) = self.node(number)? else { return Err(Errno::EISDIR) };
        if entry.kind != Kind::File {
            return Err(Errno::EINVAL);
        }
        let open = || self.tree.open(snapshot)?.file((*entry).clone());
        let file = open().map_err(|error| refused(&error))?;
        let handle = self.handle();
        lock(&self.files).insert(handle, Arc::new(Mutex::new(file)));
        Ok(handle)
    }

    fn read_file(&self, handle: FileHandle, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let file = lock(&self.files).get(&u64::from(handle)).cloned().ok_or(Errno::EBADF)?;
        let mut bytes = vec![0; size as usize];
        let read = lock(&file).read_at(offset, &mut bytes).map_err(|error| refused(&error))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Where the data or the hole behind an offset begins, as `lseek` asks for it.
    fn seek(&self, handle: FileHandle, offset: i64, whence: i32) -> Result<i64, Errno> {
        let file = lock(&self.files).get(&u64::from(handle)).cloned().ok_or(Errno::EBADF)?;
        let file = lock(&file);
        let size = file.entry().size;
        let from = u64::try_from(offset).ok().filter(|from| *from < size).ok_or(Errno::ENXIO)?;
        let found = match whence {
            SEEK_DATA => file.data_from(from).map(|(start, _)| start).ok_or(Errno::ENXIO)?,
            SEEK_HOLE => {
                let mut at = from;
                while let Some((start, end)) = file.data_from(at).filter(|(start, _)| *start == at) {
                    at = end.max(start + 1);
                }
                at.min(size)
            }
            _ => return Err(Errno::EINVAL),
        };
        i64::try_from(found).map_err(|_| Errno::EOVERFLOW)
    }

    fn open_folder(&self, number: INodeNo) -> Result<u64, Errno> {
        let node = self.node(number)?;
        let children = self.tree.children(&node).map_err(|error| refused(&error))?;
        let names = children.collect::<Result<Vec<_>, _>>().map_err(|error| refused(&error))?;
        let handle = self.handle();
        lock(&self.folders).insert(handle, Arc::new(Mutex::new(Listing { names })));
        Ok(handle)
    }

    /// Hands on what stands in a folder from `offset` on, until `add` says that there is no more room. The folder itself and the one
    /// above stand first; nobody asks for their numbers.
    fn list(
        &self,
        handle: FileHandle,
        offset: u64,
        mut add: impl FnMut(u64, &[u8], u64, Option<&Node>) -> bool,
    ) -> Result<(), Errno> {
        let listing = lock(&self.folders).get(&u64::from(handle)).cloned().ok_or(Errno::EBADF)?;
        let listing = lock(&listing);
        let dots = [(b".".as_slice(), None), (b"..".as_slice(), None)];
        let names = listing.names.iter().map(|(name, node)| (name.as_slice(), Some(node)));
        for (at, (name, node)) in dots.into_iter().chain(names).enumerate().skip(offset as usize) {
            let number = node.map_or(TOP, |node| lock(&self.nodes).number(node));
            if add(number, name, at as u64 + 1, node) {
                break;
            }
        }
        Ok(())
    }

    fn hold(&self, node: Node) -> fuser::FileAttr {
        let mut nodes = lock(&self.nodes);
        let number = nodes.number(&node);
        let attributes = attributes(&self.tree, number, &node);
        nodes.hold(number, node);
        attributes
    }
}

impl Filesystem for Mounted {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Without these, every name of a folder is looked up on its own: slower, and no less right.
        let _ = config.add_capabilities(InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_READDIRPLUS_AUTO);
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.found(parent, name) {
            Ok(Some(node)) => reply.entry(&FOR_EVER, &self.hold(node), FIRST),
            Ok(None) => reply.error(Errno::ENOENT),
            Err(error) => reply.error(error),
        }
    }

    fn forget(&self, _req: &Request, number: INodeNo, lookups: u64) {
        lock(&self.nodes).forget(number.into(), lookups);
    }

    fn getattr(&self, _req: &Request, number: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.node(number) {
            Ok(node) => reply.attr(&FOR_EVER, &attributes(&self.tree, number.into(), &node)),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _req: &Request, number: INodeNo, reply: ReplyData) {
        match self.node(number) {
            Ok(Node::Latest(_, _, name)) => reply.data(name.as_bytes()),
            Ok(Node::Entry(_, entry)) if entry.kind == Kind::Symlink => reply.data(&entry.target),
            Ok(_) => reply.error(Errno::EINVAL),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _req: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.open_file(number) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _req: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_file(handle, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn lseek(
        &self,
        _req: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        match self.seek(handle, offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _req: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        lock(&self.files).remove(&u64::from(handle));
        reply.ok();
    }

    fn opendir(&self, _req: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.open_folder(number) {
            Ok(handle) => {
                reply.opened(FileHandle(handle), FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE)
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _req: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = self.list(handle, offset, |number, name, next, node| {
            let kind = node.map_or(fuser::FileType::Directory, file_type);
            reply.add(INodeNo(number), next, kind, OsStr::from_bytes(name))
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn readdirplus(
        &self,
        _req: &Request,
        here: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = self.list(handle, offset, |number, name, next, node| {
            let attributes = match node {
                Some(node) => attributes(&self.tree, number, node),
                // The kernel takes only the kind of these two.
                None => attributes(&self.tree, here.into(), &Node::Top),
            };
            let full =
                reply.add(INodeNo(number), next, OsStr::from_bytes(name), &FOR_EVER, &attributes, FIRST);
            if let Some(node) = node.filter(|_| !full) {
                lock(&self.nodes).hold(number, node.clone());
            }
            full
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn releasedir(
        &self,
        _req: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        lock(&self.folders).remove(&u64::from(handle));
        reply.ok();
    }

    fn getxattr(&self, _req: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let value = self.entry(number).and_then(|entry| {
            let found = entry.xattrs.iter().find(|(other, _)| other == name.as_bytes());
            found.map(|(_, value)| value.clone()).ok_or(Errno::ENODATA)
        });
        answer(value, size, reply);
    }

    fn listxattr(&self, _req: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        let names = match self.entry(number) {
            Ok(entry) => {
                Ok(entry.xattrs.iter().flat_map(|(name, _)| [name.as_slice(), b"\0"].concat()).collect())
            }
            Err(Errno::ENODATA) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        answer(names, size, reply);
    }

    fn access(&self, _req: &Request, _number: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        // Whoever holds the identity may read everything; for others the kernel checks, by `default_permissions`.
        if mask.contains(AccessFlags::W_OK) { reply.error(Errno::EROFS) } else { reply.ok() }
    }
}

/// Answers a question for an attribute: first how long it is, then what it is.
fn answer(value: Result<Vec<u8>, Errno>, size: u32, reply: ReplyXattr) {
    match value {
        Err(error) => reply.error(error),
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}

/// Programs get a number; the person who mounted gets the reason.
fn refused(error: &ArchiveError) -> Errno {
    ui::diagnose(&format!("vow mount: {error}"));
    Errno::EIO
}

/// Each of these is whole after every single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
