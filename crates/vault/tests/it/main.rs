//! One binary of integration tests: a module per subject. Servers run as processes of their own, over real sockets.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod access;
mod adopted;
mod attack;
mod child;
mod conformance;
mod directory;
mod double;
mod moto;
mod real_bucket;
mod retention;
mod s3;
mod server;
mod stand;
mod sweep;
mod tree;
mod vaults;
mod wire;
