//! The key blob of a pack: an age file, read before anything is authenticated. The first byte chooses between the input as it is
//! and a sound file whose content is the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::memory;
use vow_fuzz::sealed::{SESSION, wrap};
use vow_store::session::BLOB_LIMIT_BYTES;

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else { return };
    if mode & 7 == 7 {
        assert_eq!(SESSION.identities.unwrap(&wrap(data)).is_ok(), data.len() == 32);
    } else if data.len() <= BLOB_LIMIT_BYTES {
        let _ = memory::at_most(8 << 20, || SESSION.identities.unwrap(data));
    }
});
