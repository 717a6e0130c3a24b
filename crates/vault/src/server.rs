//! The vault on the network: HTTPS in which both sides prove a key, and a local socket for whoever runs the vault.
//!
//! A connection proves its key (`connection`), waits in the lobby or has a place of its own (`lobby`). A request is read to a verb
//! (`asked`), decided by the one table ([`crate::access::may`]), counted against its key's share (`share`), and only then
//! reaches a handler (`router`). All work on the storage runs on a bounded number of threads (`tasks`). Errors get their status in
//! one place (`error`).

pub mod admin;
mod app;
mod asked;
mod body;
pub mod config;
mod connection;
mod error;
mod figures;
mod gate;
mod handlers;
mod listen;
mod lobby;
mod log;
mod pace;
mod quota;
mod room;
mod router;
mod run;
mod share;
mod status;
mod tasks;

pub use config::{Config, ConfigError};
pub use listen::ServeError;
pub use run::{Server, Stop, run};
