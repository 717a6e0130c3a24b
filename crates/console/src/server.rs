//! Serving: a listener for hosts, in which both sides prove a key, and one for browsers and programs. What is due by the clock is done beside.

pub mod app;
mod asking;
pub mod caller;
mod chores;
mod client_address;
pub mod config;
mod deliver;
pub mod error;
mod figures;
pub mod folder;
pub(crate) use figures::Stand;
mod hosts;
mod run;
mod share;
mod speak;

pub use app::App;
pub use config::{Config, ConfigError};
pub use folder::{Folder, FolderError};
pub use run::{ServeError, Server, Stop};

/// From where a request comes.
pub(crate) fn address_of(app: &App, request: &axum::extract::Request) -> String {
    client_address::of(app, request.extensions().get::<speak::Peer>(), request.headers())
}
