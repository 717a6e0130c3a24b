//! The server, asked decently.

mod admin;
mod protocol;
