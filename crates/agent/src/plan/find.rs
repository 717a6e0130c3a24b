//! Where the configuration is looked for.

use super::PlanError;
use std::path::{Path, PathBuf};

const NAME: &str = "vow.toml";

/// The file that is used, and how it was found: `--config`, `$VOW_CONFIG`, then the usual places.
pub fn find(flag: Option<&Path>) -> Result<(PathBuf, &'static str), PlanError> {
    if let Some(path) = flag {
        return Ok((path.to_owned(), "--config"));
    }
    if let Some(path) = variable("VOW_CONFIG") {
        return Ok((path, "$VOW_CONFIG"));
    }
    let places = usual_places();
    if let Some(found) = places.iter().find(|(path, _)| path.exists()) {
        return Ok(found.clone());
    }
    Err(PlanError::NotFound { looked: places.into_iter().map(|(path, _)| path).collect() })
}

fn usual_places() -> Vec<(PathBuf, &'static str)> {
    let mut places = vec![(PathBuf::from(NAME), "current folder")];
    if let Some(folder) = variable("XDG_CONFIG_HOME") {
        places.push((folder.join("vow").join(NAME), "$XDG_CONFIG_HOME"));
    } else if let Some(home) = variable("HOME") {
        places.push((home.join(".config/vow").join(NAME), "home folder"));
    }
    places.push((Path::new("/etc/vow").join(NAME), "system"));
    places
}

/// A path from the environment; an empty variable counts as none.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
