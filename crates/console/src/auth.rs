//! Who somebody is, and what they may do.

pub mod password;
pub mod role;
pub mod secret;
pub mod totp;

pub use role::{Right, Role};
