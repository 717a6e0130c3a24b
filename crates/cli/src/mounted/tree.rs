//! What is where: hosts, their sources, snapshots of these, and what is in a snapshot.

use crate::reading::{Place, open_archive};
use crate::ui;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_store::archive::{Archive, ArchiveError, Snapshot, SnapshotInfo};
use vow_store::listing::entry::{Entry, Kind};
use vow_store::listing::path;

/// The name that leads to the newest snapshot of a source.
const LATEST: &str = "latest";

/// All that can be seen.
pub(crate) struct Tree {
    shown: Vec<Shown>,
    layout: Layout,
}

enum Layout {
    /// The top is the only snapshot.
    One,
    /// Host → source → name → number of the snapshot, oldest first.
    All(BTreeMap<String, BTreeMap<String, Vec<(String, usize)>>>),
}

/// A snapshot that is opened when somebody looks into it.
struct Shown {
    info: SnapshotInfo,
    archives: Vec<Archive>,
    open: Mutex<Option<Snapshot>>,
}

/// Something that can be seen.
#[derive(Clone)]
pub(super) enum Node {
    /// The top of everything.
    Top,
    /// A host.
    Host(String),
    /// A source of a host.
    Source(String, String),
    /// The link to the newest snapshot of a source, and the name that it leads to.
    Latest(String, String, String),
    /// Something in a snapshot: its number, and the entry. The root of the file system that was captured has the path "".
    Entry(usize, Arc<Entry<ObjectId>>),
    /// The top of a snapshot whose listing does not hold the root of the file system.
    Root(usize),
}

impl Tree {
    /// Shows one snapshot.
    pub(crate) fn of_one(snapshot: Snapshot) -> Self {
        let info = snapshot.info().clone();
        let archives = vec![snapshot.archive().clone()];
        Self { shown: vec![Shown { info, archives, open: Mutex::new(Some(snapshot)) }], layout: Layout::One }
    }

    /// Shows all of these, oldest first, each with the vaults that have it.
    pub(crate) fn of_all(all: &[(SnapshotInfo, Vec<&Place>)]) -> Self {
        let mut hosts: BTreeMap<String, BTreeMap<String, Vec<(String, usize)>>> = BTreeMap::new();
        let mut shown = Vec::new();
        for (info, places) in all {
            let manifest = &info.manifest;
            let source =
                hosts.entry(safe(&manifest.host)).or_default().entry(safe(&manifest.source)).or_default();
            source.push((format!("{}-{}", time_name(info.receipt.received), info.id.short()), shown.len()));
            let archives = places.iter().map(|place| place.archive.clone()).collect();
            shown.push(Shown { info: info.clone(), archives, open: Mutex::new(None) });
        }
        Self { shown, layout: Layout::All(hosts) }
    }

    /// The top.
    pub(super) fn top(&self) -> Result<Node, ArchiveError> {
        match self.layout {
            Layout::One => self.top_of(0),
            Layout::All(_) => Ok(Node::Top),
        }
    }

    /// What has this name in a folder; `None` when nothing has.
    pub(super) fn lookup(&self, folder: &Node, name: &[u8]) -> Result<Option<Node>, ArchiveError> {
        if let Some((number, below)) = within(folder) {
            return match self.open(number)?.entry(&path::join(below, name)) {
                Ok(entry) => Ok(Some(Node::Entry(number, Arc::new(entry)))),
                Err(ArchiveError::NoEntry { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
        let found = self.virtual_children(folder).into_iter().find(|(other, _)| other == name);
        found.map(|(_, node)| self.resolved(node)).transpose()
    }

    /// What is in a folder, one after the other, with names.
    pub(super) fn children(&self, folder: &Node) -> Result<Children<'_>, ArchiveError> {
        if let Some((number, below)) = within(folder) {
            let children = self.open(number)?.children(below);
            return Ok(Box::new(children.map(move |entry| {
                let entry = entry?;
                Ok((path::name(&entry.path).to_vec(), Node::Entry(number, Arc::new(entry))))
            })));
        }
        // A snapshot that cannot be opened stands there like the others, and says why when somebody looks into it.
        let shown =
            |(name, node): (String, Node)| (name.into_bytes(), self.resolved(node.clone()).unwrap_or(node));
        Ok(Box::new(self.virtual_children(folder).into_iter().map(move |child| Ok(shown(child)))))
    }

    /// The snapshot with this number, opened from the first vault that can.
    pub(super) fn open(&self, number: usize) -> Result<Snapshot, ArchiveError> {
        let shown = &self.shown[number];
        let mut open = shown.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = &*open {
            return Ok(snapshot.clone());
        }
        let snapshot = open_archive(&shown.info, &shown.archives)?;
        Ok(open.insert(snapshot).clone())
    }

    /// When the newest snapshot below something was received.
    pub(super) fn received(&self, node: &Node) -> Nanos {
        let newest = |numbers: &mut dyn Iterator<Item = usize>| {
            numbers.map(|number| self.shown[number].info.receipt.received).max().unwrap_or_default()
        };
        match (node, &self.layout) {
            (Node::Entry(number, _) | Node::Root(number), _) => newest(&mut std::iter::once(*number)),
            (Node::Host(host), Layout::All(hosts)) => newest(
                &mut hosts.get(host).into_iter().flatten().flat_map(|(_, all)| all.iter().map(|(_, n)| *n)),
            ),
            (Node::Source(host, source) | Node::Latest(host, source, _), Layout::All(hosts)) => {
                let all = hosts.get(host).and_then(|sources| sources.get(source));
                newest(&mut all.into_iter().flatten().map(|(_, number)| *number))
            }
            _ => newest(&mut (0..self.shown.len())),
        }
    }

    /// Children of what is not in a snapshot. Snapshots stand as [`Node::Root`] until they are opened.
    fn virtual_children(&self, folder: &Node) -> Vec<(String, Node)> {
        let Layout::All(hosts) = &self.layout else { return Vec::new() };
        match folder {
            Node::Top => hosts.keys().map(|host| (host.clone(), Node::Host(host.clone()))).collect(),
            Node::Host(host) => {
                let sources = hosts.get(host).into_iter().flat_map(BTreeMap::keys);
                sources.map(|source| (source.clone(), Node::Source(host.clone(), source.clone()))).collect()
            }
            Node::Source(host, source) => {
                let all = hosts.get(host).and_then(|sources| sources.get(source));
                let all = all.map(Vec::as_slice).unwrap_or_default();
                let latest = all.last().map(|(name, _)| {
                    (LATEST.to_owned(), Node::Latest(host.clone(), source.clone(), name.clone()))
                });
                let roots = all.iter().map(|(name, number)| (name.clone(), Node::Root(*number)));
                roots.chain(latest).collect()
            }
            _ => Vec::new(),
        }
    }

    fn resolved(&self, node: Node) -> Result<Node, ArchiveError> {
        match node {
            Node::Root(number) => self.top_of(number),
            node => Ok(node),
        }
    }

    fn top_of(&self, number: usize) -> Result<Node, ArchiveError> {
        match self.open(number)?.entry(b"") {
            Ok(entry) if entry.kind == Kind::Dir => Ok(Node::Entry(number, Arc::new(entry))),
            Ok(_) | Err(ArchiveError::NoEntry { .. }) => Ok(Node::Root(number)),
            Err(error) => Err(error),
        }
    }
}

/// Names and what they stand for.
pub(super) type Children<'t> = Box<dyn Iterator<Item = Result<(Vec<u8>, Node), ArchiveError>> + Send + 't>;

/// The snapshot that something lies in, and its path there.
fn within(node: &Node) -> Option<(usize, &[u8])> {
    match node {
        Node::Entry(number, entry) => Some((*number, &entry.path)),
        Node::Root(number) => Some((*number, b"")),
        _ => None,
    }
}

/// A name that a folder can have: what is no name of a host or source anyway must not become a way out.
fn safe(name: &str) -> String {
    match name {
        "" | "." | ".." => format!("%{name}"),
        name => name.replace(['/', '\0'], "%"),
    }
}

/// A time as a name, UTC, without what shells and other programs stumble over.
fn time_name(nanos: Nanos) -> String {
    ui::rfc3339(nanos / 1_000_000_000 * 1_000_000_000).replace(':', "-")
}
