//! What every part of Vow shares: ids, signatures, manifests, receipts, durable publishing and the two roles a vault is used in.
//!
//! Nothing here decrypts and nothing here talks HTTP: the vault and the console build on this crate alone.

pub mod amount;
pub mod cbor;
pub mod clock;
pub mod copy;
pub mod detail;
pub mod disk;
pub mod fingerprint;
pub mod id;
pub mod introduction;
pub mod manifest;
pub mod pack_list;
pub mod publish;
pub mod receipt;
pub mod sign;
pub mod vault;

pub use fingerprint::Fingerprint;
pub use id::{HostId, ObjectId};
