//! Notifications: an outbox from which each channel is served until its receiver has taken everything.

pub mod outbox;
pub mod route;
