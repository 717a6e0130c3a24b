//! Where to go: the roots, the ways to them and the places never to enter, as a tree of names from the file system's root.

use super::views::Window;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A place in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Box<[u8]>, Place>,
    root: Option<u32>,
    wanted: bool,
    never: bool,
    window: Option<Arc<Window>>,
}

/// The tree. Only paths that matter are in it, so a directory without a place in it has none below either.
#[derive(Debug)]
pub(crate) struct Plan {
    nodes: Vec<Node>,
}

impl Plan {
    /// The root of the file system.
    pub(crate) const TOP: Place = Place(0);

    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a root, and returns the number it has in the plan: that of an earlier one at the same place.
    pub(crate) fn add_root(&mut self, path: &[Vec<u8>], number: u32) -> u32 {
        let place = self.want(path);
        *self.node_mut(place).root.get_or_insert(number)
    }

    /// Adds something on the way to a root that is captured for itself: a symbolic link.
    pub(crate) fn add_link(&mut self, path: &[Vec<u8>]) {
        self.want(path);
    }

    /// Adds a path that is not captured in any case.
    pub(crate) fn add_never(&mut self, path: &[Vec<u8>]) {
        let place = path.iter().fold(Self::TOP, |place, name| self.child_or_new(place, name));
        self.node_mut(place).never = true;
    }

    /// Adds a folder that is read elsewhere.
    pub(crate) fn add_window(&mut self, window: &Arc<Window>) {
        let place = window.names().iter().fold(Self::TOP, |place, name| self.child_or_new(place, name));
        self.node_mut(place).window = Some(Arc::clone(window));
    }

    fn want(&mut self, path: &[Vec<u8>]) -> Place {
        self.node_mut(Self::TOP).wanted = true;
        path.iter().fold(Self::TOP, |place, name| {
            let place = self.child_or_new(place, name);
            self.node_mut(place).wanted = true;
            place
        })
    }

    fn child_or_new(&mut self, place: Place, name: &[u8]) -> Place {
        if let Some(child) = self.child(place, name) {
            return child;
        }
        let child = Place(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node::default());
        self.node_mut(place).children.insert(name.into(), child);
        child
    }

    fn node(&self, place: Place) -> &Node {
        &self.nodes[place.0 as usize]
    }

    fn node_mut(&mut self, place: Place) -> &mut Node {
        &mut self.nodes[place.0 as usize]
    }

    /// The place of a name in a place.
    pub(crate) fn child(&self, place: Place, name: &[u8]) -> Option<Place> {
        self.node(place).children.get(name).copied()
    }

    /// The root that is here.
    pub(crate) fn root(&self, place: Place) -> Option<u32> {
        self.node(place).root
    }

    /// The view that begins here.
    pub(crate) fn window(&self, place: Option<Place>) -> Option<&Arc<Window>> {
        self.node(place?).window.as_ref()
    }

    /// Whether a root or a link is here or below.
    pub(crate) fn is_wanted(&self, place: Place) -> bool {
        self.node(place).wanted
    }

    /// Whether it is not captured in any case.
    pub(crate) fn is_never(&self, place: Place) -> bool {
        self.node(place).never
    }

    /// Whether this path is, or lies in, one that is not captured in any case.
    pub(crate) fn is_within_never(&self, path: &[Vec<u8>]) -> bool {
        let mut place = Self::TOP;
        for name in path {
            match self.child(place, name) {
                Some(child) if !self.is_never(place) => place = child,
                _ => break,
            }
        }
        self.is_never(place)
    }

    /// The names directly below that lead to a root or a link, sorted.
    pub(crate) fn wanted_names(&self, place: Place) -> impl Iterator<Item = &[u8]> {
        let children = self.node(place).children.iter();
        children.filter(|(_, child)| self.is_wanted(**child)).map(|(name, _)| &**name)
    }
}
