//! Names of users and groups, so that a listing can be read on another machine.

use std::collections::{BTreeMap, BTreeSet};

/// The names of these ids in a file like `/etc/passwd` or `/etc/group`. Ids without a name are left out.
pub(super) fn names(file: &str, ids: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let text = std::fs::read(file).unwrap_or_default();
    parse(&String::from_utf8_lossy(&text), ids)
}

fn parse(text: &str, ids: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let id: u32 = fields.nth(1)?.parse().ok()?;
        ids.contains(&id).then_some((id, name))
    };
    // Of two names for one id the first counts, as for the system.
    text.lines().rev().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_an_id_counts() {
        let text = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\nbad line\nwww:x:33:33::/:\n";
        let expected = BTreeMap::from([(0, "root".to_owned()), (33, "www".to_owned())]);
        assert_eq!(parse(text, &BTreeSet::from([0, 33, 99])), expected);
    }
}
