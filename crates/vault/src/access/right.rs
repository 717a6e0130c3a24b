//! What a key can be granted, and the name that this has among the grants of the key.

use std::fmt;
use std::str::FromStr;
use vow_base::HostId;
use vow_protocol::{Role, limits::is_name};

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// A host: add to its own folder.
    Write,
    /// Read everything of some hosts.
    Restore(Scope),
    /// A drill host: say of snapshots of some hosts that they were restored and found right, and nothing else.
    Prove(Scope),
    /// Another vault: read everything.
    Replicate,
    /// A console: read receipts and health of everything.
    Console,
}

/// Which hosts a restorer may read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// One.
    Host(HostId),
    /// Those of one customer, also those that join later.
    Tenant(String),
    /// All.
    All,
}

impl Right {
    /// The role it belongs to.
    pub fn role(&self) -> Role {
        match self {
            Self::Write => Role::Write,
            Self::Restore(_) => Role::Restore,
            Self::Prove(_) => Role::Prove,
            Self::Replicate => Role::Replicate,
            Self::Console => Role::Console,
        }
    }
}

/// Also its name among the grants of a key: no tenant's name has a `=` in it.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write => f.write_str("write"),
            Self::Restore(scope) => write!(f, "restore={scope}"),
            Self::Prove(scope) => write!(f, "prove={scope}"),
            Self::Replicate => f.write_str("replicate"),
            Self::Console => f.write_str("console"),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "host={host}"),
            Self::Tenant(tenant) => write!(f, "tenant={tenant}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// A text that is no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a right: write, restore=host=ID, restore=tenant=NAME, restore=all, the same with prove, replicate and console are known here"
)]
pub struct BadRight;

impl FromStr for Right {
    type Err = BadRight;

    fn from_str(text: &str) -> Result<Self, BadRight> {
        Ok(match text {
            "write" => Self::Write,
            "replicate" => Self::Replicate,
            "console" => Self::Console,
            _ => match text.split_once('=') {
                Some(("restore", scope)) => Self::Restore(scope.parse()?),
                Some(("prove", scope)) => Self::Prove(scope.parse()?),
                _ => return Err(BadRight),
            },
        })
    }
}

impl FromStr for Scope {
    type Err = BadRight;

    fn from_str(text: &str) -> Result<Self, BadRight> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Some(digits) = text.strip_prefix("host=") {
            let host: HostId = digits.parse().map_err(|_| BadRight)?;
            return if host.to_string() == digits { Ok(Self::Host(host)) } else { Err(BadRight) };
        }
        let tenant = text.strip_prefix("tenant=").filter(|tenant| is_name(tenant)).ok_or(BadRight)?;
        Ok(Self::Tenant(tenant.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_reads_as_it_was_written() {
        let host = HostId([0xab; 32]);
        for (right, text) in [
            (Right::Write, "write".to_owned()),
            (Right::Replicate, "replicate".into()),
            (Right::Console, "console".into()),
            (Right::Restore(Scope::All), "restore=all".into()),
            (Right::Restore(Scope::Tenant("acme".into())), "restore=tenant=acme".into()),
            (Right::Restore(Scope::Host(host)), format!("restore=host={host}")),
            (Right::Prove(Scope::All), "prove=all".into()),
            (Right::Prove(Scope::Host(host)), format!("prove=host={host}")),
        ] {
            assert_eq!(right.to_string(), text);
            assert_eq!(text.parse(), Ok(right));
        }
        let upper = format!("restore=host={}", "AB".repeat(32));
        for bad in [
            "",
            "admin",
            "restore",
            "restore=",
            "prove",
            "prove=",
            "restore=tenant=",
            "restore=tenant=a=b",
            "restore=tenant=../x",
            &upper,
        ] {
            assert_eq!(bad.parse::<Right>(), Err(BadRight), "{bad}");
        }
    }
}
