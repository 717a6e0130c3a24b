//! The server, asked decently, and what it does when its disk does not.

mod admin;
mod faults;
mod killed;
mod openapi;
mod protocol;
mod remote;
