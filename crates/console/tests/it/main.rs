//! Tests of the console, as one program.
#![allow(missing_docs, clippy::unwrap_used)]

mod history;
mod notify;
