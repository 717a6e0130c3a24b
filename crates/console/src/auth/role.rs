//! Roles, and the one table of what each may do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a user or a token of a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs the console.
    Administrator,
    /// Looks after hosts.
    Operator,
    /// Looks at everything.
    Auditor,
    /// A customer: looks at what is theirs.
    Customer,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// See hosts, runs, tickets, proofs of the own scope.
    See,
    /// See who did what.
    SeeAudit,
    /// See vaults: machines of whoever runs the console.
    SeeVaults,
    /// Work on tickets, mark what is expected, silence and close hosts.
    Work,
    /// Let hosts and pings in.
    Admit,
    /// Users, tokens, vaults, settings.
    Administer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Administrator, Self::Operator, Self::Auditor, Self::Customer];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Customer => "customer",
        }
    }

    /// Whether it may do this. Within its scope: that is decided apart from it, in every query.
    pub fn may(self, right: Right) -> bool {
        match right {
            Right::See => true,
            Right::SeeAudit | Right::SeeVaults => self != Self::Customer,
            Right::Work | Right::Admit => matches!(self, Self::Administrator | Self::Operator),
            Right::Administer => self == Self::Administrator,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role: administrator, operator, auditor or customer")]
pub struct NoRole;

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(word: &str) -> Result<Self, NoRole> {
        Self::ALL.into_iter().find(|role| role.word() == word).ok_or(NoRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what() {
        let table = |right| Role::ALL.map(|role| role.may(right));
        assert_eq!(table(Right::See), [true, true, true, true]);
        assert_eq!(table(Right::SeeAudit), [true, true, true, false]);
        assert_eq!(table(Right::SeeVaults), [true, true, true, false]);
        assert_eq!(table(Right::Work), [true, true, false, false]);
        assert_eq!(table(Right::Admit), [true, true, false, false]);
        assert_eq!(table(Right::Administer), [true, false, false, false]);
    }
}
