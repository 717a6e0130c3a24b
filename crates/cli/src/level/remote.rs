//! A vault behind a network.

use super::HostLevel;
use crate::config::VaultPlan;
use crate::failure::{Failure, Outcome};
use crate::identity::Identity;
use std::sync::Arc;
use vow_base::Fingerprint;
use vow_base::sign::SigningKey;
use vow_base::vault::{Retrieve, VaultError};
use vow_protocol::Address;

pub(super) fn open_as_host(_plan: &VaultPlan, address: &Address, _key: &SigningKey) -> Result<HostLevel, VaultError> {
    Err(VaultError::Refused(format!("{address}: vaults behind an address are not built yet in this version")))
}

pub(super) fn open_to_read(
    _plan: &VaultPlan,
    address: &Address,
    _fingerprint: Option<Fingerprint>,
    _identity: Option<&Identity>,
) -> Outcome<Arc<dyn Retrieve>> {
    Err(Failure::failed(format!("{address}: vaults behind an address are not built yet in this version")))
}
