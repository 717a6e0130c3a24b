//! Sources of type `etcd`.

use super::{About, DeKeys, Plan, Settings, shown};
use crate::plan::fault::{Checked, fault};
use crate::plan::keys::optional_path;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;
use vow_sources::etcd::EtcdOptions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    url: Option<Spanned<String>>,
    cacert: Option<Spanned<String>>,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    tools: Option<Spanned<String>>,
    scratch: Option<Spanned<String>>,
}

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let url = about.required(keys.url.as_ref(), "url", "\"http://127.0.0.1:2379\"")?;
    let rest = ["http://", "https://"].iter().find_map(|scheme| url.get_ref().strip_prefix(scheme));
    if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['@', ',', ' '])) {
        return Err(fault(
            url,
            "this is the URL of one member, http:// or https://, without a user: certificates say who we are",
        ));
    }
    let path = |raw: Option<&Spanned<String>>| optional_path(raw, about.folder);
    let options = EtcdOptions {
        endpoint: url.get_ref().clone(),
        cacert: path(keys.cacert.as_ref())?,
        cert: path(keys.cert.as_ref())?,
        key: path(keys.key.as_ref())?,
        tools: path(keys.tools.as_ref())?,
        scratch: path(keys.scratch.as_ref())?.unwrap_or_else(|| PathBuf::from("/var/tmp")),
    };
    let mut settings = Settings::default();
    settings.set("url", options.endpoint.clone());
    for (name, path) in [
        ("cacert", &options.cacert),
        ("cert", &options.cert),
        ("key", &options.key),
        ("tools", &options.tools),
    ] {
        settings.set_some(name, path.as_deref().map(shown));
    }
    settings.set("scratch", shown(&options.scratch));
    Ok(Plan { capture: Arc::new(options), settings })
}
