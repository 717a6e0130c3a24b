//! The one table that decides: a pure function of what a key is, what it asks for, and of which host.

use super::right::{Right, Scope};
use vow_base::HostId;
use vow_base::vault::Kind;
use vow_protocol::Role;

/// What can be asked for. `docs/protocol.md`, "Paths", names the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Who answers here.
    About,
    /// Whether anybody answers here.
    Health,
    /// Join with a token.
    Join,
    /// The hosts this key may see.
    Hosts,
    /// The newest ledger entry.
    Head,
    /// Show the head of another vault.
    Witness,
    /// See the heads that are kept here of the ledger of the vault that asks.
    Seen,
    /// What a host said of itself when it joined.
    Introduction,
    /// Say that, for a host that joined without.
    Introduce,
    /// Ledger entries of every kind.
    Ledger,
    /// The vault's health.
    Status,
    /// The vault's figures.
    Metrics,
    /// Receipts of a host.
    Receipts,
    /// Receipts of what is kept of a host.
    Snapshots,
    /// The objects of one kind.
    List(Kind),
    /// Which of these objects are not there.
    Missing(Kind),
    /// One object, whole or in part.
    Read(Kind),
    /// Store a pack, a list segment or an index segment.
    Put(Kind),
    /// Commit a manifest.
    Commit,
    /// Add a signed proof of a snapshot.
    Prove,
}

/// What a key may do, in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// No key was shown.
    Nobody,
    /// A key that is known here for nothing.
    Stranger,
    /// The key of a host that has joined. It has no other right, whatever it was granted.
    Host(HostId),
    /// Another key, and what it was granted: at least one right, none of them [`Right::Write`].
    Granted(Vec<Right>),
}

/// The host that something is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'t> {
    /// Its id.
    pub host: HostId,
    /// Its customer; `None` when no such host has joined, or none was named.
    pub tenant: Option<&'t str>,
}

impl Verb {
    /// One word for it, for logs and figures.
    pub fn word(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Health => "health",
            Self::Join => "join",
            Self::Hosts => "hosts",
            Self::Head => "head",
            Self::Witness => "witness",
            Self::Seen => "seen",
            Self::Introduction => "introduction",
            Self::Introduce => "introduce",
            Self::Ledger => "ledger",
            Self::Status => "status",
            Self::Metrics => "metrics",
            Self::Receipts => "receipts",
            Self::Snapshots => "snapshots",
            Self::List(_) => "list",
            Self::Missing(_) => "missing",
            Self::Read(_) => "read",
            Self::Put(_) => "put",
            Self::Commit => "commit",
            Self::Prove => "prove",
        }
    }
}

impl Access {
    /// The role that is told to the key: the one that reads most, when it has several.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody | Self::Stranger => None,
            Self::Host(_) => Some(Role::Write),
            Self::Granted(rights) => [Role::Replicate, Role::Restore, Role::Console, Role::Prove]
                .into_iter()
                .find(|role| rights.iter().any(|right| right.role() == *role)),
        }
    }

    /// The host whose key it is.
    pub fn host(&self) -> Option<HostId> {
        match self {
            Self::Host(host) => Some(*host),
            _ => None,
        }
    }

    /// Whether it is known here for anything.
    pub fn is_known(&self) -> bool {
        self.role().is_some()
    }
}

/// Whether this may be asked. `of` is the host it is asked of; a verb that needs one is refused without, and the other way round.
pub fn may(access: &Access, verb: Verb, of: Option<Target<'_>>) -> bool {
    if needs_host(verb) != of.is_some() {
        return false;
    }
    match access {
        Access::Nobody => matches!(verb, Verb::About | Verb::Health),
        Access::Stranger => matches!(verb, Verb::About | Verb::Health | Verb::Join),
        Access::Host(own) => is_open(verb) || host_may(verb) && of.is_none_or(|of| of.host == *own),
        Access::Granted(rights) => is_open(verb) || rights.iter().any(|right| right_may(right, verb, of)),
    }
}

/// Whether it is about one host.
fn needs_host(verb: Verb) -> bool {
    use Verb::{About, Commit, Head, Health, Hosts, Join, Ledger, List, Metrics, Missing, Prove, Put, Read};
    use Verb::{Introduce, Introduction, Receipts, Seen, Snapshots, Status, Witness};
    match verb {
        Receipts | Snapshots | Introduction | Introduce => true,
        List(_) | Missing(_) | Read(_) | Put(_) | Commit | Prove => true,
        About | Health | Join | Hosts | Head | Witness | Seen | Ledger | Status | Metrics => false,
    }
}

/// What every key may ask.
fn is_open(verb: Verb) -> bool {
    matches!(verb, Verb::About | Verb::Health | Verb::Join)
}

/// What a host may ask of its own folder, and of the vault.
fn host_may(verb: Verb) -> bool {
    match verb {
        Verb::Put(kind) => kind != Kind::Manifest,
        Verb::List(kind) | Verb::Read(kind) => kind == Kind::Index,
        Verb::Missing(_) | Verb::Commit | Verb::Introduce => true,
        Verb::Receipts | Verb::Head | Verb::Witness => true,
        _ => false,
    }
}

fn right_may(right: &Right, verb: Verb, of: Option<Target<'_>>) -> bool {
    match right {
        Right::Write => false,
        Right::Restore(scope) => {
            matches!(
                verb,
                Verb::Receipts | Verb::Snapshots | Verb::List(_) | Verb::Read(_) | Verb::Hosts | Verb::Head
            ) && of.is_none_or(|of| covers(scope, of))
        }
        Right::Prove(scope) => verb == Verb::Prove && of.is_some_and(|of| covers(scope, of)),
        Right::Replicate => matches!(
            verb,
            Verb::Receipts
                | Verb::Snapshots
                | Verb::List(_)
                | Verb::Read(_)
                | Verb::Hosts
                | Verb::Head
                | Verb::Witness
                | Verb::Seen
                | Verb::Introduction
                | Verb::Ledger
        ),
        Right::Console => matches!(
            verb,
            Verb::Receipts
                | Verb::Snapshots
                | Verb::Hosts
                | Verb::Head
                | Verb::Ledger
                | Verb::Status
                | Verb::Metrics
        ),
    }
}

fn covers(scope: &Scope, of: Target<'_>) -> bool {
    match scope {
        Scope::Host(host) => of.host == *host,
        Scope::Tenant(tenant) => of.tenant == Some(tenant),
        Scope::All => true,
    }
}

#[cfg(test)]
mod tests;
