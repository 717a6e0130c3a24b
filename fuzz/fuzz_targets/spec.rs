//! `SNAPSHOT[:PATH]` on the command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use vow_cli::parsers::spec;
use vow_store::listing::path::is_clean;

fuzz_target!(|data: &[u8]| {
    let Ok((snapshot, path)) = spec(OsStr::from_bytes(data)) else { return };
    assert!(!snapshot.is_empty() && !snapshot.contains(':'));
    let Some(path) = path else { return };
    assert!(path.is_empty() || is_clean(&path), "{}", path.escape_ascii());
    let again = [snapshot.as_bytes(), b":/", &path].concat();
    assert_eq!(spec(OsStr::from_bytes(&again)), Ok((snapshot, Some(path))));
});
