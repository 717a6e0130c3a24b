//! A receipt whose signature is right whatever its payload says: the target signs it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_base::receipt::{ENVELOPE, Receipt};
use vow_fuzz::{memory, signing_key};

fuzz_target!(|data: &[u8]| {
    assert!(Receipt::open(data).is_err(), "an input that was never signed opens");
    // Signing is slow, and its branches would drown those of the parser: only for what is well-formed.
    let key = signing_key();
    if !vow_base::cbor::decode::<Receipt>(data).is_ok_and(|read| read.vault_key == key.public().0) {
        return;
    }
    let stored = key.seal_envelope(&ENVELOPE, data);
    let opened = memory::at_most(1 << 20, || Receipt::open(&stored));
    let Ok(receipt) = opened else { return };
    assert_eq!((receipt.version, receipt.vault_key), (1, key.public().0));
    assert_eq!(Receipt::open(&receipt.seal(&key)), Ok(receipt));
});
