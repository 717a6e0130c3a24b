//! The console: records of every host, rules that judge them, tickets, notifications, the web.

pub mod notify;
pub mod records;
pub mod rules;
pub mod tickets;
