//! Sources of type `redis`.

use super::{About, DeKeys, Plan, Settings};
use crate::plan::fault::{Checked, fault};
use crate::plan::keys::{SECS, number, optional_path, password};
use serde::Deserialize;
use std::sync::Arc;
use toml::Spanned;
use vow_sources::redis::{AccessOptions, RedisOptions, Url};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    url: Option<Spanned<String>>,
    password_file: Option<Spanned<String>>,
    password_command: Option<Spanned<Vec<Spanned<String>>>>,
    tools: Option<Spanned<String>>,
    max_lag_secs: Option<Spanned<i64>>,
}

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let url = about.required(keys.url.as_ref(), "url", "\"redis:///run/redis/redis-server.sock\"")?;
    let mut access = AccessOptions::of(Url::parse(url.get_ref()).map_err(|why| fault(url, why))?);
    access.password = password(keys.password_file.as_ref(), keys.password_command.as_ref(), about.folder)?;
    access.tools = optional_path(keys.tools.as_ref(), about.folder)?;
    let mut options = RedisOptions::new(access);
    options.max_lag_secs = number(keys.max_lag_secs.as_ref(), options.max_lag_secs, SECS)?;
    let access = &options.access;
    let mut settings = Settings::access(access.url.text(), None, &access.password, access.tools.as_deref());
    settings.set("max_lag_secs", i64::from(options.max_lag_secs));
    Ok(Plan { capture: Arc::new(options), settings })
}
