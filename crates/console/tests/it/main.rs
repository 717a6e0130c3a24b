//! Tests of the console, as one program: its database everywhere twice, on SQLite and on PostgreSQL.
#![allow(missing_docs, clippy::unwrap_used)]

mod audits;
mod closing;
mod document;
mod expected;
mod faults;
mod fuzzed;
mod history;
mod importers;
mod ingest;
mod login;
mod looks;
mod notify;
mod over_tls;
mod pages;
mod pings;
mod stand;
mod store;
mod tenants;
mod two;
mod watched;
mod wire;
