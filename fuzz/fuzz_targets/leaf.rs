//! A leaf of the listing, after decryption.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;
use vow_fuzz::{assert_paths, memory};
use vow_store::listing::tree::{LeafBuilder, read_leaf};
use vow_store::listing::{Content, Kind};
use vow_store::record::ChunkRef;

/// What one leaf may cost however it is made: the paths and references that it may hold in all.
const FIXED_COST: usize = 192 << 20;

fuzz_target!(|data: &[u8]| {
    let read = memory::at_most(FIXED_COST + 200 * data.len(), || read_leaf(data));
    let Ok(entries) = read else { return };
    assert_paths(entries.iter().map(|entry| &entry.path[..]));
    for entry in &entries {
        let mut end = 0;
        for (offset, length) in entry.extents.iter().flatten() {
            assert!(*offset >= end && *length > 0, "extents out of order");
            end = offset.checked_add(*length).expect("an extent that ends");
            assert!(end <= entry.size, "an extent beyond the end");
        }
        assert!(entry.mode <= 0o7777 && entry.mtime.nanos < 1_000_000_000);
        if entry.kind == Kind::File {
            let data = u128::from(entry.data_bytes());
            match &entry.content {
                Content::Empty => assert_eq!(data, 0),
                Content::Slice { chunk, offset, .. } => {
                    assert!(u128::from(*offset) + data <= u128::from(chunk.length));
                }
                Content::Chunks(chunks) => {
                    assert_eq!(chunks.iter().map(|chunk| u128::from(chunk.length)).sum::<u128>(), data);
                }
                Content::Lists(_) => {}
            }
        }
    }
    // References say the same about a record. The writer knows one row for each start in it; a reader need not refuse a table that
    // has another length or id there.
    let (mut records, mut rows) = (HashMap::new(), HashMap::new());
    for chunk in entries.iter().flat_map(|entry| entry.content.chunks()) {
        assert!(chunk.is_possible(), "a chunk beyond its record");
        let record = (chunk.place, chunk.whole);
        assert_eq!(*records.entry((chunk.place.pack, chunk.place.record)).or_insert(record), record);
    }
    let mut chunks = entries.iter().flat_map(|entry| entry.content.chunks());
    let at = |chunk: &ChunkRef<_>| (chunk.place.pack, chunk.place.record, chunk.start);
    if chunks.all(|chunk| *rows.entry(at(chunk)).or_insert(*chunk) == *chunk) {
        let mut builder = LeafBuilder::default();
        entries.iter().for_each(|entry| builder.push(entry));
        assert_eq!(read_leaf(&builder.finish().1), Ok(entries));
    }
});
