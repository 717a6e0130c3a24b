//! Records whose plaintext is arbitrary, in a pack that is otherwise sound: it verifies exactly when each record unpacks to what
//! its row says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::sealed::{IDS, Pack, SESSION};
use vow_fuzz::take;
use vow_store::compress::Unpacker;
use vow_store::pack::PackView;

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let mut pack = Pack::default();
    let mut unpacker = Unpacker::new().expect("zstd");
    let (mut content, mut sound) = (Vec::new(), true);
    for _ in 0..4 {
        let [kind, bits] = take(&mut data);
        let (length, room) =
            (u32::from_le_bytes(take(&mut data)), usize::from(u16::from_le_bytes(take(&mut data))));
        let (plaintext, rest) = data.split_at(room.min(data.len()));
        data = rest;
        let unpacked = unpacker.unpack(plaintext, length as usize, &mut content);
        let right_id = bits & 1 == 0;
        sound &= unpacked.is_ok() && right_id;
        if !right_id {
            content.push(0);
        }
        pack.record(kind % 5 + 1, plaintext, length, &content);
    }
    let bytes = pack.finish();
    let view = PackView::open(&bytes, &SESSION.key).expect("a sound trailer");
    assert_eq!(view.verify(&IDS, None).is_ok(), sound);
});
