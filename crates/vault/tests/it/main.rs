//! Tests of the vault from outside. One binary of integration tests: a module per subject.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod conformance;
mod directory;
mod double;
mod moto;
mod real_bucket;
mod retention;
mod s3;
mod vaults;
