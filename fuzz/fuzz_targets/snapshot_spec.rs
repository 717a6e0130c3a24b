//! The words by which a person names a snapshot: ids, prefixes, `SOURCE@latest`, `HOST/SOURCE@2026-11-20`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use vow_base::manifest::Manifest;
use vow_fuzz::archive::{Memory, commit, manifest};
use vow_fuzz::signing_key;
use vow_store::archive::Archive;

static ARCHIVE: LazyLock<Archive> = LazyLock::new(|| {
    let mut vault = Memory { hosts: vec![signing_key().public()], ..Memory::default() };
    for (sequence, source) in (1..).zip(["files", "mail@home", "files"]) {
        let finished = manifest().finished + sequence as i64 * 86_400_000_000_000;
        let info = commit(Manifest { sequence, finished, source: source.into(), ..manifest() }, sequence);
        vault.put(info.id, info.manifest.seal(&signing_key()));
        vault.receipts.push(info.receipt);
    }
    Archive::new(Arc::new(vault), None, Vec::new())
});

fuzz_target!(|spec: &str| {
    let Ok(found) = ARCHIVE.find(spec) else { return };
    let by_id = ARCHIVE.find(&found.id.to_string()).expect("the id of a snapshot that is there");
    assert_eq!(by_id, found);
    let id = found.id.to_string();
    let named = spec.contains(&found.manifest.source) || spec == "latest";
    assert!(named || id.starts_with(&spec.to_ascii_lowercase()), "{spec:?} found {id}");
});
