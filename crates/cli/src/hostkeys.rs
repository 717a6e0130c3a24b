//! The host's own secrets: `host.key` signs manifests, `host.secret` keys chunk ids. Neither opens a snapshot.

use crate::failure::{Failure, Outcome, next_step};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use vow_agent::plan::Config;
use vow_base::disk::RealDisk;
use vow_base::id::{from_hex, hex};
use vow_base::publish::{PublishError, publish};
use vow_base::sign::{PublicKey, SigningKey, random_secret};
use vow_store::backup::HostKeys;
use vow_store::keys::HostSecret;
use zeroize::Zeroizing;

const SIGNING: &str = "host.key";
const SECRET: &str = "host.secret";
const LIMIT_BYTES: u64 = 256;

/// The files of a keys folder.
pub(crate) fn files(keys: &Path) -> [PathBuf; 2] {
    [keys.join(SIGNING), keys.join(SECRET)]
}

/// Makes both secrets in an existing folder; refuses to replace any.
pub(crate) fn create(keys: &Path) -> Outcome<PublicKey> {
    let random = || random_secret().map_err(|e| Failure::failed("the system gave no randomness").because(&e));
    let seed = random()?;
    write_secret(&keys.join(SIGNING), &hex(&*seed))?;
    write_secret(&keys.join(SECRET), &hex(&*random()?))?;
    Ok(SigningKey::from_seed(&seed).public())
}

/// Durably writes a new file that only its owner can read. Never replaces one.
pub(crate) fn write_secret(path: &Path, text: &str) -> Outcome<()> {
    let text = Zeroizing::new(format!("{}\n", text.trim_end()));
    let folder = vow_base::publish::parent(path);
    publish(&RealDisk, folder, path, text.as_bytes(), None, true).map_err(|error| {
        let hint = match &error {
            PublishError::Disk(error) => next_step(&error.source),
            _ => None,
        };
        Failure::failed(format!("cannot write {}", path.display())).because(&error).hint_of(hint)
    })?;
    Ok(())
}

/// The secrets that a backup needs.
pub(crate) fn load(config: &Config) -> Outcome<HostKeys> {
    let [signing, secret] = files(&config.keys);
    Ok(HostKeys {
        signing: SigningKey::from_seed(&*read_hex(&signing)?),
        secret: HostSecret::new(*read_hex(&secret)?),
    })
}

/// The host's signing key, of a keys folder.
pub(crate) fn signing_key(keys: &Path) -> Outcome<SigningKey> {
    let [signing, _] = files(keys);
    Ok(SigningKey::from_seed(&*read_hex(&signing)?))
}

/// The public half of the host's signing key.
pub(crate) fn load_public(config: &Config) -> Outcome<PublicKey> {
    Ok(signing_key(&config.keys)?.public())
}

/// What is wrong with the permissions of a secret file.
pub(crate) fn permission_problem(path: &Path) -> Option<String> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) => return Some(format!("cannot look at {}: {e}", path.display())),
    };
    if !meta.is_file() {
        return Some(format!("{} is not a file", path.display()));
    }
    (meta.mode() & 0o077 != 0).then(|| {
        format!(
            "{} can be read by others (mode {:04o}); run: chmod 600 {0}",
            path.display(),
            meta.mode() & 0o7777
        )
    })
}

fn read_hex(path: &Path) -> Outcome<Zeroizing<[u8; 32]>> {
    let hint = "the keys folder is made by `vow init`; restore it, or correct `keys` in the configuration";
    let bytes = vow_base::disk::Disk::read(&RealDisk, path, LIMIT_BYTES);
    let bytes = Zeroizing::new(bytes.map_err(|error| match error.source.kind() {
        ErrorKind::PermissionDenied => Failure::from(error),
        _ => Failure::from(error).hint(hint),
    })?);
    let text = std::str::from_utf8(&bytes).ok().map(str::trim);
    text.and_then(from_hex::<32>).map(Zeroizing::new).ok_or_else(|| {
        Failure::failed(format!("{} does not hold a key (64 hexadecimal digits)", path.display())).hint(hint)
    })
}
