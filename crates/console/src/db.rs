//! The database: SQLite beside the settings, or PostgreSQL by a URL, with the same statements.
//!
//! A statement is written once, with `$1`, `$2`, … and names that both databases have. Whatever reads or writes takes a [`Conn`]: one from
//! [`Db::read`] sees what is there, one from [`Db::write`] is a transaction that lasts until [`Conn::commit`], or never was.
//!
//! **The order of locks.** SQLite has one writer. PostgreSQL has many, and two of them that take the same rows in another order would wait for
//! each other for ever. Therefore a transaction that writes several rows takes them in this order:
//!
//! 1. the rows of the hosts that it is about ([`hosts::hold`]), all at once, the smallest number first, before it writes anything else;
//! 2. what belongs to these hosts: sources, levels, runs, days, snapshots, copies, tickets, findings, in any order, for whoever changes several of
//!    these holds their host;
//! 3. what belongs to no host: vaults, tenants' audits, settings; leases and the outbox's claims are transactions of their own.
//!
//! Tenants, hosts and keys that are made at once are made by tenant and name. [`tickets::InTransaction`] begins with the hosts for this reason.
//! Reads that decide what is written come after the hosts are held: what another console did before is then seen.

pub mod audit;
mod audit_facts;
pub mod audits;
mod conn;
mod error;
pub mod hosts;
pub mod lease;
mod migrate;
mod open;
pub mod outbox;
pub mod past;
pub mod people;
pub mod pings;
pub mod proofs;
pub mod prune;
pub mod reports;
pub mod runs;
pub mod settings;
pub mod snapshots;
pub mod sources;
pub mod tickets;
mod value;
pub mod vaults;

pub(crate) use audit_facts::read as audit_facts;
pub use conn::Conn;
pub use error::DbError;
pub use open::{Db, Place};
pub use value::{Row, Value};

/// What a person or program may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every tenant.
    All,
    /// This one.
    Tenant(i64),
}

impl Scope {
    /// As the argument of `($n IS NULL OR tenant_id = $n)`.
    pub fn tenant(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Tenant(id) => Some(id),
        }
    }

    /// Whether something of this tenant is in it.
    pub fn has(self, tenant_id: i64) -> bool {
        self.tenant().is_none_or(|own| own == tenant_id)
    }
}

/// The day of a time: days since 1970, UTC.
pub fn day_of(secs: i64) -> i64 {
    secs.div_euclid(86_400)
}
