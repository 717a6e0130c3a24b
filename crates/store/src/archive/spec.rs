//! `SNAPSHOT[:PATH]`, the words by which a person names what is read.

use crate::listing::path::is_clean;

/// A snapshot, and a path in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Spec {
    /// Id, prefix, or `SOURCE@latest`: what [`find`](super::Archive::find) takes.
    pub snapshot: String,
    /// The path as a listing has it: without the leading slash.
    pub path: Option<Vec<u8>>,
}

/// What is wrong with such words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// They begin with the colon.
    #[error("no snapshot is named before the path")]
    NoSnapshot,
    /// A path was needed.
    #[error("no path is named after {snapshot:?}")]
    NoPath {
        /// The snapshot.
        snapshot: String,
    },
    /// The path is none.
    #[error("{path:?} is not a path in a snapshot: {why}")]
    BadPath {
        /// The path, as far as it can be printed.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Spec {
    /// Reads `SNAPSHOT` or `SNAPSHOT:PATH`. A path has no colon before it but the first one.
    pub fn parse(text: &[u8]) -> Result<Self, SpecError> {
        let colon = text.iter().position(|byte| *byte == b':');
        let (snapshot, path) = match colon {
            Some(at) => (&text[..at], Some(listing_path(&text[at + 1..])?)),
            None => (text, None),
        };
        let snapshot = String::from_utf8_lossy(snapshot).into_owned();
        if snapshot.is_empty() {
            return Err(SpecError::NoSnapshot);
        }
        Ok(Self { snapshot, path })
    }

    /// Reads `SNAPSHOT:PATH`.
    pub fn parse_with_path(text: &[u8]) -> Result<(String, Vec<u8>), SpecError> {
        let Self { snapshot, path } = Self::parse(text)?;
        match path {
            Some(path) => Ok((snapshot, path)),
            None => Err(SpecError::NoPath { snapshot }),
        }
    }
}

/// An absolute path as a listing writes it.
fn listing_path(path: &[u8]) -> Result<Vec<u8>, SpecError> {
    let bad = |why| SpecError::BadPath { path: String::from_utf8_lossy(path).into_owned(), why };
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
        let spec = |text: &str| Spec::parse(text.as_bytes());
        let read = |s: &str, p: Option<&[u8]>| Ok(Spec { snapshot: s.into(), path: p.map(<[u8]>::to_vec) });
        assert_eq!(spec("files@latest"), read("files@latest", None));
        assert_eq!(spec("ab12:/etc/a:b/"), read("ab12", Some(b"etc/a:b")));
        assert_eq!(spec("x:/"), read("x", Some(b"")));
        for bad in [":/etc", "x:etc", "x:/a/../b", "x:/a//b", "x:"] {
            assert!(spec(bad).is_err(), "{bad}");
        }
        assert_eq!(Spec::parse_with_path(b"x"), Err(SpecError::NoPath { snapshot: "x".into() }));
    }

    #[test]
    fn the_seeds_for_fuzzing_are_valid() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus-seeds/spec");
        let mut seeds = 0;
        for entry in std::fs::read_dir(folder).expect("seeds") {
            let seed = std::fs::read(entry.expect("an entry").path()).expect("a seed");
            Spec::parse(&seed).expect("a seed is valid");
            seeds += 1;
        }
        assert!(seeds > 0);
    }
}
