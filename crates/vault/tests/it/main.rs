//! One binary of integration tests: a module per subject. Servers run as processes of their own, over real sockets.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod access;
mod attack;
mod child;
mod server;
mod stand;
mod tree;
mod wire;
