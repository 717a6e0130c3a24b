//! A manifest whose signature is right whatever its payload says: the target signs it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_base::manifest::{ENVELOPE, Manifest, VERSION};
use vow_fuzz::{memory, signing_key};

fuzz_target!(|data: &[u8]| {
    assert!(Manifest::open(data).is_err(), "an input that was never signed opens");
    // Signing is slow, and its branches would drown those of the parser: only for what is well-formed.
    let key = signing_key();
    if !vow_base::cbor::decode::<Manifest>(data).is_ok_and(|read| read.host_key == key.public().0) {
        return;
    }
    let stored = key.seal_envelope(&ENVELOPE, data);
    let opened = memory::at_most((1 << 20) + 64 * data.len(), || Manifest::open(&stored));
    let Ok(manifest) = opened else { return };
    assert_eq!((manifest.version, manifest.public_key()), (VERSION, key.public()));
    assert_eq!(manifest.index_ids().len() * 32, manifest.index.len());
    if let Ok(expanded) = manifest.packs.expand(|_| Err(())) {
        assert_eq!((expanded.packs.len() as u64, expanded.lists.len()), (manifest.packs.count, 0));
    }
    assert_eq!(Manifest::open(&manifest.seal(&key)), Ok(manifest));
});
