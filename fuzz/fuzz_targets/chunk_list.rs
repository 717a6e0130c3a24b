//! A chunk list, after decryption.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::memory;
use vow_store::listing::tree::{read_chunk_list, write_chunk_list};
use vow_store::record::CONTENT_LIMIT_BYTES;

fuzz_target!(|data: &[u8]| {
    let read = memory::at_most((1 << 20) + 64 * data.len(), || read_chunk_list(data));
    let Ok(chunks) = read else { return };
    assert!(chunks.iter().all(|chunk| chunk.is_possible() && chunk.whole as usize <= CONTENT_LIMIT_BYTES));
    assert_eq!(read_chunk_list(&write_chunk_list(&chunks)), Ok(chunks));
});
