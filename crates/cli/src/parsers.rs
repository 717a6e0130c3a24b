//! What reads texts that people write, for fuzz targets.

use crate::config;
use crate::spec::Spec;
use std::ffi::OsStr;
use std::path::Path;

/// A configuration as `vow config show` prints it; or what is wrong with it, where.
pub fn config(text: &str) -> Result<String, String> {
    let config = config::parse(text, Path::new("/etc/vow/vow.toml"), "fuzzing");
    config.map(|config| config.shown()).map_err(|failure| failure.message)
}

/// The snapshot and the path that `SNAPSHOT[:PATH]` names; or what is wrong with it.
pub fn spec(text: &OsStr) -> Result<(String, Option<Vec<u8>>), String> {
    let spec = Spec::parse(text).map_err(|failure| failure.message)?;
    Ok((spec.snapshot, spec.path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = format!("{}/../../fuzz/corpus-seeds/{target}", env!("CARGO_MANIFEST_DIR"));
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder}: {e}"));
        entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a seed")).collect()
    }

    #[test]
    fn the_seeds_for_fuzzing_are_valid() {
        let configs = seeds("config");
        assert!(!configs.is_empty());
        for seed in configs {
            let text = String::from_utf8(seed).expect("text");
            let shown = super::config(&text).expect("a seed is valid");
            assert_eq!(super::config(&shown).as_ref(), Ok(&shown));
        }
        let specs = seeds("spec");
        assert!(!specs.is_empty());
        for seed in specs {
            super::spec(&std::ffi::OsString::from_vec(seed)).expect("a seed is valid");
        }
    }
}
