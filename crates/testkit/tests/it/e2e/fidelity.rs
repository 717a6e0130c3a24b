//! What was captured comes back exactly: by our own comparison, and by rsync's.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use vow_testkit::hard_tree::{self, DEEP, SOCKET, SPARSE};
use vow_testkit::host::{below, scratch};
use vow_testkit::shell::{is_root, run, tool};
use vow_testkit::{Dice, Host, Tree};

const SEED: u64 = 14;

/// The hard tree, in a private folder.
pub(super) fn hard_tree(scratch: &Path) -> PathBuf {
    let source = scratch.join("source");
    hard_tree::make(&source, &mut Dice::new(SEED));
    source
}

#[test]
fn a_hard_tree_comes_back_exactly() {
    let scratch = scratch();
    let source = hard_tree(scratch.path());
    let original = Tree::read(&source);
    let host = Host::new(&[&source]);
    let done = host.run(["backup", "--json"]).expect(0);
    assert!(done.said().contains(SOCKET), "the socket was left out without a word\n{}", done.story());

    let target = scratch.path().join("target");
    let _ = host.restore("files@latest", &target).expect(0);
    let restored = below(&target, &source);
    original.assert_equals(&Tree::read(&restored), "restored");
    assert_holes(&source, &restored);
    assert_no_difference_for_rsync(&source, &restored);

    // What other tools make of it: the comparison above is no weaker than they are.
    for (name, program, options) in [("rsync", "rsync", "-aHAXS"), ("cp", "cp", "-a")] {
        let copy = scratch.path().join(format!("copy by {name}"));
        fs::create_dir(&copy).unwrap();
        let mut command = Command::new(program);
        match name {
            // It would read 100 GB of zeros.
            "rsync" => {
                command.args([options, "--exclude=/deep", "--exclude=/special/socket", "--exclude=100 GB"])
            }
            _ => command.arg(options),
        };
        // Neither of them copies paths beyond 4,096 bytes; cp says so and goes on.
        let _ = run(command.arg(source.join(".")).arg(&copy)).expect_one_of(&[0, 1]);
        assert_no_difference_for_rsync(&copy, &restored);
    }
}

#[test]
fn a_second_run_restores_the_same_and_adds_next_to_nothing() {
    let scratch = scratch();
    let source = hard_tree(scratch.path());
    let original = Tree::read(&source);
    let host = Host::new(&[&source]);
    let first = host.run(["backup", "--json"]).expect(0).summary();
    std::thread::sleep(std::time::Duration::from_millis(50));
    for round in 0..2 {
        let again = host.run(["backup", "--json"]).expect(0).summary();
        let (all, added) = (&first["snapshots"][0]["added_bytes"], &again["snapshots"][0]["added_bytes"]);
        let (all, added) = (all.as_u64().unwrap(), added.as_u64().unwrap());
        assert!(added * 20 < all, "round {round}: {added} of {all} bytes were sent again");
    }
    for snapshot in ["files@latest", first["snapshots"][0]["id"].as_str().unwrap()] {
        host.assert_restores(snapshot, &source, &original);
    }
    // Without its cache it reads everything and comes to the same.
    fs::remove_dir_all(host.state()).unwrap();
    host.assert_restores(&host.backup(), &source, &original);
    let _ = host.check().expect(0);
}

#[test]
fn restoring_over_what_is_there_repairs_it_and_writes_only_what_differs() {
    let scratch = scratch();
    let source = hard_tree(scratch.path());
    let original = Tree::read(&source);
    let host = Host::new(&[&source]);
    host.backup();
    let target = scratch.path().join("target");
    let _ = host.restore("files@latest", &target).expect(0);
    let restored = below(&target, &source);
    let again = host.restore("files@latest", &target).expect(0).summary();
    assert_eq!(again["written_bytes"], 0, "{again}");

    hard_tree::overwrite(&restored.join("sizes/noise-1048576"), 70_000, b"other");
    hard_tree::overwrite(&restored.join("links/b/large"), 4 << 20, b"other");
    fs::remove_file(restored.join("sizes/text-4095")).unwrap();
    fs::remove_file(restored.join("attributes/file")).unwrap();
    fs::create_dir(restored.join("attributes/file")).unwrap();
    fs::remove_dir_all(restored.join("many")).unwrap();
    fs::write(restored.join("many"), "a file where a folder was").unwrap();
    fs::remove_file(restored.join("links/a/small")).unwrap();
    fs::write(restored.join("links/a/small"), "small").unwrap();
    std::os::unix::fs::symlink("/etc", restored.join("x")).unwrap();
    fs::remove_file(restored.join("x")).unwrap();
    hard_tree::overwrite(&restored.join(SPARSE).join("only a hole"), 1 << 20, b"not a hole");
    // A folder is never taken away to make room for a file.
    let done = host.restore("files@latest", &target).expect(3);
    assert!(done.said().contains("attributes/file"), "{}", done.story());
    fs::remove_dir(restored.join("attributes/file")).unwrap();
    let _ = host.restore("files@latest", &target).expect(0);
    original.assert_equals(&Tree::read(&restored), "repaired");
}

#[test]
fn one_file_and_one_folder_come_back_alone() {
    let scratch = scratch();
    let source = hard_tree(scratch.path());
    let host = Host::new(&[&source]);
    host.backup();
    let file = source.join("sizes/noise-262145");
    let spec = format!("files@latest:{}", file.display());
    let read = host.run(["cat", &spec, "--identity", &host.identity().display().to_string()]).expect(0);
    assert_eq!(read.stdout, fs::read(&file).unwrap());

    for folder in ["links", "names", DEEP, SPARSE] {
        let target = scratch.path().join(format!("only {folder}"));
        let _ = host.restore(&format!("files@latest:{}", source.join(folder).display()), &target).expect(0);
        let keep = |path: &[u8]| !path.is_empty();
        let original = Tree::read(&source.join(folder)).filtered(keep);
        original.assert_equals(&Tree::read(&target).filtered(keep), folder);
    }
}

/// Not only the bytes: the restored files take no more room.
fn assert_holes(source: &Path, restored: &Path) {
    for name in
        ["hole at the start", "hole in the middle", "hole at the end", "only a hole", "many holes", "100 GB"]
    {
        let blocks = |root: &Path| fs::metadata(root.join(SPARSE).join(name)).unwrap().blocks();
        let (before, after) = (blocks(source), blocks(restored));
        assert!(after <= before + 64, "{name}: {before} blocks became {after}");
    }
}

fn assert_no_difference_for_rsync(from: &Path, to: &Path) {
    if !is_root("comparing owners and devices with rsync") {
        return;
    }
    let mut arguments: Vec<&OsStr> =
        ["-aHAXn", "--delete", "--itemize-changes", "--modify-window=-1"].map(OsStr::new).into();
    // Neither can rsync go that deep, nor do we keep sockets.
    arguments.extend(["--exclude=/deep", "--exclude=/special/socket", "--exclude=100 GB"].map(OsStr::new));
    let (from, to) = (from.join(""), to.join(""));
    arguments.extend([from.as_os_str(), to.as_os_str()]);
    let differences = tool("rsync", arguments);
    assert_eq!(differences, "", "rsync sees differences");
}
