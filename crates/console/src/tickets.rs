//! Tickets: one for each problem, from its first occurrence to its end.

pub mod store;
