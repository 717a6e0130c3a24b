//! The plaintext of a record: codec byte and payload. Bombs must run out of room.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::{memory, take};
use vow_store::compress::Unpacker;
use vow_store::record::CONTENT_LIMIT_BYTES;

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let length = u32::from_le_bytes(take(&mut data)) as usize;
    let mut unpacker = Unpacker::new().expect("zstd");
    let mut content = Vec::new();
    let limit = length % (1 << 17);
    let up_to =
        memory::at_most(limit + data.len() + 4096, || unpacker.unpack_up_to(data, limit, &mut content));
    if up_to.is_ok() {
        assert!(content.len() <= limit);
        let found = std::mem::take(&mut content);
        assert_eq!(unpacker.unpack(data, found.len(), &mut content), Ok(()));
        assert_eq!(content, found);
        assert!(unpacker.unpack(data, found.len() + 1, &mut content).is_err());
    }
    let mut content = Vec::new();
    let bound = CONTENT_LIMIT_BYTES + data.len() + 4096;
    let exact = memory::at_most(bound, || unpacker.unpack(data, length, &mut content));
    assert!(exact.is_err() || content.len() == length && length <= CONTENT_LIMIT_BYTES);
});
