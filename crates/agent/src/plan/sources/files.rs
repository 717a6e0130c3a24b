//! Sources of type `files`.

use super::{About, DeKeys, Plan, Settings, all_shown};
use crate::plan::fault::Checked;
use crate::plan::keys::{absolute, texts};
use serde::Deserialize;
use std::sync::Arc;
use toml::Spanned;
use vow_sources::files::FilesOptions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    paths: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    exclude: Vec<Spanned<String>>,
    /// Stay on the file systems of the paths.
    #[serde(default)]
    one_file_system: bool,
    /// Leave out folders marked by `CACHEDIR.TAG`.
    #[serde(default = "yes")]
    exclude_caches: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let paths = about.required_list(keys.paths.as_ref(), "paths")?;
    let options = FilesOptions {
        paths: paths.iter().map(|path| absolute(path, about.folder)).collect::<Checked<_>>()?,
        exclude: texts(&keys.exclude, "an exclude pattern")?,
        one_file_system: keys.one_file_system,
        exclude_caches: keys.exclude_caches,
        ..FilesOptions::default()
    };
    let mut settings = Settings::default();
    settings.set("exclude", options.exclude.clone()).set("paths", all_shown(&options.paths));
    settings.set("one_file_system", options.one_file_system).set("exclude_caches", options.exclude_caches);
    Ok(Plan { capture: Arc::new(options), settings })
}
