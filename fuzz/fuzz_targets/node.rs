//! A node of the listing, after decryption.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::{assert_paths, memory};
use vow_store::listing::Node;
use vow_store::listing::tree::DEPTH_MAX;

fuzz_target!(|data: &[u8]| {
    let read = memory::at_most((1 << 20) + 96 * data.len(), || Node::read(data));
    let Ok(node) = read else { return };
    assert!((1..=DEPTH_MAX).contains(&node.depth));
    assert_paths(node.children.iter().map(|(path, _)| &path[..]));
    assert_eq!(Node::read(&node.write()), Ok(node));
});
