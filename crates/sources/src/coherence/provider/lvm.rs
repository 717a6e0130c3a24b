//! LVM: a snapshot of the logical volume, thin or not, mounted read-only in a private place. `lvcreate` holds the file system still
//! for its moment itself. Built from the manual pages, and tried with no LVM so far.

use super::{Provider, Size, Taken, is_ours, tool, unexpected};
use crate::coherence::CoherenceError;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

pub(super) const KIND: &str = "lvm";

pub(super) struct Lvm;

impl Provider for Lvm {
    fn take(&self, taken: &mut [Taken]) -> Result<(), CoherenceError> {
        for one in taken.iter() {
            let is_thin = !tool("lvs", ["--noheadings", "-o", "pool_lv", one.of.as_str()])?.trim().is_empty();
            tool("lvcreate", create(one, is_thin))?;
        }
        for one in taken {
            let Some(place) = one.mounted.clone() else { continue };
            let at = |source| CoherenceError::Record { path: place.clone(), source };
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&place).map_err(at)?;
            let device = format!("/dev/{}/{}", group_of(&one.of), one.name);
            let options = if one.making.fs_type == "xfs" { "ro,nouuid" } else { "ro" };
            let words =
                ["-t", one.making.fs_type.as_str(), "-o", options, "--", device.as_str()].map(Into::into);
            tool("mount", words.into_iter().chain([place.as_os_str().to_owned()]))?;
            one.from = place.join(one.making.root.strip_prefix("/").unwrap_or(&one.making.root));
        }
        Ok(())
    }

    fn remove(&self, taken: &Taken) -> Result<(), CoherenceError> {
        if let Some(place) = &taken.mounted {
            if is_mount(place) {
                tool("umount", [place.as_os_str()])?;
            }
            // An empty folder that stays behind is used again.
            let _ = fs::remove_dir(place);
        }
        let whole = format!("{}/{}", group_of(&taken.of), taken.name);
        let is_there = || tool("lvs", ["--noheadings", "-o", "lv_name", whole.as_str()]).is_ok();
        if !is_ours(&taken.name) || !is_there() {
            return Ok(());
        }
        tool("lvremove", ["--yes", "--quiet", whole.as_str()]).map(drop)
    }

    fn left_over(&self, of: &Taken, prefix: &str) -> Result<Vec<Taken>, CoherenceError> {
        let list = tool("lvs", ["--noheadings", "-o", "lv_name", group_of(&of.of)])?;
        let names = list.lines().map(str::trim).filter(|name| name.starts_with(prefix) && is_ours(name));
        let place = |name: &str| of.mounted.as_deref().and_then(Path::parent).map(|mounts| mounts.join(name));
        Ok(names.map(|name| Taken { name: name.to_owned(), mounted: place(name), ..of.clone() }).collect())
    }
}

/// The arguments of `lvcreate`.
fn create(taken: &Taken, is_thin: bool) -> Vec<String> {
    let mut words = vec!["--yes".to_owned(), "--quiet".to_owned(), "--snapshot".to_owned()];
    match (is_thin, taken.making.room.unwrap_or(Size::Percent(10))) {
        // Thin ones are not activated unless that is asked for.
        (true, _) => words.extend(["--setactivationskip".to_owned(), "n".to_owned()]),
        (false, Size::Percent(share)) => words.extend(["--extents".to_owned(), format!("{share}%ORIGIN")]),
        (false, Size::Bytes(bytes)) => words.extend(["--size".to_owned(), format!("{bytes}b")]),
    }
    words.extend(["--name".to_owned(), taken.name.clone(), taken.of.clone()]);
    words
}

/// The volume group of `group/volume`.
fn group_of(volume: &str) -> &str {
    volume.split('/').next().unwrap_or(volume)
}

fn is_mount(place: &Path) -> bool {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    crate::coherence::volumes::parse(&text).iter().any(|mount| mount.point == place)
}

/// The logical volume, as `group/volume`, that a device is; `None` when it is none.
pub(crate) fn volume_of(device: &str) -> Result<Option<String>, CoherenceError> {
    let Ok(said) = tool("lvs", ["--noheadings", "--separator", "/", "-o", "vg_name,lv_name", device]) else {
        return Ok(None);
    };
    let said = said.trim();
    match said.split_once('/') {
        Some((group, volume)) if !group.is_empty() && !volume.contains('/') => Ok(Some(said.to_owned())),
        _ => Err(unexpected("lvs", said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coherence::provider::Making;
    use std::path::PathBuf;

    #[test]
    fn thin_volumes_need_no_room_and_others_do() {
        let taken = |room| Taken {
            kind: KIND.into(),
            name: "vow-1-2-0".into(),
            at: "/srv".into(),
            from: PathBuf::new(),
            of: "vg0/srv".into(),
            mounted: None,
            making: Making { room, ..Making::default() },
            drop: Vec::new(),
            limit_secs: 1,
        };
        let words = |room, thin| create(&taken(room), thin).join(" ");
        assert!(words(None, true).ends_with("--setactivationskip n --name vow-1-2-0 vg0/srv"));
        assert!(words(None, false).contains("--extents 10%ORIGIN"));
        assert!(words(Some(Size::Bytes(4096)), false).contains("--size 4096b"));
        assert_eq!(group_of("vg0/srv"), "vg0");
    }
}
