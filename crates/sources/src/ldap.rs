//! OpenLDAP: every database of a server by `slapcat`, and its configuration. A small adapter; `docs/sources.md` says what it does not do.

mod adapter;
mod capture;
mod ldif;

pub use adapter::Adapter;
pub use capture::{LdapOptions, SuffixTruth, TRUTH_FORMAT, Truth, VERSION};
