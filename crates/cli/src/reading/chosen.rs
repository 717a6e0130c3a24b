//! Which vaults a reading command means: those of the plan, one of them, a path, an address, or what a recovery kit names.

use super::ReadArgs;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::identity;
use crate::kit::KitVault;
use std::path::Path;
use vow_agent::plan::{self, BUCKET_SCHEME, Config, Place, VaultPlan};
use vow_base::Fingerprint;
use vow_base::id::from_hex;
use vow_protocol::Address;
use vow_vault::storage::s3::S3Storage;

/// The plan, when there is one, and the vaults that are meant.
type Chosen = (Option<Config>, Vec<VaultPlan>);

/// What the arguments mean.
pub(super) fn chosen(cx: &Context, args: &ReadArgs) -> Outcome<Chosen> {
    let Some(vault) = args.vault.as_deref() else {
        let config = match cx.load_config() {
            Ok(config) => config,
            Err(failure) => return from_kit(cx, args).unwrap_or(Err(failure)),
        };
        let plans = config.vaults.clone();
        return Ok((Some(config), plans));
    };
    let text = vault.to_string_lossy();
    if text.starts_with(BUCKET_SCHEME) {
        return at_bucket(cx, &text);
    }
    if text.contains("://") {
        return at_address(cx, &text);
    }
    let as_path = || -> Outcome<VaultPlan> {
        let path = std::path::absolute(vault).map_err(|e| Failure::io("find", vault, e))?;
        Ok(VaultPlan::at(vault.display().to_string(), Place::Folder(path)))
    };
    let is_path = text.contains('/') || text.starts_with('.');
    if is_path && cx.config.is_none() {
        return Ok((None, vec![as_path()?]));
    }
    // A name needs the plan. A configuration given by hand lends its host key to a path as well.
    match cx.load_config() {
        Ok(config) => {
            let fits = |plan: &&VaultPlan| {
                plan.name == text || is_path && plan.folder().is_some_and(|path| same(path, vault))
            };
            match config.vaults.iter().find(fits).cloned() {
                Some(plan) => Ok((Some(config), vec![plan])),
                None if is_path || vault.is_dir() => Ok((Some(config), vec![as_path()?])),
                None => Err(config.no_vault(&text).into()),
            }
        }
        Err(_) if cx.config.is_none() && vault.is_dir() => Ok((None, vec![as_path()?])),
        Err(failure) => Err(failure),
    }
}

/// On a bare machine there is no configuration, and the kit says where the vaults are.
fn from_kit(cx: &Context, args: &ReadArgs) -> Option<Outcome<Chosen>> {
    if cx.config.is_some() || plan::find(None).is_ok() {
        return None;
    }
    let identity = match identity::given(args.identity.as_deref()) {
        Ok(identity) => identity?,
        Err(failure) => return Some(Err(failure)),
    };
    let plan = |vault: &KitVault| VaultPlan {
        fingerprint: Some(vault.fingerprint),
        ..VaultPlan::at(vault.name.clone(), vault.place.clone())
    };
    let plans: Vec<_> = identity.kit.vaults.iter().map(plan).collect();
    (!plans.is_empty()).then_some(Ok((None, plans)))
}

/// A vault in a bucket, which is read without its server. A folder is trusted to be the vault that it says it is, and so is a bucket; who wants more
/// has a kit, or writes the fingerprint behind it.
fn at_bucket(cx: &Context, text: &str) -> Outcome<Chosen> {
    let (url, pin) = split_pin(text);
    S3Storage::check_url(url)?;
    let place = Place::of_text(url);
    let fingerprint = pin.map(read_pin).transpose().map_err(|why| not_a_vault(url, why))?;
    Ok((config_if_any(cx)?, vec![VaultPlan { fingerprint, ..VaultPlan::at(place.to_string(), place) }]))
}

/// The plan lends its host key, where there is one; one that was named by hand has to be good.
fn config_if_any(cx: &Context) -> Outcome<Option<Config>> {
    match cx.load_config() {
        Ok(config) => Ok(Some(config)),
        Err(failure) if cx.config.is_some() => Err(failure),
        Err(_) => Ok(None),
    }
}

/// A vault by its address, with its fingerprint behind it where neither the plan nor a kit knows it.
fn at_address(cx: &Context, text: &str) -> Outcome<Chosen> {
    let (address, pin) = address_and_pin(text)?;
    let config = config_if_any(cx)?;
    let place = Place::Address(address);
    let known = config.iter().flat_map(|config| &config.vaults).find(|plan| plan.place == place).cloned();
    let plan = known.unwrap_or_else(|| VaultPlan::at(place.to_string(), place));
    Ok((config, vec![VaultPlan { fingerprint: pin.or(plan.fingerprint), ..plan }]))
}

/// `https://HOST:PORT`, or `https://HOST:PORT#FINGERPRINT`.
pub(crate) fn address_and_pin(text: &str) -> Outcome<(Address, Option<Fingerprint>)> {
    let (address, pin) = split_pin(text);
    let parsed = address.parse().map_err(|why| not_a_vault(address, format!("{why}")))?;
    let pin = pin.map(read_pin).transpose().map_err(|why| not_a_vault(address, why))?;
    Ok((parsed, pin))
}

fn split_pin(text: &str) -> (&str, Option<&str>) {
    text.split_once('#').map_or((text, None), |(place, pin)| (place, Some(pin)))
}

fn read_pin(digits: &str) -> Result<Fingerprint, String> {
    let pin = from_hex::<32>(digits.strip_prefix("SHA256:").unwrap_or(digits)).map(Fingerprint);
    pin.ok_or_else(|| "a fingerprint has 64 hexadecimal digits".into())
}

fn not_a_vault(place: &str, why: String) -> Failure {
    Failure::new(Exit::Usage, format!("{place} is not the address of a vault: {why}"))
        .hint("write https://HOST:PORT, or https://HOST:PORT#FINGERPRINT; of a vault in a bucket, s3://BUCKET/PREFIX")
}

fn same(known: &Path, given: &Path) -> bool {
    std::path::absolute(given).is_ok_and(|given| given == known)
}
