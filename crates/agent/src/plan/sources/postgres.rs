//! Sources of type `postgres`.

use super::{About, DeKeys, Plan, Settings, shown};
use crate::plan::fault::{Checked, fault};
use crate::plan::keys::{SECS, number, optional_path, password, size, texts};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;
use vow_base::amount::Bytes;
use vow_sources::postgres::{
    AccessOptions, DEFAULT_MAX_LAG_SECS, LogOptions, PhysicalOptions, PhysicalPlan, PostgresOptions, Url,
};

const PARALLEL: RangeInclusive<i64> = 1..=32;
/// Where a base backup is made when the plan does not say: on a disk, and reachable for the server's account.
const STAGING: &str = "/var/tmp";
/// A slot that holds back more than this is a problem when the plan does not say.
const WAL_MAX_LAG_BYTES: u64 = 4 << 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    url: Option<Spanned<String>>,
    #[serde(default)]
    exclude: Vec<Spanned<String>>,
    run_as: Option<String>,
    password_file: Option<Spanned<String>>,
    password_command: Option<Spanned<Vec<Spanned<String>>>>,
    tools: Option<Spanned<String>>,
    exact_below: Option<Spanned<String>>,
    lock_wait_secs: Option<Spanned<i64>>,
    max_lag_secs: Option<Spanned<i64>>,
    parallel: Option<Spanned<i64>>,
    method: Option<Spanned<String>>,
    staging: Option<Spanned<String>>,
    wal: Option<Spanned<bool>>,
    wal_slot: Option<Spanned<String>>,
    wal_spool: Option<Spanned<String>>,
    wal_max_lag: Option<Spanned<String>>,
}

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let url = about.required(keys.url.as_ref(), "url", "\"postgres:///?host=/run/postgresql\"")?;
    let mut access = AccessOptions::of(Url::parse(url.get_ref()).map_err(|why| fault(url, why))?);
    access.run_as.clone_from(&keys.run_as);
    access.password = password(keys.password_file.as_ref(), keys.password_command.as_ref(), about.folder)?;
    access.tools = optional_path(keys.tools.as_ref(), about.folder)?;
    match keys.method.as_ref().map(|method| (method, method.get_ref().as_str())) {
        None | Some((_, "logical")) => {}
        Some((_, "physical")) => return physical(&keys, access, about),
        Some((method, _)) => {
            return Err(fault(method, "method is \"logical\" (dumps) or \"physical\" (a base backup)"));
        }
    }
    refuse_physical(&keys)?;
    let mut options = PostgresOptions::new(access);
    options.exclude = texts(&keys.exclude, "the name of a database")?;
    if let Some(text) = &keys.exact_below {
        options.exact_below_bytes = size(text)?;
    }
    options.lock_wait_secs = number(keys.lock_wait_secs.as_ref(), options.lock_wait_secs, SECS)?;
    options.max_lag_secs = number(keys.max_lag_secs.as_ref(), options.max_lag_secs, SECS)?;
    options.parallel = number(keys.parallel.as_ref(), options.parallel, PARALLEL)?;
    let settings = settings(&options);
    Ok(Plan { capture: Arc::new(options), settings })
}

/// Keys that only mean something for a base backup.
fn refuse_physical(keys: &Keys) -> Checked<()> {
    let texts = [
        ("staging", &keys.staging),
        ("wal_slot", &keys.wal_slot),
        ("wal_spool", &keys.wal_spool),
        ("wal_max_lag", &keys.wal_max_lag),
    ];
    let only = |key: &str| format!("{key} needs method = \"physical\"");
    if let Some((key, at)) = texts.iter().find_map(|(key, at)| Some((key, at.as_ref()?))) {
        return Err(fault(at, only(key)));
    }
    keys.wal.as_ref().map_or(Ok(()), |at| Err(fault(at, only("wal"))))
}

/// A base backup, and perhaps the log.
fn physical(keys: &Keys, access: AccessOptions, about: &About<'_>) -> Checked<Plan> {
    let only =
        |key: &str| format!("{key} makes no sense with method = \"physical\": all of the server is captured");
    if let Some(first) = keys.exclude.first() {
        return Err(fault(first, only("exclude")));
    }
    if let Some(text) = &keys.exact_below {
        return Err(fault(text, only("exact_below")));
    }
    for (key, at) in [("lock_wait_secs", &keys.lock_wait_secs), ("parallel", &keys.parallel)] {
        if let Some(at) = at {
            return Err(fault(at, only(key)));
        }
    }
    let staging = optional_path(keys.staging.as_ref(), about.folder)?;
    let options = PhysicalOptions {
        access: access.clone(),
        name: about.name.get_ref().clone(),
        staging: staging.unwrap_or_else(|| PathBuf::from(STAGING)),
        max_lag_secs: number(keys.max_lag_secs.as_ref(), DEFAULT_MAX_LAG_SECS, SECS)?,
        known_identifier: None,
        dry_run: false,
    };
    let log = log(keys, access, about)?;
    let mut settings = access_settings(&options.access);
    settings.set("method", "physical").set("staging", shown(&options.staging));
    settings.set("max_lag_secs", i64::from(options.max_lag_secs)).set("wal", log.is_some());
    if let Some(log) = &log {
        settings.set("wal_slot", log.slot.clone()).set("wal_max_lag", Bytes(log.max_lag_bytes).to_string());
        settings.set_some("wal_spool", log.spool.as_deref().map(shown));
    }
    Ok(Plan { capture: Arc::new(PhysicalPlan { options, log }), settings })
}

fn log(keys: &Keys, access: AccessOptions, about: &About<'_>) -> Checked<Option<LogOptions>> {
    let slot = match &keys.wal_slot {
        None => format!("vow_{}", about.name.get_ref().replace(['.', '-'], "_")),
        Some(slot) => {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if slot.get_ref().is_empty() || slot.get_ref().len() > 63 || !slot.get_ref().chars().all(plain) {
                return Err(fault(slot, "a slot has a name of 1 to 63 characters of a-z, 0-9 and '_'"));
            }
            slot.get_ref().clone()
        }
    };
    let max_lag_bytes = keys.wal_max_lag.as_ref().map(size).transpose()?.unwrap_or(WAL_MAX_LAG_BYTES);
    let spool = optional_path(keys.wal_spool.as_ref(), about.folder)?;
    let wanted = keys.wal.as_ref().is_some_and(|wal| *wal.get_ref());
    Ok(wanted.then_some(LogOptions { access, slot, spool, max_lag_bytes }))
}

fn settings(options: &PostgresOptions) -> Settings {
    let mut settings = access_settings(&options.access);
    settings.set("exclude", options.exclude.clone());
    settings.set("exact_below", Bytes(options.exact_below_bytes).to_string());
    settings.set("lock_wait_secs", i64::from(options.lock_wait_secs));
    settings.set("max_lag_secs", i64::from(options.max_lag_secs));
    settings.set("parallel", options.parallel as i64);
    settings
}

fn access_settings(access: &AccessOptions) -> Settings {
    Settings::access(access.url.text(), access.run_as.as_ref(), &access.password, access.tools.as_deref())
}
