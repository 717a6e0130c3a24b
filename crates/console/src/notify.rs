//! Notifications: an outbox from which each channel is served until its receiver has taken everything.
//!
//! A channel is a folder. Adding one is adding its folder, its name in [`config::Kind`] and its line in [`channel::Channel`].

pub mod alertmanager;
pub mod channel;
pub mod config;
pub mod courier;
pub mod health;
pub mod http;
pub mod outbox;
pub mod pagerduty;
pub mod ping_out;
pub mod redmine;
pub mod request_tracker;
pub mod route;
pub mod secret;
pub mod self_test;
pub mod slack;
pub mod smtp;
mod text;
pub mod webhook;
