//! The root record, after decryption.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::{assert_paths, memory};
use vow_store::listing::Root;

fuzz_target!(|data: &[u8]| {
    let read = memory::at_most((1 << 20) + 128 * data.len(), || Root::read(data));
    let Ok(root) = read else { return };
    assert_paths(root.top.children.iter().map(|(path, _)| &path[..]));
    assert_eq!(Root::read(&root.write()), Ok(root));
});
