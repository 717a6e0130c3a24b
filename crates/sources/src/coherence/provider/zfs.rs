//! ZFS: snapshots of datasets, all of one pool in one moment, read below `.zfs/snapshot`. Built from the manual pages, and tried with no
//! ZFS so far.

use super::{Provider, Taken, is_ours, tool};
use crate::coherence::CoherenceError;

pub(super) const KIND: &str = "zfs";
const PROGRAM: &str = "zfs";

pub(super) struct Zfs;

impl Provider for Zfs {
    fn take(&self, taken: &mut [Taken]) -> Result<(), CoherenceError> {
        let mut pools: Vec<&str> = taken.iter().map(|one| pool(&one.of)).collect();
        pools.sort_unstable();
        pools.dedup();
        for name in pools {
            let of_pool = taken.iter().filter(|one| pool(&one.of) == name).map(whole_name);
            tool(PROGRAM, ["snapshot".to_owned()].into_iter().chain(of_pool))?;
        }
        for one in taken {
            one.from = one.at.join(".zfs/snapshot").join(&one.name);
        }
        Ok(())
    }

    fn remove(&self, taken: &Taken) -> Result<(), CoherenceError> {
        let whole = whole_name(taken);
        let is_there =
            || tool(PROGRAM, ["list", "-H", "-t", "snapshot", "-o", "name", whole.as_str()]).is_ok();
        if !is_ours(&taken.name) || !is_there() {
            return Ok(());
        }
        tool(PROGRAM, ["destroy", whole.as_str()]).map(drop)
    }

    fn left_over(&self, of: &Taken, prefix: &str) -> Result<Vec<Taken>, CoherenceError> {
        let list = tool(PROGRAM, ["list", "-H", "-t", "snapshot", "-d", "1", "-o", "name", of.of.as_str()])?;
        Ok(parse(&list, &of.of, prefix).into_iter().map(|name| Taken { name, ..of.clone() }).collect())
    }
}

fn pool(dataset: &str) -> &str {
    dataset.split('/').next().unwrap_or(dataset)
}

fn whole_name(taken: &Taken) -> String {
    format!("{}@{}", taken.of, taken.name)
}

/// Names of snapshots of the dataset that begin so.
fn parse(list: &str, dataset: &str, prefix: &str) -> Vec<String> {
    let snapshots = list.lines().filter_map(|line| line.trim().split_once('@'));
    let ours = snapshots.filter(|(of, name)| *of == dataset && name.starts_with(prefix) && is_ours(name));
    ours.map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_snapshots_with_our_mark_are_left_over() {
        let list = "tank/a@vow-1234-5\ntank/a@vow-9999-5\ntank/a@daily\ntank/a/b@vow-1234-5\n";
        assert_eq!(parse(list, "tank/a", "vow-1234-"), ["vow-1234-5"]);
        assert_eq!(pool("tank/a/b"), "tank");
    }
}
