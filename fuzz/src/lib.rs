//! What the fuzz targets share. Nothing here is part of the product.

pub mod archive;
pub mod memory;
pub mod sealed;

use vow_base::sign::SigningKey;
use vow_store::listing::path::{compare, is_clean};

/// The key that signs for hosts and vaults here.
pub fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

/// Takes up to `count` bytes off the front, zeros where there are none.
pub fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
    let (head, rest) = data.split_at(N.min(data.len()));
    *data = rest;
    let mut bytes = [0; N];
    bytes[..head.len()].copy_from_slice(head);
    bytes
}

/// What every list of paths that was accepted must be.
pub fn assert_paths<'p>(paths: impl Iterator<Item = &'p [u8]>) {
    let mut last: Option<&[u8]> = None;
    for path in paths {
        assert!(is_clean(path), "not clean: {}", path.escape_ascii());
        let in_order = last.is_none_or(|last| compare(last, path).is_lt());
        assert!(in_order, "out of order: {}", path.escape_ascii());
        last = Some(path);
    }
}
