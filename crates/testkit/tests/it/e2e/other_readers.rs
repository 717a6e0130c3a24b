//! Readers that are not ours: tar archives through GNU tar and bsdtar, and the reader written from the format document.

use super::fidelity::hard_tree;
use std::path::{Path, PathBuf};
use std::process::Command;
use vow_testkit::host::{below, scratch};
use vow_testkit::shell::{Done, is_root, run};
use vow_testkit::{Host, Tree};

/// The reader in Python, with an interpreter that has its packages.
pub(super) fn reader() -> Command {
    let interpreter = std::env::var_os("VOW_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/vow_reader.py"));
    command
}

/// Restores with the reader in Python.
pub(super) fn read_in_python(vault: &Path, identity: &Path, snapshot: &str, target: &Path) -> Done {
    run(reader().arg("--identity").arg(identity).arg(vault).arg("restore").arg(snapshot).arg(target))
}

#[test]
fn the_independent_reader_restores_a_hard_tree() {
    if !is_root("the independent reader restores a hard tree") {
        return;
    }
    let scratch = scratch();
    let source = hard_tree(scratch.path());
    let host = Host::new(&[&source]);
    let snapshot = host.backup();
    let target = scratch.path().join("target");
    let _ = read_in_python(&host.vault(), &host.identity(), &snapshot, &target).expect(0);
    Tree::read(&source).assert_equals(&Tree::read(&below(&target, &source)), "the Python reader");
    let verified =
        run(reader().arg("--identity").arg(host.identity()).arg(host.vault()).args(["verify", &snapshot]));
    let _ = verified.expect(0);
}

#[test]
fn tar_archives_are_read_by_gnu_tar_and_bsdtar() {
    if !is_root("tar archives are read by GNU tar and bsdtar") {
        return;
    }
    let scratch = scratch();
    let source = hard_tree(scratch.path());
    let host = Host::new(&[&source]);
    host.backup();
    let archive = scratch.path().join("archive.tar");
    let mut export = host.command(["export", "files@latest", "--identity"]);
    let _ = run(export.arg(host.identity()).arg("-o").arg(&archive)).expect(0);

    let original = Tree::read(&source);
    let gnu = extract(scratch.path(), "gnu", |command, target| {
        command.args(["tar", "-x", "-p", "--same-owner", "--numeric-owner", "--acls", "--xattrs"]);
        command.args(["--xattrs-include=*", "-f"]).arg(&archive).arg("-C").arg(target);
    });
    compare("GNU tar", &original, &Tree::read(&below(&gnu, &source)), |path, node| {
        // It takes no paths of more than 4,096 bytes, and restores no attributes of symbolic links.
        if node.mode & 0o170_000 == 0o120_000 {
            node.xattrs.clear();
        }
        path.len() < 3500
    });
    let bsd = extract(scratch.path(), "bsd", |command, target| {
        command.args(["bsdtar", "-x", "-p", "--same-owner", "--numeric-owner", "--acls", "--xattrs"]);
        command.arg("-f").arg(&archive).arg("-C").arg(target);
    });
    compare("bsdtar", &original, &Tree::read(&below(&bsd, &source)), |path, node| {
        // It takes the fraction of a time before 1970 for one that comes after the second.
        if [&b"times/2"[..], b"times/3", b"times/link 2", b"times/link 3"].contains(&path) {
            node.mtime = (0, 0);
        }
        if node.mode & 0o170_000 == 0o120_000 {
            node.xattrs.clear();
        }
        path.len() < 3500
    });
}

fn extract(scratch: &Path, name: &str, arguments: impl Fn(&mut Command, &Path)) -> PathBuf {
    let target = scratch.join(name);
    std::fs::create_dir(&target).unwrap();
    let mut command = Command::new("env");
    arguments(&mut command, &target);
    let done = run(&mut command);
    // The deepest files are beyond these tools; anything else they complain about shows in the comparison.
    let _ = done.expect_one_of(&[0, 1, 2]);
    target
}

fn compare(
    what: &str,
    original: &Tree,
    restored: &Tree,
    adapt: impl Fn(&[u8], &mut vow_testkit::tree::Node) -> bool,
) {
    let adapted = |tree: &Tree| {
        let mut tree = tree.clone();
        tree.0.retain(|path, node| adapt(path, node));
        tree
    };
    adapted(original).assert_equals(&adapted(restored), what);
}
