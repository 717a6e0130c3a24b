//! One binary of integration tests: a module per subject.
#![allow(clippy::unwrap_used)]

mod attack;
mod bench;
mod cuts;
mod hostile;
mod limits;
mod network;
mod script;
mod server;
mod verbs;
