//! Hexadecimal digits as this protocol writes them: lower case, and in one way only.

use vow_base::id::from_hex;

/// The 32 bytes that 64 lower-case hexadecimal digits write; `None` for anything else.
pub(crate) fn strict_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if digits { from_hex(text) } else { None }
}
