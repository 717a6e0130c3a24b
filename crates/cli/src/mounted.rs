//! Snapshots as a file system that can only be read.
//!
//! Nothing ever changes in it, so the kernel may remember everything for ever. Inode numbers are hashes of where something is, under a key of
//! this mount: a folder can be listed without remembering what is in it. What the kernel holds is remembered until it lets go.

mod attributes;
mod filesystem;
mod nodes;
mod tree;

pub(crate) use filesystem::Mounted;
pub(crate) use tree::Tree;
