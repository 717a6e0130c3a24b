//! The agent: the plan of a host, when things are done on a host, what is reported of them, and drills.

pub mod audit;
pub mod daemon;
pub mod drill;
pub mod ping;
pub mod plan;
pub mod reporting;
pub mod schedule;
pub mod spool;
