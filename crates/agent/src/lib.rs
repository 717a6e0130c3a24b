//! The agent: when things are done on a host, what is reported of them, and drills.

pub mod drill;
