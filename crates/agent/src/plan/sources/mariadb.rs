//! Sources of type `mariadb`.

use super::{About, DeKeys, Plan, Settings, shown};
use crate::plan::fault::{Checked, fault};
use crate::plan::keys::{SECS, number, optional_path, password, size, texts};
use serde::Deserialize;
use std::sync::Arc;
use toml::Spanned;
use vow_base::amount::Bytes;
use vow_sources::mariadb::{
    AccessOptions, BinlogOptions, DEFAULT_FLUSH_SECS, DEFAULT_LOCK_WAIT_SECS, DEFAULT_MAX_LAG_SECS,
    DEFAULT_PHYSICAL_EXACT_BELOW_BYTES, Lock, MariaDbOptions, PhysicalOptions, Url,
};

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
    lock: Option<Spanned<String>>,
    exact_below: Option<Spanned<String>>,
    lock_wait_secs: Option<Spanned<i64>>,
    max_lag_secs: Option<Spanned<i64>>,
    method: Option<Spanned<String>>,
    binlog: Option<Spanned<bool>>,
    binlog_spool: Option<Spanned<String>>,
    binlog_flush_secs: Option<Spanned<i64>>,
}

const LOCKS: &[(&str, Lock)] = &[("auto", Lock::Auto), ("none", Lock::None), ("all", Lock::All)];

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let url = about.required(keys.url.as_ref(), "url", "\"mariadb:///?socket=/run/mysqld/mysqld.sock\"")?;
    let mut access = AccessOptions::of(Url::parse(url.get_ref()).map_err(|why| fault(url, why))?);
    access.run_as.clone_from(&keys.run_as);
    access.password = password(keys.password_file.as_ref(), keys.password_command.as_ref(), about.folder)?;
    access.tools = optional_path(keys.tools.as_ref(), about.folder)?;
    match keys.method.as_ref().map(|method| (method, method.get_ref().as_str())) {
        None | Some((_, "logical")) => {}
        Some((_, "physical")) => return physical(&keys, access, about),
        Some((method, _)) => {
            return Err(fault(
                method,
                "method is \"logical\" (dumps) or \"physical\" (all files, by mariadb-backup)",
            ));
        }
    }
    let log = log(&keys, &access, about)?;
    let mut options = MariaDbOptions { log, ..MariaDbOptions::new(access) };
    options.exclude = texts(&keys.exclude, "the name of a database")?;
    if let Some(text) = &keys.lock {
        let found = LOCKS.iter().find(|(word, _)| word == text.get_ref());
        options.lock = found
            .ok_or_else(|| fault(text, "lock is \"auto\", \"none\" or \"all\""))
            .map(|(_, lock)| *lock)?;
    }
    if let Some(text) = &keys.exact_below {
        options.exact_below_bytes = size(text)?;
    }
    options.lock_wait_secs = number(keys.lock_wait_secs.as_ref(), options.lock_wait_secs, SECS)?;
    options.max_lag_secs = number(keys.max_lag_secs.as_ref(), options.max_lag_secs, SECS)?;
    let settings = settings(&options);
    Ok(Plan { capture: Arc::new(options), settings })
}

/// All files of the server.
fn physical(keys: &Keys, access: AccessOptions, about: &About<'_>) -> Checked<Plan> {
    let only =
        |key: &str| format!("{key} makes no sense with method = \"physical\": all of the server is captured");
    if let Some(first) = keys.exclude.first() {
        return Err(fault(first, only("exclude")));
    }
    if let Some(lock) = &keys.lock {
        return Err(fault(lock, only("lock")));
    }
    let exact = keys.exact_below.as_ref().map(size).transpose()?;
    let options = PhysicalOptions {
        log: log(keys, &access, about)?,
        access,
        exact_below_bytes: exact.unwrap_or(DEFAULT_PHYSICAL_EXACT_BELOW_BYTES),
        lock_wait_secs: number(keys.lock_wait_secs.as_ref(), DEFAULT_LOCK_WAIT_SECS, SECS)?,
        max_lag_secs: number(keys.max_lag_secs.as_ref(), DEFAULT_MAX_LAG_SECS, SECS)?,
        known_identifier: None,
        dry_run: false,
    };
    let mut settings = access_settings(&options.access);
    settings.set("method", "physical").set("exact_below", Bytes(options.exact_below_bytes).to_string());
    settings.set("lock_wait_secs", i64::from(options.lock_wait_secs));
    settings.set("max_lag_secs", i64::from(options.max_lag_secs));
    log_settings(&mut settings, options.log.as_ref());
    Ok(Plan { capture: Arc::new(options), settings })
}

/// How the binary log is received, when it is.
fn log(keys: &Keys, access: &AccessOptions, about: &About<'_>) -> Checked<Option<BinlogOptions>> {
    let wanted = keys.binlog.as_ref().is_some_and(|wanted| *wanted.get_ref());
    let only = |key: &str| format!("{key} needs binlog = true");
    if let (Some(at), false) = (&keys.binlog_spool, wanted) {
        return Err(fault(at, only("binlog_spool")));
    }
    if let (Some(at), false) = (&keys.binlog_flush_secs, wanted) {
        return Err(fault(at, only("binlog_flush_secs")));
    }
    let log = BinlogOptions {
        access: access.clone(),
        name: about.name.get_ref().clone(),
        spool: optional_path(keys.binlog_spool.as_ref(), about.folder)?,
        flush_secs: number(keys.binlog_flush_secs.as_ref(), DEFAULT_FLUSH_SECS, SECS)?,
    };
    Ok(wanted.then_some(log))
}

fn log_settings(settings: &mut Settings, log: Option<&BinlogOptions>) {
    settings.set("binlog", log.is_some());
    if let Some(log) = log {
        settings.set("binlog_flush_secs", i64::from(log.flush_secs));
        settings.set_some("binlog_spool", log.spool.as_deref().map(shown));
    }
}

fn access_settings(access: &AccessOptions) -> Settings {
    Settings::access(access.url.text(), access.run_as.as_ref(), &access.password, access.tools.as_deref())
}

fn settings(options: &MariaDbOptions) -> Settings {
    let mut settings = access_settings(&options.access);
    settings.set("exclude", options.exclude.clone());
    let lock = LOCKS.iter().find(|(_, lock)| *lock == options.lock).map_or("auto", |(word, _)| word);
    settings.set("lock", lock);
    settings.set("exact_below", Bytes(options.exact_below_bytes).to_string());
    settings.set("lock_wait_secs", i64::from(options.lock_wait_secs));
    settings.set("max_lag_secs", i64::from(options.max_lag_secs));
    log_settings(&mut settings, options.log.as_ref());
    settings
}
