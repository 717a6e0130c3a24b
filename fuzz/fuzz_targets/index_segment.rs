//! An index segment of this host: the input is its plaintext, codec byte first.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::memory;
use vow_fuzz::sealed::{INDEX_SECRET, index_segment};
use vow_store::index::{open_segment, seal_segment};

fuzz_target!(|data: &[u8]| {
    assert!(open_segment(data, &INDEX_SECRET).is_err(), "an input that was never sealed opens");
    let stored = index_segment(data);
    let opened = memory::at_most(48 << 20, || open_segment(&stored, &INDEX_SECRET));
    let Ok(rows) = opened else { return };
    let again = seal_segment(&rows, &INDEX_SECRET).expect("seal");
    assert_eq!(open_segment(&again, &INDEX_SECRET), Ok(rows));
});
