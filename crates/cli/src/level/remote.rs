//! A vault behind a network.

use super::{HostLevel, Notary};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::identity::Identity;
use crate::signals;
use std::sync::Arc;
use vow_agent::plan::VaultPlan;
use vow_base::Fingerprint;
use vow_base::sign::SigningKey;
use vow_base::vault::{Retrieve, VaultError};
use vow_protocol::client::{Options, RemoteVault};
use vow_protocol::{Address, Role};

/// How this program talks to vaults.
pub(crate) fn options(plan: &VaultPlan) -> Options {
    Options {
        upload_bytes_per_sec: plan.limit_upload,
        download_bytes_per_sec: plan.limit_download,
        ..Options::new(signals::stop_flag())
    }
}

/// Nobody knows which vault should answer there.
pub(crate) fn unpinned(address: &Address) -> Failure {
    Failure::new(Exit::Usage, format!("the fingerprint of the vault at {address} is not known here")).hint(
        format!(
            "give a recovery kit with --identity, or write {address}#FINGERPRINT (64 hexadecimal digits)"
        ),
    )
}

pub(super) fn open_as_host(
    plan: &VaultPlan,
    address: &Address,
    key: &SigningKey,
) -> Result<HostLevel, VaultError> {
    let Some(pin) = plan.fingerprint else {
        return Err(VaultError::Refused(format!(
            "the fingerprint of the vault at {address} is not known here"
        )));
    };
    let vault = RemoteVault::new(address, pin, key, options(plan))?;
    // The first contact is short: a vault that is away does not hold up the others.
    let about = vault.about()?;
    if about.role != Some(Role::Write) {
        return Err(VaultError::NotJoined { host: key.public().host_id(), place: address.to_string() });
    }
    let introduced = about.introduced != Some(false);
    let vault = Arc::new(vault);
    Ok(HostLevel { deposit: vault.clone(), retrieve: None, notary: vault, introduced })
}

impl Notary for RemoteVault {
    fn fingerprint(&self) -> Fingerprint {
        Self::fingerprint(self)
    }

    fn receipts_after(&self, after: u64) -> Result<Vec<Vec<u8>>, VaultError> {
        let entries = Self::receipts_after(self, after)?;
        Ok(entries.into_iter().map(|entry| entry.stored).collect())
    }

    fn head(&self) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(Self::head(self)?.map(|entry| entry.stored))
    }

    fn witness(&self, head: &[u8]) -> Result<(), VaultError> {
        Self::witness(self, head)
    }

    fn introduce(&self, introduction: &[u8]) -> Result<(), VaultError> {
        Self::introduce(self, introduction).map(|_| ())
    }
}

/// Opens it with the first of the identity's keys that may read there.
pub(super) fn open_to_read(
    plan: &VaultPlan,
    address: &Address,
    fingerprint: Option<Fingerprint>,
    identity: Option<&Identity>,
) -> Outcome<Arc<dyn Retrieve>> {
    let pin = fingerprint.ok_or_else(|| unpinned(address))?;
    let Some(identity) = identity else {
        return Err(Failure::new(
            Exit::Identity,
            format!("reading from {address} needs the identity: this host may only add"),
        )
        .hint("give it with --identity FILE"));
    };
    for key in identity.keys.restore_credentials() {
        let vault = RemoteVault::new(address, pin, &key, options(plan))?;
        if matches!(vault.about()?.role, Some(Role::Restore | Role::Replicate)) {
            return Ok(Arc::new(vault));
        }
    }
    Err(Failure::new(Exit::Identity, format!("the vault at {address} lets nobody read with this identity")).hint(
        "a vault learns who may read when a host joins (`readers` in vow.toml); its operator can let another one in with \
         `vow vault join-token --role restore`, and `vow vault join` with the identity",
    ))
}
