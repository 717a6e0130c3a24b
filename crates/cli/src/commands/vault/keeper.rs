//! Whoever looks after a vault: in its folder, or through the socket of the server that serves it.

use super::at::At;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vow_base::clock::Nanos;
use vow_base::{Fingerprint, HostId};
use vow_protocol::wire::{Hex, HostHealth};
use vow_protocol::{JoinSecret, Word};
use vow_vault::Vault;
use vow_vault::access::{NewToken, Right};
use vow_vault::server::admin::{AdminError, AdminGrant, AdminHost, Client, NewJoinToken, Revocation};
use vow_vault::state::HostState;

/// What a vault has of a host.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// Snapshots that are kept.
    pub(super) snapshots: u64,
    /// When it last sent one, by the vault's clock.
    pub(super) last: Option<Nanos>,
}

/// The way to a vault.
pub(super) enum Keeper {
    /// Its folder.
    Folder(Box<Vault>),
    /// The server's local socket.
    Socket(Client),
}

impl Keeper {
    /// The folder when this user may write there, otherwise the socket that vault.toml names; or the one given.
    pub(super) fn open(at: &At, socket: Option<&Path>) -> Outcome<Self> {
        if let Some(socket) = socket {
            return Ok(Self::Socket(Client::new(socket)));
        }
        if at.is_writable()? {
            return Ok(Self::Folder(Box::new(at.open_to_change()?)));
        }
        let socket = at.settings()?.socket;
        Ok(Self::Socket(Client::new(&socket)))
    }

    /// Makes a join token: its secret, and the vault's fingerprint.
    pub(super) fn join_token(
        &self,
        right: &Right,
        tenant: Option<String>,
        name: Option<String>,
        term: Duration,
    ) -> Outcome<(JoinSecret, Fingerprint)> {
        match self {
            Self::Folder(vault) => {
                let new = NewToken { right: right.clone(), tenant, name, term };
                Ok((vault.join_token(&new)?, Fingerprint::of(&vault.public_key())))
            }
            Self::Socket(client) => {
                let new =
                    NewJoinToken { right: right.to_string(), tenant, name, term_secs: Some(term.as_secs()) };
                let made = client.join_token(&new)?;
                let fingerprint = made.fingerprint.parse();
                let fingerprint = fingerprint
                    .map_err(|e| Failure::failed("the server's answer makes no sense").because(&e))?;
                Ok((made.secret, fingerprint))
            }
        }
    }

    /// Every host that ever joined.
    pub(super) fn hosts(&self) -> Outcome<Vec<AdminHost>> {
        match self {
            Self::Folder(vault) => Ok(vault.hosts_admitted()?.into_iter().map(AdminHost::from).collect()),
            Self::Socket(client) => Ok(client.hosts()?),
        }
    }

    /// What the vault has of each host that ever sent a snapshot.
    pub(super) fn standing(&self) -> Outcome<HashMap<HostId, Standing>> {
        Ok(match self {
            Self::Folder(vault) => {
                let state = vault.state()?;
                let of = |(host, known): (&HostId, &Arc<HostState>)| {
                    let last = known.snapshots.last().map(|newest| newest.receipt.received);
                    (*host, Standing { snapshots: known.kept().count() as u64, last })
                };
                state.hosts.iter().map(of).collect()
            }
            Self::Socket(client) => {
                let hosts = client.status()?.hosts.into_iter();
                let of = |host: HostHealth| Standing { snapshots: host.snapshots, last: host.last_commit };
                hosts.map(|host| (host.host.0, of(host))).collect()
            }
        })
    }

    /// Everything that was ever granted to keys that are no hosts'.
    pub(super) fn grants(&self) -> Outcome<Vec<AdminGrant>> {
        match self {
            Self::Folder(vault) => Ok(vault.grants()?.into_iter().map(AdminGrant::from).collect()),
            Self::Socket(client) => Ok(client.grants()?),
        }
    }

    /// Takes rights away, for good; says which.
    pub(super) fn revoke(&self, key: HostId, right: Option<Right>, note: &str) -> Outcome<Vec<String>> {
        match self {
            Self::Folder(vault) => {
                let revoked = vault.revoke(&key, right.as_ref(), note)?;
                Ok(revoked.iter().map(ToString::to_string).collect())
            }
            Self::Socket(client) => {
                let right = right.map(|right| right.to_string());
                Ok(client.revoke(&Revocation { key: Hex(key), right, note: note.to_owned() })?.rights)
            }
        }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        let exit = match (&error, error.word()) {
            (AdminError::Unreachable { .. }, _) | (_, Some(Word::Absent)) => Exit::NotFound,
            (_, Some(Word::Busy | Word::Limit)) => Exit::Busy,
            _ => Exit::Failed,
        };
        let failure = Self::new(exit, error.to_string());
        match error {
            AdminError::Unreachable { .. } => failure
                .hint("start the server (`vow vault serve`), or run the command as the vault's own user"),
            _ => failure,
        }
    }
}
