//! A console as its users have it: every command, vaults that it watches, and incidents that really happen.

mod commands;
mod letters;
mod mail;
mod objects;
mod scene;
mod two;
mod vaults;
