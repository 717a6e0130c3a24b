//! The files and folders of a disk in memory, as they are seen and as they are durable.

use super::{Action, Fate, Fault, Operation, Pending};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use vow_base::clock::Nanos;

pub(super) struct State {
    /// By number; the root folder is number 0.
    nodes: Vec<Node>,
    pub(super) log: Vec<Operation>,
    /// Numbers of operations that fail.
    pub(super) faults: Vec<(usize, Fault)>,
    /// The first operation of those that all fail.
    pub(super) stop: Option<usize>,
    pub(super) locks: HashSet<usize>,
    /// What the clock says.
    pub(super) time: Nanos,
}

enum Node {
    Folder(Folder),
    File(File),
}

#[derive(Default)]
struct Folder {
    now: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
}

struct File {
    bytes: Vec<u8>,
    /// So many bytes from the start survive a power cut.
    durable: usize,
    /// A sync failed: what was written before it can no longer become durable.
    spoiled: bool,
    secret: bool,
    stored: Nanos,
}

impl Default for State {
    fn default() -> Self {
        Self {
            nodes: vec![Node::Folder(Folder::default())],
            log: Vec::new(),
            faults: Vec::new(),
            stop: None,
            locks: HashSet::new(),
            time: 0,
        }
    }
}

impl State {
    /// Logs an operation; the error it is to fail with, if any.
    pub(super) fn count(&mut self, action: Action, path: &Path) -> Option<io::Error> {
        let number = self.log.len();
        self.log.push(Operation { action, path: path.to_owned() });
        if self.stop.is_some_and(|stop| number >= stop) {
            return Some(io::Error::other("the machine is off"));
        }
        self.faults.iter().find(|(at, _)| *at == number).map(|(_, fault)| fault.error())
    }

    pub(super) fn create_file(&mut self, path: &Path, secret: bool) -> io::Result<usize> {
        let file = File { bytes: Vec::new(), durable: 0, spoiled: false, secret, stored: self.time };
        self.add(path, Node::File(file))
    }

    pub(super) fn stored(&self, path: &Path) -> io::Result<Nanos> {
        Ok(self.file(self.find(path)?)?.stored)
    }

    pub(super) fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, Node::Folder(Folder::default())).map(|_| ())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (folder, name) = self.place(to)?;
        if self.folder(folder)?.now.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.folder_mut(folder)?.now.insert(name, node);
        let (folder, name) = self.place(from)?;
        self.folder_mut(folder)?.now.remove(&name);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(self.find(path)?)?;
        let (folder, name) = self.place(path)?;
        self.folder_mut(folder)?.now.remove(&name);
        Ok(())
    }

    pub(super) fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        let folder = self.folder_mut(node)?;
        folder.durable = folder.now.clone();
        Ok(())
    }

    pub(super) fn write(&mut self, node: usize, bytes: &[u8]) {
        if let Node::File(file) = &mut self.nodes[node] {
            file.bytes.extend_from_slice(bytes);
        }
    }

    pub(super) fn sync_file(&mut self, node: usize, succeeds: bool) {
        if let Node::File(file) = &mut self.nodes[node] {
            file.spoiled |= !succeeds;
            if !file.spoiled {
                file.durable = file.bytes.len();
            }
        }
    }

    pub(super) fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.folder(self.find(path)?)?.now.keys().cloned().collect())
    }

    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.find(path).and_then(|node| self.folder(node).map(|_| ())).is_ok()
    }

    pub(super) fn bytes(&self, path: &Path) -> io::Result<&[u8]> {
        Ok(&self.file(self.find(path)?)?.bytes)
    }

    pub(super) fn is_secret(&self, path: &Path) -> bool {
        self.find(path).and_then(|node| self.file(node)).is_ok_and(|file| file.secret)
    }

    pub(super) fn take_lock(&mut self, path: &Path) -> io::Result<Option<usize>> {
        let node = self.find(path)?;
        self.file(node)?;
        Ok(self.locks.insert(node).then_some(node))
    }

    pub(super) fn damage(&mut self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let node = self.find(path).expect("a file to damage");
        if let Node::File(file) = &mut self.nodes[node] {
            change(&mut file.bytes);
            file.durable = file.bytes.len();
        }
    }

    pub(super) fn lose(&mut self, path: &Path) {
        let (parent, name) = self.place(path).expect("a name to lose");
        if let Node::Folder(folder) = &mut self.nodes[parent] {
            folder.now.remove(&name).expect("a name to lose");
            folder.durable.remove(&name);
        }
    }

    pub(super) fn crashed(&self, mut choose: impl FnMut(Pending<'_>) -> Fate) -> Self {
        let mut after = Self::default();
        self.copy_folder(0, Path::new("/"), &mut after, 0, &mut choose);
        after
    }

    fn copy_folder(
        &self,
        from: usize,
        path: &Path,
        after: &mut Self,
        to: usize,
        choose: &mut impl FnMut(Pending<'_>) -> Fate,
    ) {
        let Node::Folder(folder) = &self.nodes[from] else { return };
        let names: BTreeSet<_> = folder.now.keys().chain(folder.durable.keys()).collect();
        for name in names {
            let path = path.join(name);
            let (now, durable) = (folder.now.get(name), folder.durable.get(name));
            let kept = match now == durable {
                true => now,
                false => match choose(Pending::Name(&path)) {
                    Fate::Kept | Fate::Zeroed => now,
                    Fate::Lost | Fate::Halved => durable,
                },
            };
            let Some(&node) = kept else { continue };
            let copy = after.nodes.len();
            match &self.nodes[node] {
                Node::Folder(_) => {
                    after.nodes.push(Node::Folder(Folder::default()));
                    self.copy_folder(node, &path, after, copy, choose);
                }
                Node::File(file) => after.nodes.push(Node::File(file.crashed(&path, choose))),
            }
            if let Node::Folder(folder) = &mut after.nodes[to] {
                folder.now.insert(name.clone(), copy);
                folder.durable.insert(name.clone(), copy);
            }
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let number = self.nodes.len();
        let (folder, name) = self.place(path)?;
        let folder = self.folder_mut(folder)?;
        if folder.now.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        folder.now.insert(name, number);
        self.nodes.push(node);
        Ok(number)
    }

    /// The folder that a path's name stands in, and the name.
    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(ErrorKind::InvalidInput)?;
        let folder = self.find(path.parent().ok_or(ErrorKind::InvalidInput)?)?;
        Ok((folder, name.to_owned()))
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = 0;
        for component in path.components() {
            let name = match component {
                Component::RootDir => continue,
                Component::Normal(name) => name.to_str().ok_or(ErrorKind::InvalidInput)?,
                _ => return Err(ErrorKind::InvalidInput.into()),
            };
            node = *self.folder(node)?.now.get(name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    fn folder(&self, node: usize) -> io::Result<&Folder> {
        match &self.nodes[node] {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn folder_mut(&mut self, node: usize) -> io::Result<&mut Folder> {
        match &mut self.nodes[node] {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&self, node: usize) -> io::Result<&File> {
        match &self.nodes[node] {
            Node::File(file) => Ok(file),
            Node::Folder(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }
}

impl File {
    fn crashed(&self, path: &Path, choose: &mut impl FnMut(Pending<'_>) -> Fate) -> Self {
        let (durable, all) = (self.durable, self.bytes.len());
        let mut bytes = self.bytes.clone();
        if durable < all {
            match choose(Pending::Content(path)) {
                Fate::Kept => {}
                Fate::Lost => bytes.truncate(durable),
                Fate::Halved => bytes.truncate(durable + (all - durable) / 2),
                Fate::Zeroed => bytes[durable..].fill(0),
            }
        }
        Self { durable: bytes.len(), bytes, spoiled: false, secret: self.secret, stored: self.stored }
    }
}
