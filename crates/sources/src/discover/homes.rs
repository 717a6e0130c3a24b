//! Home folders: accounts of people, from `/etc/passwd`.

use super::machine::Machine;
use serde::Serialize;
use std::collections::BTreeMap;

/// A home folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Home {
    /// Where.
    pub path: String,
    /// Whose.
    pub users: Vec<String>,
}

/// Accounts from this number on are people's.
const PEOPLE: u32 = 1000;
const NOBODY: u32 = 65_534;

/// Those that are here.
pub(super) fn look(machine: &Machine) -> Vec<Home> {
    let homes = parse(&machine.text("/etc/passwd").unwrap_or_default());
    homes.into_iter().filter(|home| machine.is_dir(&home.path)).collect()
}

/// Reads `passwd`.
pub(super) fn parse(text: &str) -> Vec<Home> {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, uid, _, _, path, _shell] = fields.as_slice() else { continue };
        let Ok(uid) = uid.parse::<u32>() else { continue };
        let path = path.trim_end_matches('/');
        if (uid == 0 || uid >= PEOPLE) && uid != NOBODY && path.starts_with('/') && path.len() > 1 {
            homes.entry(path.to_owned()).or_default().push((*name).to_owned());
        }
    }
    homes.into_iter().map(|(path, users)| Home { path, users }).collect()
}
