//! The header of a pack: what is read before anything is authenticated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_fuzz::sealed::SESSION;
use vow_store::seal::{Header, PREFIX_BYTES, PackOpener, SealError};
use vow_store::session::BLOB_LIMIT_BYTES;

fuzz_target!(|data: &[u8]| {
    let length = Header::length(data);
    let Ok(header) = Header::parse(data) else { return };
    assert_eq!(length, Ok(header.len()));
    assert_eq!(header.len(), PREFIX_BYTES + header.blob().len());
    assert!(header.blob().len() <= BLOB_LIMIT_BYTES && header.len() <= data.len());
    assert!(Header::parse(&data[..header.len()]).is_ok_and(|again| again.blob() == header.blob()));
    assert!(Header::parse(&data[..header.len() - 1]).is_err());
    let opened = PackOpener::new(&header, &SESSION.key);
    assert!(matches!(opened, Ok(_) | Err(SealError::Commitment)));
});
