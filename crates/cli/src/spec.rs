//! `SNAPSHOT[:PATH]`.

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use vow_store::listing::path::is_clean;

/// A snapshot, and a path in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Id, prefix, or `SOURCE@latest`.
    pub(crate) snapshot: String,
    /// The path as a listing has it: without the leading slash.
    pub(crate) path: Option<Vec<u8>>,
}

impl Spec {
    /// Reads an argument.
    pub(crate) fn parse(text: &OsStr) -> Outcome<Self> {
        let bytes = text.as_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':');
        let (snapshot, path) = match colon {
            Some(at) => (&bytes[..at], Some(listing_path(&bytes[at + 1..])?)),
            None => (bytes, None),
        };
        let snapshot = String::from_utf8_lossy(snapshot).into_owned();
        if snapshot.is_empty() {
            return Err(Failure::new(Exit::Usage, "no snapshot is named before the path")
                .hint("write SNAPSHOT:PATH, for example files@latest:/etc/hosts"));
        }
        Ok(Self { snapshot, path })
    }

    /// Reads an argument that must have a path.
    pub(crate) fn parse_with_path(text: &OsStr) -> Outcome<(String, Vec<u8>)> {
        let Self { snapshot, path } = Self::parse(text)?;
        let path = path.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("no path is named after {snapshot:?}"))
                .hint(format!("write {snapshot}:PATH, for example {snapshot}:/etc/hosts"))
        })?;
        Ok((snapshot, path))
    }
}

/// An absolute path as a listing writes it.
fn listing_path(path: &[u8]) -> Outcome<Vec<u8>> {
    let bad = |why: &str| {
        let shown = crate::ui::plain(&String::from_utf8_lossy(path));
        Failure::new(Exit::Usage, format!("{shown:?} is not a path in a snapshot: {why}"))
            .hint("paths in a snapshot are absolute: SNAPSHOT:/etc/hosts")
    };
    let relative = path.strip_prefix(b"/").ok_or_else(|| bad("it does not start with /"))?;
    let end = relative.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let relative = &relative[..end];
    if !is_clean(relative) {
        return Err(bad("it has empty, . or .. parts"));
    }
    Ok(relative.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_starts_at_the_first_colon() {
        let spec = |text: &str| Spec::parse(OsStr::new(text)).map_err(|e| e.message);
        let read = |s: &str, p: Option<&[u8]>| Ok(Spec { snapshot: s.into(), path: p.map(<[u8]>::to_vec) });
        assert_eq!(spec("files@latest"), read("files@latest", None));
        assert_eq!(spec("ab12:/etc/a:b/"), read("ab12", Some(b"etc/a:b")));
        assert_eq!(spec("x:/"), read("x", Some(b"")));
        for bad in [":/etc", "x:etc", "x:/a/../b", "x:/a//b", "x:"] {
            assert!(spec(bad).is_err(), "{bad}");
        }
    }
}
