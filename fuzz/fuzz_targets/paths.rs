//! The rules for paths in a listing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use vow_store::listing::path::{compare, is_clean, is_within, join, name, parent};

fuzz_target!(|data: &[u8]| {
    let middle = data.iter().position(|byte| *byte == 0xfe).unwrap_or(data.len());
    let (a, b) = (&data[..middle], data.get(middle + 1..).unwrap_or_default());
    assert_eq!(compare(a, b), compare(b, a).reverse());
    assert_eq!(compare(a, b) == Ordering::Equal, a == b);
    if !is_clean(a) || !is_clean(b) {
        return;
    }
    // A clean path stays below the folder it is joined to.
    let root = Path::new("/out");
    let joined = [b"/out/", a].concat();
    let joined = Path::new(OsStr::from_bytes(&joined));
    assert!(joined.starts_with(root));
    let normal = |part| matches!(part, Component::Normal(_));
    assert!(joined.strip_prefix(root).is_ok_and(|rest| rest.components().all(normal)));
    if let Some(folder) = parent(a) {
        assert!(is_clean(folder) && is_within(a, folder) && compare(folder, a).is_lt());
        assert_eq!(join(folder, name(a)), a);
    }
    // What is within a folder comes after it and before everything else that comes after it.
    if is_within(b, a) && a != b {
        assert!(compare(a, b).is_lt());
    } else if compare(a, b).is_lt() {
        assert!(compare(&join(a, b"\xff\xff"), b).is_lt());
    }
});
