//! Inode numbers, and what the kernel holds of them.

use super::tree::Node;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use vow_store::listing::entry::Kind;

/// The top's number, by convention.
pub(super) const TOP: u64 = 1;

/// What the kernel has looked up and not let go of.
pub(super) struct Nodes {
    key: RandomState,
    held: HashMap<u64, Held>,
}

struct Held {
    node: Node,
    /// How often it was handed out.
    lookups: u64,
}

impl Nodes {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), held: HashMap::new() }
    }

    /// The number of something: always the same in one mount, and the same for all links of one file.
    pub(super) fn number(&self, node: &Node) -> u64 {
        let mut hasher = self.key.build_hasher();
        match node {
            Node::Top => return TOP,
            Node::Host(host) => (1, host).hash(&mut hasher),
            Node::Source(host, source) => (2, host, source).hash(&mut hasher),
            Node::Latest(host, source, _) => (3, host, source).hash(&mut hasher),
            Node::Root(number) => (4, number, b"".as_slice()).hash(&mut hasher),
            Node::Entry(number, entry) => match entry.link.filter(|_| entry.kind != Kind::Dir) {
                Some(link) => (5, number, link).hash(&mut hasher),
                None => (4, number, entry.path.as_slice()).hash(&mut hasher),
            },
        }
        // 0 and 1 mean something else.
        hasher.finish().max(2)
    }

    /// What a number stands for; the top is nobody's to let go of.
    pub(super) fn get(&self, number: u64) -> Option<Node> {
        self.held.get(&number).map(|held| held.node.clone())
    }

    /// Remembers what is handed out to the kernel.
    pub(super) fn hold(&mut self, number: u64, node: Node) {
        self.held.entry(number).or_insert(Held { node, lookups: 0 }).lookups += 1;
    }

    /// The kernel let go of it so many times.
    pub(super) fn forget(&mut self, number: u64, lookups: u64) {
        if let Some(held) = self.held.get_mut(&number) {
            held.lookups = held.lookups.saturating_sub(lookups);
            if held.lookups == 0 {
                self.held.remove(&number);
            }
        }
    }
}
