//! Entries and snapshots as people and programs read them.

use crate::ui::{self, path_value, plain};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_store::archive::SnapshotInfo;
use vow_store::listing::Time;
use vow_store::listing::entry::{Entry, Kind, display_path};
use vow_store::listing::tree::Root;

/// One line about an entry, as `ls -l` has it.
pub(crate) fn long_line(entry: &Entry<ObjectId>, root: &Root) -> String {
    let size = match entry.device {
        Some((major, minor)) => format!("{major},{minor}"),
        None => entry.size.to_string(),
    };
    let owner = name_of(&root.users, entry.uid);
    let group = name_of(&root.groups, entry.gid);
    let time = ui::local_time(nanos(entry.mtime));
    let mut line =
        format!("{} {owner:<8} {group:<8} {size:>12} {time} {}", mode_text(entry), entry.display());
    if entry.kind == Kind::Symlink {
        line.push_str(" -> ");
        line.push_str(&plain(&String::from_utf8_lossy(&entry.target)));
    }
    line
}

/// Everything about an entry, for programs.
pub(crate) fn value(entry: &Entry<ObjectId>, root: &Root) -> Map<String, Value> {
    let mut object = Map::new();
    path_value(&mut object, &entry.path);
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("kind", kind_word(entry.kind).into());
    put("mode", format!("{:04o}", entry.mode).into());
    put("uid", entry.uid.into());
    put("gid", entry.gid.into());
    put("user", root.users.get(&entry.uid).cloned().into());
    put("group", root.groups.get(&entry.gid).cloned().into());
    put("size", entry.size.into());
    put("mtime", ui::rfc3339(nanos(entry.mtime)).into());
    if entry.kind == Kind::Symlink {
        put("target", String::from_utf8_lossy(&entry.target).into());
    }
    if let Some((major, minor)) = entry.device {
        put("device", json!([major, minor]));
    }
    if entry.changed {
        put("changed", true.into());
    }
    object
}

/// The word for a kind in output that programs read.
pub(crate) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Dir => "dir",
        Kind::Symlink => "symlink",
        Kind::CharDevice => "char_device",
        Kind::BlockDevice => "block_device",
        Kind::Fifo => "fifo",
    }
}

/// A snapshot, for programs.
pub(crate) fn snapshot_value(info: &SnapshotInfo, vaults: &[&str]) -> Value {
    let SnapshotInfo { id, manifest, receipt } = info;
    json!({
        "id": id.to_string(),
        "tenant": manifest.tenant,
        "host": manifest.host,
        "host_key": vow_base::id::hex(&manifest.host_key),
        "source": manifest.source,
        "type": manifest.source_type,
        "sequence": manifest.sequence,
        "run": vow_base::id::hex(&manifest.run),
        "received": ui::rfc3339(receipt.received),
        "started": ui::rfc3339(manifest.started),
        "finished": ui::rfc3339(manifest.finished),
        "status": manifest.status.word(),
        "files": manifest.counts.files,
        "dirs": manifest.counts.dirs,
        "others": manifest.counts.others,
        "bytes": manifest.counts.bytes,
        "added_bytes": manifest.counts.added_bytes,
        "errors": manifest.counts.errors,
        "software": manifest.software,
        "group": manifest.group.as_ref().map(|group| json!({
            "id": vow_base::id::hex(&group.id), "name": group.name, "moment": ui::rfc3339(group.moment),
        })),
        "vaults": vaults,
    })
}

/// A snapshot in one line, for people.
pub(crate) fn snapshot_line(info: &SnapshotInfo) -> String {
    let received = ui::local_time(info.receipt.received);
    format!("snapshot {} of {}, {received}", info.id.short(), plain(&info.name()))
}

/// A path of a listing, for people.
pub(crate) fn shown(path: &[u8]) -> String {
    display_path(path)
}

/// A time of a listing in nanoseconds, as far as they reach.
pub(crate) fn nanos(time: Time) -> Nanos {
    time.secs.saturating_mul(1_000_000_000).saturating_add(time.nanos.into())
}

fn name_of(names: &BTreeMap<u32, String>, id: u32) -> String {
    names.get(&id).map_or_else(|| id.to_string(), |name| plain(name))
}

fn mode_text(entry: &Entry<ObjectId>) -> String {
    let kind = match entry.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Symlink => 'l',
        Kind::CharDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::Fifo => 'p',
    };
    let mut text = String::from(kind);
    // Set-user-id, set-group-id and sticky show in the place of the three execute bits.
    for (shift, special, with_x, without_x) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = entry.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (entry.mode & special != 0, bits & 1 != 0) {
            (true, true) => with_x,
            (true, false) => without_x,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}
