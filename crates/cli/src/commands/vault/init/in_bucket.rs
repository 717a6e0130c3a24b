//! A vault whose storage is a bucket: the bucket is tried before anything is made there.

use crate::app::Context;
use crate::commands::vault::bucket;
use crate::failure::{Failure, Outcome};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_agent::plan::quoted;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::publish::{PublishError, publish};
use vow_base::sign::{PublicKey, SigningKey};
use vow_base::vault::VaultError;
use vow_vault::server::Config as Settings;
use vow_vault::server::config::{BucketTerms, Term};
use vow_vault::storage::s3::{ProbeReport, Weight};
use vow_vault::{Vault, vault_key_text};

/// The file with the vault's key, beside the settings.
const KEY: &str = "vault.key";

/// Where the vault lies, when not beside its settings.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// With --dir: keep the vault in this bucket; credentials and the rest come from the usual AWS_ variables
    #[arg(long, value_name = "s3://BUCKET/PREFIX", requires = "dir")]
    storage: Option<String>,
    /// The store, when it is not Amazon's [default: $AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", requires = "storage")]
    endpoint: Option<String>,
    /// Its region [default: $AWS_REGION]
    #[arg(long, value_name = "NAME", requires = "storage")]
    region: Option<String>,
    /// How long the bucket locks every object, from when it is stored
    #[arg(long, value_name = "TIME", requires = "storage", default_value = "14d")]
    lock: Term,
    /// I know that this bucket does not hold its lock: make the vault there all the same
    #[arg(long, requires = "storage")]
    despite_lock: bool,
    /// Serve the vault that is in the bucket already, from this machine too: its key
    #[arg(long, value_name = "FILE", requires = "storage")]
    key: Option<PathBuf>,
}

impl Options {
    /// The bucket, if one was named.
    pub(super) fn storage(&self) -> Option<&str> {
        self.storage.as_deref()
    }

    fn terms(&self) -> BucketTerms {
        let (endpoint, region) = (self.endpoint.clone(), self.region.clone());
        BucketTerms {
            endpoint,
            region,
            lock: self.lock,
            must_lock: !self.despite_lock,
            ..BucketTerms::default()
        }
    }

    /// What stands about the bucket in the settings.
    pub(super) fn settings(&self) -> String {
        let terms = self.terms();
        let mut text = format!("key = {}\n\n[bucket]\n", quoted(KEY));
        for (word, value) in [("endpoint", &terms.endpoint), ("region", &terms.region)] {
            if let Some(value) = value {
                text.push_str(&format!("{word} = {}\n", quoted(value)));
            }
        }
        text.push_str(&format!(
            "lock = {}\nmust_lock = {}\n",
            quoted(&terms.lock.to_string()),
            terms.must_lock
        ));
        text
    }
}

/// Tries the bucket, and makes the vault in it, or opens the one that is there with its key.
pub(super) fn make(cx: &Context, dir: &Path, url: &str, options: &Options) -> Outcome<Vault> {
    let storage = bucket::storage(url, &options.terms())?;
    let report = storage.probe().map_err(|e| {
        Failure::failed("the bucket cannot be tried")
            .because(&e)
            .hint("check the bucket's name and what its credentials may do")
    })?;
    judge(cx, url, &report, options.despite_lock)?;
    let there = match Vault::open_on(Arc::new(storage.clone()), Arc::new(SystemClock), None) {
        Ok(vault) => Some(vault.public_key()),
        Err(VaultError::NoVault { .. }) => None,
        Err(other) => return Err(other.into()),
    };
    let key = key(dir, options.key.as_deref(), there)?;
    Ok(Vault::create_on(Arc::new(storage), Arc::new(SystemClock), key)?)
}

fn judge(cx: &Context, url: &str, report: &ProbeReport, despite_lock: bool) -> Outcome<()> {
    let weight = report.weight();
    for finding in &report.findings {
        match finding.weight() {
            Weight::Good => cx.ui.say(&format!("tried: {finding}")),
            Weight::Known => cx.ui.note(&finding.to_string()),
            Weight::Weak | Weight::Harmful | Weight::Unusable => cx.ui.warn(&finding.to_string()),
        }
    }
    let refuse =
        |text: &str, hint: &str| Err(Failure::failed(format!("{url}: {text}; nothing was made")).hint(hint));
    match weight {
        Weight::Unusable => {
            refuse("a vault cannot be kept there", "use another store: Amazon S3, MinIO, Ceph and others do")
        }
        Weight::Harmful => refuse(
            "its settings would let what is kept there be taken away",
            "change the bucket's lifecycle rules or policy as it says above, and run the command again",
        ),
        Weight::Weak if !despite_lock => refuse(
            "the bucket does not hold its lock, so whoever has its credentials could empty it",
            "make a bucket with object lock (aws s3api create-bucket --object-lock-enabled-for-bucket …), or say --despite-lock",
        ),
        _ => Ok(()),
    }
}

/// The vault's key: the one given, the one of an earlier attempt, or a new one. It never comes into the bucket. `there` is that of the vault
/// that is in the bucket already.
fn key(dir: &Path, given: Option<&Path>, there: Option<PublicKey>) -> Outcome<SigningKey> {
    let file = dir.join(KEY);
    let refuse = |text: String| {
        Err(Failure::failed(text).hint(
            "to serve the vault in the bucket from here as well: --key FILE with the vault.key of the machine that made it",
        ))
    };
    let known = match (given, fs::exists(&file)) {
        (Some(given), _) => Some(bucket::read_key(given)?),
        (None, Ok(true)) => Some(bucket::read_key(&file)?),
        (None, _) => None,
    };
    let key = match (known, there) {
        (Some(key), Some(there)) if key.public() != there => {
            return refuse("there is a vault in the bucket, and this is not its key".into());
        }
        (None, Some(_)) => return refuse("there is a vault in the bucket already".into()),
        (Some(key), _) => key,
        (None, None) => SigningKey::generate().map_err(|e| Failure::failed("no randomness").because(&e))?,
    };
    match publish(&RealDisk, dir, &file, vault_key_text(&key).as_bytes(), None, true) {
        Ok(_) => Ok(key),
        Err(PublishError::Occupied { .. }) => refuse(format!("{} holds another key", file.display())),
        Err(e) => Err(Failure::failed(format!("cannot write {}", file.display())).because(&e)),
    }
}

/// Whether these settings are what the bucket needs.
pub(super) fn checked(text: &str) -> Outcome<()> {
    Settings::parse(text)
        .map(|_| ())
        .map_err(|bad| Failure::failed("these settings make no sense").because(&bad))
}
