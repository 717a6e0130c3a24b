//! What can be captured: one folder per adapter, each of them a [`vow_store::source::Source`].
//!
//! An adapter finds what belongs to a snapshot and hands it over in listing order; chunking, sealing and sending are the
//! engine's. Removing an adapter is removing its folder. `docs/sources.md` says how to add one.

pub mod adapter;
pub mod coherence;
pub mod command;
pub mod discover;
pub mod etcd;
pub mod files;
mod instant;
pub mod isolation;
pub mod ldap;
mod learned;
pub mod mariadb;
mod percent;
pub mod postgres;
mod proc;
pub mod process;
mod program;
pub mod question;
mod receiving;
pub mod redis;
pub mod secret;
mod spooled;
pub mod sqlite;
mod steps;
pub mod stored;
pub mod synthetic;
mod template;
