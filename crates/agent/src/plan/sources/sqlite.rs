//! Sources of type `sqlite`.

use super::{About, DeKeys, Plan, Settings, all_shown, shown};
use crate::plan::fault::Checked;
use crate::plan::keys::{absolute, optional_path, size, texts};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;
use vow_base::amount::Bytes;
use vow_sources::sqlite::{DEFAULT_EXACT_BELOW_BYTES, SqliteOptions};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    paths: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    exclude: Vec<Spanned<String>>,
    exact_below: Option<Spanned<String>>,
    scratch: Option<Spanned<String>>,
}

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let paths = about.required_list(keys.paths.as_ref(), "paths")?;
    let options = SqliteOptions {
        paths: paths.iter().map(|path| absolute(path, about.folder)).collect::<Checked<_>>()?,
        exclude: texts(&keys.exclude, "an exclude pattern")?,
        exact_below_bytes: keys.exact_below.as_ref().map_or(Ok(DEFAULT_EXACT_BELOW_BYTES), size)?,
        scratch: optional_path(keys.scratch.as_ref(), about.folder)?
            .unwrap_or_else(|| PathBuf::from("/var/tmp")),
    };
    let mut settings = Settings::default();
    settings.set("exclude", options.exclude.clone()).set("paths", all_shown(&options.paths));
    settings
        .set("exact_below", Bytes(options.exact_below_bytes).to_string())
        .set("scratch", shown(&options.scratch));
    Ok(Plan { capture: Arc::new(options), settings })
}
