//! Who may do what: join tokens, the keys that used them, grants, and the one table that decides.
//!
//! Names and texts are those of `docs/vault.md`. Everything is created once and never replaced: a key is let in by a name that
//! appears and shut out by another, on a disk and in a bucket alike. Nothing here speaks HTTP.

mod adopting;
mod book;
mod grants;
mod hosts;
mod introducing;
mod joining;
mod may;
mod record;
mod right;
mod token;

pub use book::{AccessBook, BookTerms};
pub use grants::Grant;
pub use hosts::AdmittedHost;
pub use joining::{JoinAsked, JoinDone};
pub use may::{Access, Target, Verb, may};
pub use right::{BadRight, Right, Scope};
pub use token::{NewToken, TOKEN_TERM};
