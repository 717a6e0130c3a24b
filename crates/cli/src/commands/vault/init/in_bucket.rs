//! A vault whose storage is a bucket: the bucket is tried before anything is made there.

use crate::app::Context;
use crate::commands::vault::bucket;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::layout::quoted;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::publish::publish;
use vow_base::sign::SigningKey;
use vow_vault::server::Config as Settings;
use vow_vault::server::config::{BucketTerms, Term};
use vow_vault::storage::s3::{ProbeReport, S3Storage, Weight};
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
    let key = key(dir, options.key.as_deref())?;
    let made = Vault::create_on(Arc::new(storage.clone()), Arc::new(SystemClock), key);
    made.map_err(|error| explain(error.into(), &storage, options.key.is_some()))
}

fn judge(cx: &Context, url: &str, report: &ProbeReport, despite_lock: bool) -> Outcome<()> {
    let weight = report.weight();
    for finding in &report.findings {
        match finding.weight() {
            Weight::Good => cx.ui.say(&format!("tried: {finding}")),
            Weight::Known => cx.ui.note(&finding.to_string()),
            Weight::Weak | Weight::Unusable => cx.ui.warn(&finding.to_string()),
        }
    }
    let refuse =
        |text: &str, hint: &str| Err(Failure::failed(format!("{url}: {text}; nothing was made")).hint(hint));
    match weight {
        Weight::Unusable => {
            refuse("a vault cannot be kept there", "use another store: Amazon S3, MinIO, Ceph and others do")
        }
        Weight::Weak if !despite_lock => refuse(
            "the bucket does not hold its lock, so whoever has its credentials could empty it",
            "make a bucket with object lock (aws s3api create-bucket --object-lock-enabled-for-bucket …), or say --despite-lock",
        ),
        _ => Ok(()),
    }
}

/// The vault's key: the one given, the one of an earlier attempt, or a new one. It never comes into the bucket.
fn key(dir: &Path, given: Option<&Path>) -> Outcome<SigningKey> {
    let file = dir.join(KEY);
    if let Ok(true) = fs::exists(&file) {
        let key = bucket::read_key(&file)?;
        return match given.map(bucket::read_key).transpose()? {
            Some(other) if other.public() != key.public() => {
                Err(Failure::failed(format!("{} is another key than the one given", file.display()))
                    .hint("use another folder with --dir"))
            }
            _ => Ok(key),
        };
    }
    let key = match given {
        Some(given) => bucket::read_key(given)?,
        None => SigningKey::generate().map_err(|e| Failure::failed("no randomness").because(&e))?,
    };
    publish(&RealDisk, dir, &file, vault_key_text(&key).as_bytes(), None, true)
        .map_err(|e| Failure::failed(format!("cannot write {}", file.display())).because(&e))?;
    Ok(key)
}

fn explain(failure: Failure, storage: &S3Storage, key_given: bool) -> Failure {
    let there = Vault::open_on(Arc::new(storage.clone()), Arc::new(SystemClock), None).is_ok();
    if !there {
        return failure;
    }
    let text = match key_given {
        true => "there is a vault in the bucket, and this is not its key",
        false => "there is a vault in the bucket already",
    };
    Failure::new(Exit::Failed, text)
        .hint("to serve it from here as well: --key FILE with the vault.key of the machine that made it")
}

/// Whether these settings are what the bucket needs.
pub(super) fn checked(text: &str) -> Outcome<()> {
    Settings::parse(text)
        .map(|_| ())
        .map_err(|bad| Failure::failed("these settings make no sense").because(&bad))
}
