//! The console: records of every host, rules that judge them, tickets, notifications, the web.
//!
//! A report arrives (`server`), is checked and stored with its verdict, tickets and notices in one transaction (`ingest`); receipts are fetched
//! from vaults (`fetch`). `db` keeps everything, `auth` knows people and programs, `web` shows pages and `api` the same in JSON.

pub mod admin;
mod apart;
mod api;
pub mod audit;
pub mod auth;
pub mod db;
pub mod fetch;
pub mod import;
pub mod ingest;
pub mod notify;
pub mod records;
pub mod report;
pub mod rules;
pub mod server;
pub mod tickets;
mod web;
