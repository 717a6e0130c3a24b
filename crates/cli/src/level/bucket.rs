//! A vault in a bucket, read without the server that serves it: what the bucket's credentials and a recovery kit are enough for when nothing else is
//! left.

use crate::failure::{Failure, Outcome};
use std::sync::Arc;
use vow_base::Fingerprint;
use vow_base::clock::SystemClock;
use vow_vault::Vault;
use vow_vault::storage::CachedStorage;
use vow_vault::storage::s3::S3Storage;

/// What is kept in memory of what never changes, and asked for again and again: manifests, list segments, ledger entries.
const MEMORY_BYTES: u64 = 64 << 20;

/// Opens it and checks that it is the one expected. Credentials, region and endpoint come from the AWS_ variables.
pub(super) fn open_to_read(url: &str, fingerprint: Option<Fingerprint>) -> Outcome<Vault> {
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let storage = S3Storage::open_to_read(url, env)?;
    let cached = CachedStorage::new(Arc::new(storage), MEMORY_BYTES);
    let vault = Vault::open_on(Arc::new(cached), Arc::new(SystemClock), None).map_err(|error| {
        Failure::from(error).hint(
            "check bucket and prefix: they are what `storage` says in the vault.toml of the vault's server; and what its credentials may read",
        )
    })?;
    if let Some(expected) = fingerprint {
        vault.expect_fingerprint(&expected.to_string())?;
    }
    Ok(vault)
}
