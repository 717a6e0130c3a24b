//! Sources of type `ldap`.

use super::{About, DeKeys, Plan, Settings, shown};
use crate::plan::fault::Checked;
use crate::plan::keys::optional_path;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;
use vow_sources::ldap::LdapOptions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    config: Option<Spanned<String>>,
    tools: Option<Spanned<String>>,
}

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let config = optional_path(keys.config.as_ref(), about.folder)?;
    let options = LdapOptions {
        config: config.unwrap_or_else(|| PathBuf::from("/etc/ldap/slapd.d")),
        tools: optional_path(keys.tools.as_ref(), about.folder)?,
    };
    let mut settings = Settings::default();
    settings.set("config", shown(&options.config)).set_some("tools", options.tools.as_deref().map(shown));
    Ok(Plan { capture: Arc::new(options), settings })
}
