//! Everything in a vault's folder, by name and hash.

use std::collections::BTreeMap;
use std::path::Path;
use vow_base::ObjectId;

/// Every file below a folder but unfinished ones and the cache, by its name, with the hash of its bytes.
pub(crate) fn of(root: &Path) -> BTreeMap<String, ObjectId> {
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, ObjectId>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            if name != "tmp" && name != "cache" {
                walk(root, &path, found);
            }
        } else {
            found.insert(name, ObjectId::of(&std::fs::read(&path).unwrap()));
        }
    }
}

/// Insists that nothing changed or vanished, and that what is new is expected.
#[track_caller]
pub(crate) fn only_added(before: &BTreeMap<String, ObjectId>, root: &Path, expected: impl Fn(&str) -> bool) {
    let after = of(root);
    for (name, id) in before {
        assert_eq!(after.get(name), Some(id), "{name} changed or vanished");
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        assert!(expected(name), "{name} was added");
    }
}
