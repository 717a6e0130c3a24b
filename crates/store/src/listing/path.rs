//! Paths inside a snapshot: bytes, relative, ordered so that a directory comes directly before what it contains.

use std::cmp::Ordering;

/// Compares as the listing is ordered: `/` counts as smaller than every other byte.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 };
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((x, y)) => rank(x).cmp(&rank(y)),
        None => a.len().cmp(&b.len()),
    }
}

/// Whether a reader may trust it: relative, no empty, `.` or `..` components, no NUL. The empty path is the root itself.
pub fn is_clean(path: &[u8]) -> bool {
    let clean = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    path.is_empty() || !path.contains(&0) && path.split(|byte| *byte == b'/').all(clean)
}

/// Whether `path` is `folder` or lies below it.
pub fn is_within(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The folder that contains it; `None` for the root.
pub fn parent(path: &[u8]) -> Option<&[u8]> {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => Some(&path[..at]),
        None if path.is_empty() => None,
        None => Some(&path[..0]),
    }
}

/// The last component.
pub fn name(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(path, |at| &path[at + 1..])
}

/// `folder/name`, or `name` at the top.
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_directory_comes_directly_before_its_contents() {
        let mut paths: Vec<&[u8]> = vec![b"a.b", b"a/b", b"a", b"a-b", b"a/b/c", b"", b"a/b.c"];
        paths.sort_by(|a, b| compare(a, b));
        assert_eq!(paths, [&b""[..], b"a", b"a/b", b"a/b/c", b"a/b.c", b"a-b", b"a.b"]);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_components(a in "[a./-]{0,8}", b in "[a./-]{0,8}") {
            let (x, y) = (a.as_bytes(), b.as_bytes());
            prop_assume!(is_clean(x) && is_clean(y) && !x.is_empty() && !y.is_empty());
            let parts = |p: &str| p.split('/').map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(compare(x, y), parts(&a).cmp(&parts(&b)));
        }
    }

    #[test]
    fn paths_that_could_escape_are_not_clean() {
        for bad in [&b"/etc"[..], b"../x", b"a/../b", b"a//b", b"a/", b"./a", b"a\0b", b"..", b"."] {
            assert!(!is_clean(bad), "{:?}", bad.escape_ascii().to_string());
        }
        assert!(is_clean(b"") && is_clean(b"etc/passwd") && is_clean(b"...") && is_clean(b"\xff"));
    }
}
