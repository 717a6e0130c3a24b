//! One binary of integration tests: a module per subject.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod create;
mod damage;
mod deposit;
mod disks;
mod e2e;
mod edges;
mod nth_failure;
mod power_cut;
mod promises;
mod scenario;
mod second_vault;
mod sync_failure;
mod volume;
