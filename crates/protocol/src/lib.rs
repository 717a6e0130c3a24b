//! The vault protocol of `docs/protocol.md`, as both sides need it: what travels, and where it is found.
//!
//! Pure: bytes and texts in, values out. Whatever arrives is refused unless it is exactly what the document says; what is
//! added to a body later is ignored by older programs.

pub mod fault;
pub mod limits;
pub mod path;
pub mod tls;
pub mod token;
pub mod wire;

pub use fault::{ErrorBody, Word};
pub use path::{Route, Spot};
pub use token::{Address, JoinSecret, JoinToken};
pub use wire::Role;
