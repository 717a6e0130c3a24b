//! The console with its database: everything twice, on SQLite and on PostgreSQL.
#![allow(clippy::unwrap_used)]

mod document;
mod faults;
mod ingest;
mod login;
mod pages;
mod pings;
mod stand;
mod store;
mod tenants;
mod watched;
mod wire;
