//! Trailer and tail of a pack that decrypts: three bytes bend the tail, two say how many records it claims, the rest is the
//! trailer's payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::sealed::{IDS, Pack, SESSION};
use vow_fuzz::{memory, take};
use vow_store::pack::PackView;

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let wrong = take(&mut data);
    let count = u16::from_le_bytes(take(&mut data));
    let mut pack = Pack::default();
    // The same records as in the seeds.
    for kind in 1..=5 {
        pack.stored(kind, &[kind; 40]);
    }
    let bytes = pack.close(count.into(), data, wrong);
    memory::at_most((1 << 20) + 64 * data.len(), || {
        let Ok(view) = PackView::open(&bytes, &SESSION.key) else { return };
        assert_eq!(view.rows().len(), usize::from(count));
        let stored: usize = view.rows().iter().map(|row| row.stored as usize).sum();
        assert!(stored <= bytes.len());
        if view.verify(&IDS, None).is_ok() {
            assert!(view.rows().iter().all(|row| (1..=5).contains(&row.kind)));
            assert_eq!(view.verify(&IDS, Some(view.rows())), Ok(()));
        }
    });
});
