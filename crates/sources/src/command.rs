//! Any program's output: for what has no adapter of its own. The plan says by which signs the output is whole, and which programs
//! restore and prove it.
//!
//! Those programs stand in the plan and are never taken from a snapshot: a host that was taken over must not decide what runs where
//! snapshots are opened.

mod adapter;
mod capture;
mod truth;
mod try_out;

pub use adapter::Adapter;
pub use capture::{CommandOptions, DEFAULT_MAX_SECS, OnStderr};
pub use truth::{TRUTH_FORMAT, Truth, VERSION};
