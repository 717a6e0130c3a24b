//! The listing: what a snapshot holds, and where. Section 5 of `docs/format.md`.
//!
//! [`entry`] is what a person thinks of; [`wire`] is how it is written; [`tree`] are the leaves, nodes and the root.

pub mod entry;
pub mod path;
pub mod tree;
mod wire;

pub use entry::{Content, Entry, Kind, Time};
pub use tree::{ListingError, Node, Root};
