//! What people call the hosts of a vault, and ids of which only the beginning was given.

use super::keeper::Keeper;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::plain;
use std::collections::HashMap;
use vow_base::HostId;
use vow_vault::Vault;
use vow_vault::server::admin::AdminHost;

/// Fewer digits of an id than this may be a slip of the finger.
const PREFIX_MIN: usize = 4;

/// The names of a vault's hosts.
pub(super) struct Names(HashMap<HostId, String>);

impl Names {
    /// As they stand in the vault.
    pub(super) fn of(vault: &Vault) -> Outcome<Self> {
        let hosts = vault.hosts_admitted()?.into_iter().map(AdminHost::from);
        Ok(Self(hosts.map(|host| (host.host.0, called(&host.tenant, &host.name))).collect()))
    }

    /// `acme/web-1 (5e4d3bd1c787)`; of a host that never said its name, the beginning of its id.
    pub(super) fn of_host(&self, host: &HostId) -> String {
        match self.0.get(host).map(String::as_str) {
            None | Some("") => host.short(),
            Some(name) => format!("{name} ({})", host.short()),
        }
    }
}

fn called(tenant: &str, name: &str) -> String {
    if tenant.is_empty() { plain(name) } else { format!("{}/{}", plain(tenant), plain(name)) }
}

/// The one of these ids that begins with `prefix`.
pub(super) fn one_of(ids: impl Iterator<Item = HostId>, prefix: &str) -> Outcome<HostId> {
    let prefix = prefix.to_ascii_lowercase();
    let mut ids: Vec<_> =
        ids.filter(|id| prefix.len() >= PREFIX_MIN && id.to_string().starts_with(&prefix)).collect();
    ids.sort_unstable();
    ids.dedup();
    match ids[..] {
        [one] => Ok(one),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("nobody with an id that begins with {prefix:?} has joined"),
        )
        .hint("`vow vault hosts` lists the ids; give at least 4 digits")),
        _ => {
            Err(Failure::new(Exit::Usage, format!("several ids begin with {prefix}"))
                .hint("give more digits"))
        }
    }
}

/// A host of the vault, by its id or the beginning of it. A whole id is taken as it is: the host may join later.
pub(super) fn host(keeper: &Keeper, prefix: &str) -> Outcome<HostId> {
    match prefix.parse() {
        Ok(whole) => Ok(whole),
        Err(_) => one_of(keeper.hosts()?.into_iter().map(|host| host.host.0), prefix),
    }
}
