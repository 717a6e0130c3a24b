//! One binary of integration tests: a module per subject.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod publish;
