//! `SNAPSHOT[:PATH]` on the command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_store::archive::Spec;
use vow_store::listing::path::is_clean;

fuzz_target!(|data: &[u8]| {
    let Ok(Spec { snapshot, path }) = Spec::parse(data) else { return };
    assert!(!snapshot.is_empty() && !snapshot.contains(':'));
    let Some(path) = path else { return };
    assert!(path.is_empty() || is_clean(&path), "{}", path.escape_ascii());
    let again = [snapshot.as_bytes(), b":/", &path].concat();
    assert_eq!(Spec::parse(&again), Ok(Spec { snapshot, path: Some(path) }));
});
