//! The vault protocol of `docs/protocol.md`: what travels, TLS in which both sides prove a key, and the client.
//!
//! What travels is described by pure functions, bytes and texts in, values out, that both sides use. Whatever arrives is refused
//! unless it is exactly what the document says; what is added to a body later is ignored by older programs.

pub mod client;
mod digits;
pub mod fault;
pub mod limits;
pub mod path;
pub mod proof;
pub mod report;
pub mod tls;
pub mod token;
pub mod wire;

pub use client::RemoteVault;
pub use fault::{ErrorBody, Word};
pub use path::{Route, Spot};
pub use token::{Address, JoinSecret, JoinToken};
pub use wire::Role;
