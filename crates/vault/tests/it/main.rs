//! One binary of integration tests: a module per subject. Servers run as processes of their own, over real sockets.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod access;
mod attack;
mod child;
mod retention;
mod server;
mod stand;
mod sweep;
mod tree;
mod wire;
