//! A store that speaks S3, in this process: strict where Amazon's is strict, and on request as bad as some others are.
//!
//! It checks signatures (by the `s3s` crate), checksums, create-only, versions and locks.

mod bucket;
mod faults;
mod handlers;
mod listings;
mod server;

pub(crate) use faults::Faults;
pub(crate) use server::{Double, SECRET, TOKEN, options};
