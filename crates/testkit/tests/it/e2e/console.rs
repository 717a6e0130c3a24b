//! A console as its users have it: every command, vaults that it watches, and incidents that really happen.

mod commands;
mod scene;
mod vaults;
