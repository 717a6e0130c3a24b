//! A real btrfs on a loop device.

use super::{Stand, until};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use vow_testkit::host;
use vow_testkit::loop_disk::Volume;
use vow_testkit::shell::{self, is_root, tool};

/// A btrfs with files, a subvolume inside, and snapshots of somebody else's. `None` where there can be none, which is said.
fn volume(test: &str) -> Option<Volume> {
    if !is_root(test) {
        return None;
    }
    let Some(volume) = Volume::btrfs(300 << 20) else {
        eprintln!("{test}: SKIPPED, the kernel has no btrfs");
        return None;
    };
    let root = volume.path();
    tool("btrfs", ["-q".as_ref(), "subvolume".as_ref(), "create".as_ref(), root.join("data").as_os_str()]);
    tool(
        "btrfs",
        ["-q".as_ref(), "subvolume".as_ref(), "create".as_ref(), root.join("data/inner").as_os_str()],
    );
    for at in 0..50 {
        fs::write(root.join(format!("data/file-{at}")), format!("content {at}").repeat(500)).unwrap();
    }
    fs::write(root.join("data/inner/file-deep"), "deep").unwrap();
    fs::hard_link(root.join("data/file-1"), root.join("data/link")).unwrap();
    let (from, to) = (root.join("data"), root.join("data/.vow-00000000-000000000000-0"));
    tool(
        "btrfs",
        [
            "-q".as_ref(),
            "subvolume".as_ref(),
            "snapshot".as_ref(),
            "-r".as_ref(),
            from.as_os_str(),
            to.as_os_str(),
        ],
    );
    Some(volume)
}

/// A plan that captures the data in a snapshot; the hook after it writes on.
fn stand(volume: &Volume, more: &str) -> Stand {
    let stand = Stand::new();
    let data = volume.path().join("data");
    let after = stand.hook("after", more);
    stand.host.add_to_plan(&format!(
        "[[source]]\nname = \"data\"\ntype = \"files\"\npaths = [{:?}]\nexclude = [\"/**/.vow-00000000-*\"]\nsnapshot = \"auto\"\nafter = [\"{after}\"]",
        data.display().to_string()
    ));
    stand
}

fn ours(data: &Path) -> Vec<String> {
    let names =
        fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".vow-") && !name.starts_with(".vow-00000000-")).collect()
}

#[test]
fn files_are_those_of_the_moment_under_their_own_paths() {
    let Some(volume) = volume("files_are_those_of_the_moment_under_their_own_paths") else { return };
    let data = volume.path().join("data");
    let more = format!("echo later > {0}/file-0; echo later > {0}/inner/file-deep", data.display());
    let stand = stand(&volume, &more);
    let done = stand.host.run(["backup", "data", "--json"]).expect(0);
    assert_eq!(stand.log().len(), 1, "{}", done.story());
    assert_eq!(fs::read_to_string(data.join("file-0")).unwrap(), "later\n");
    assert_eq!(stand.restored("data", &data.join("file-0")), "content 0".repeat(500));
    assert_eq!(stand.restored("data", &data.join("inner/file-deep")), "deep");
    assert!(ours(&data).is_empty() && ours(&data.join("inner")).is_empty());
    assert!(data.join(".vow-00000000-000000000000-0").exists(), "somebody else's stays");
}

#[test]
fn an_unchanged_tree_is_not_read_again() {
    let Some(volume) = volume("an_unchanged_tree_is_not_read_again") else { return };
    let data = volume.path().join("data");
    let stand = stand(&volume, "");
    // What was written a moment before the first one is read once more in the second.
    for _ in 0..2 {
        let _ = stand.host.run(["backup", "data", "--json"]).expect(0);
    }
    let trace = stand.at("trace").display().to_string();
    let strace = ["strace", "-f", "-qq", "-o", &trace, "-e", "trace=openat2,openat"];
    let done = shell::run(&mut stand.host.wrapped(&strace, ["backup", "data", "--json"])).expect(0);
    let opened = fs::read_to_string(&trace).unwrap();
    assert!(opened.contains("vow.toml"), "the trace shows what is opened");
    let read: Vec<_> =
        opened.lines().filter(|line| line.contains("\"file-") || line.contains("\"link\"")).collect();
    assert!(read.is_empty(), "{read:?}");
    let summary = done.summary();
    let snapshot = &summary["snapshots"][0];
    assert_eq!(snapshot["files"], 52);
    // The folder that the snapshot was made in has another time: a listing, and no content.
    assert!(snapshot["added_bytes"].as_u64().unwrap() <= 16 << 10, "{snapshot}");
    // One that changes is.
    fs::write(data.join("file-7"), "changed").unwrap();
    let _ = stand.host.run(["backup", "data", "--json"]).expect(0);
    assert_eq!(stand.restored("data", &data.join("file-7")), "changed");
    let id = vow_testkit::host::ids(&stand.host.run(["backup", "data", "--json"]).expect(0)).remove(0);
    tool(
        "btrfs",
        [
            "-q".as_ref(),
            "subvolume".as_ref(),
            "delete".as_ref(),
            data.join(".vow-00000000-000000000000-0").as_os_str(),
        ],
    );
    let target = host::scratch();
    let _ = stand.host.restore(&id, target.path()).expect(0);
    let back = host::below(target.path(), &data);
    tool("diff", ["-r".as_ref(), data.as_os_str(), back.as_os_str()]);
    let linked = |name: &str| fs::metadata(back.join(name)).unwrap().ino();
    assert_eq!(linked("link"), linked("file-1"), "hard links are found again");
}

#[test]
fn left_over_snapshots_are_found_by_their_record_and_by_their_name() {
    let Some(volume) = volume("left_over_snapshots_are_found_by_their_record_and_by_their_name") else {
        return;
    };
    let data = volume.path().join("data");
    let stand = stand(&volume, "");
    let program = stand.hook("program", "sleep 600");
    stand
        .host
        .add_to_plan(&format!("[[source]]\nname = \"slow\"\ntype = \"command\"\ncommand = [\"{program}\"]"));
    let plan = fs::read_to_string(stand.host.config()).unwrap();
    let (head, tail) = plan.split_once("snapshot = \"auto\"\n").unwrap();
    let tail = tail.split_once('\n').unwrap().1;
    fs::write(
        stand.host.config(),
        format!(
            "{head}{tail}\n[[group]]\nname = \"both\"\nsources = [\"slow\", \"data\"]\nsnapshot = \"btrfs\"\n"
        ),
    )
    .unwrap();
    for lose_the_record in [false, true] {
        let running = stand.host.start(["backup", "data"]);
        until("the snapshot is there and the program runs", || {
            stand.at("log").exists() && ours(&data).len() == 1
        });
        let _ = running.kill();
        stand.log();
        assert_eq!((ours(&data).len(), ours(&data.join("inner")).len()), (1, 1));
        if lose_the_record {
            fs::remove_dir_all(stand.host.state().join("coherence")).unwrap();
        } else {
            // Any run closes what is on record.
            let _ = stand.host.run(["backup", "files"]).expect(0);
            assert!(ours(&data).is_empty() && ours(&data.join("inner")).is_empty());
        }
    }
    stand.hook("program", "echo done");
    let done = stand.host.run(["backup", "data"]).expect(0);
    assert!(done.said().contains("which a killed run had left"), "{}", done.story());
    assert!(ours(&data).is_empty() && ours(&data.join("inner")).is_empty(), "{}", done.story());
    assert!(data.join(".vow-00000000-000000000000-0").exists(), "somebody else's stays");
}

#[test]
fn what_cannot_be_held_is_refused() {
    let stand = Stand::new();
    stand.keys("snapshot = \"btrfs\"");
    let failed = stand.host.run(["backup", "files"]).expect(1);
    assert!(failed.said().contains("cannot be held still"), "{}", failed.story());
    let checked = stand.host.run(["config", "check"]).expect(4);
    assert!(checked.said().contains("cannot be held still"), "{}", checked.story());
}
