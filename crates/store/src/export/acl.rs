//! ACLs as text, the form that tar programs take: as attributes bsdtar passes them over, and GNU tar does with `--acls`.

use std::fmt::Write;

/// The key of the record for an attribute that holds an ACL.
pub(super) fn key(attribute: &[u8]) -> Option<&'static [u8]> {
    match attribute {
        b"system.posix_acl_access" => Some(b"SCHILY.acl.access"),
        b"system.posix_acl_default" => Some(b"SCHILY.acl.default"),
        _ => None,
    }
}

/// The text of an ACL as the kernel stores it, ids as numbers; none when it is not of the one version there is.
pub(super) fn text(stored: &[u8]) -> Option<Vec<u8>> {
    let entries = stored.strip_prefix(&[2, 0, 0, 0])?;
    let (entries, rest) = entries.as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    let mut text = String::new();
    for [tag, tag_high, bits, bits_high, id @ ..] in entries {
        let id = u32::from_le_bytes(*id);
        let (who, id) = match u16::from_le_bytes([*tag, *tag_high]) {
            0x01 => ("user", None),
            0x02 => ("user", Some(id)),
            0x04 => ("group", None),
            0x08 => ("group", Some(id)),
            0x10 => ("mask", None),
            0x20 => ("other", None),
            _ => return None,
        };
        let bits = u16::from_le_bytes([*bits, *bits_high]);
        let bit = |mask: u16, letter: char| if bits & mask != 0 { letter } else { '-' };
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{who}:{id}:{}{}{}", bit(4, 'r'), bit(2, 'w'), bit(1, 'x'));
    }
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_is_written_as_text() {
        let entry = |tag: u8, bits: u8, id: u32| [&[tag, 0, bits, 0], &id.to_le_bytes()[..]].concat();
        let none = u32::MAX;
        let stored = [
            vec![2, 0, 0, 0],
            entry(1, 6, none),
            entry(2, 7, 12345),
            entry(4, 4, none),
            entry(8, 1, 7),
            entry(0x10, 7, none),
            entry(0x20, 0, none),
        ]
        .concat();
        let expected = "user::rw-,user:12345:rwx,group::r--,group:7:--x,mask::rwx,other::---";
        assert_eq!(text(&stored).as_deref(), Some(expected.as_bytes()));
        for bad in [&b""[..], b"\x01\0\0\0", b"\x02\0\0\0\x01", &[&stored[..], &entry(3, 0, 0)].concat()] {
            assert_eq!(text(bad), None);
        }
    }
}
