use super::*;
use crate::archive::testing::{Maker, MemVault, Spec, file, noise};
use crate::listing::path::compare;
use crate::restore::testing::{assert_tree, hard_tree};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use vow_base::vault::Kind as Object;

fn maker(specs: &[Spec]) -> Maker {
    let mut maker = Maker::new(&Arc::new(MemVault::default()), 1);
    maker.snapshot("files", specs);
    maker
}

/// The hard tree, and what only an archive finds hard.
fn specs() -> Vec<Spec> {
    let mut specs = hard_tree();
    specs.push(file(format!("y{}", "long".repeat(50)).as_bytes(), b"a long name"));
    let mut old = file(b"z-old", b"from before 1970");
    old.0.mtime.secs = -1_000_000_000;
    specs.push(old);
    // Neither reads negative times with a fraction alike: whole seconds they agree on.
    specs.iter_mut().filter(|(entry, _)| entry.mtime.secs < 0).for_each(|(entry, _)| entry.mtime.nanos = 0);
    specs.sort_by(|a, b| compare(&a.0.path, &b.0.path));
    specs
}

fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn round_trip(tool: &str, arguments: &[&str], check: impl Fn(&Path, &[Spec])) {
    if !is_installed(tool) {
        return;
    }
    let specs = specs();
    let temp = tempfile::tempdir().expect("tempdir");
    let (archive, target) = (temp.path().join("a.tar"), temp.path().join("out"));
    let mut out = File::create(&archive).expect("create");
    let report = export(&maker(&specs).newest(), None, &mut out, &Monitor::silent()).expect("export");
    assert_eq!(report.errors, 0);
    assert_eq!(report.files + report.dirs + report.others, specs.len() as u64);
    assert_eq!(out.metadata().expect("stat").len() % RECORD, 0);
    std::fs::create_dir(&target).expect("mkdir");
    let output = Command::new(tool)
        .args(arguments)
        .arg("-xpf")
        .arg(&archive)
        .arg("-C")
        .arg(&target)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // GNU tar warns of times before 1970 and of the character set of names, and then does the right thing.
    let known = ["implausibly old time stamp", "'hdrcharset'"];
    let unknown = said.lines().filter(|line| !known.iter().any(|text| line.contains(text)));
    assert!(output.status.success() && unknown.count() == 0, "{tool}: {said}");
    check(&target, &specs);
}

#[test]
fn gnu_tar_reads_it() {
    round_trip("tar", &["--xattrs", "--xattrs-include=*", "--numeric-owner"], assert_tree);
}

#[test]
fn bsdtar_reads_it() {
    round_trip("bsdtar", &["--xattrs", "--numeric-owner"], |target, specs| {
        let mut specs = specs.to_vec();
        // libarchive takes the key of an attribute as it stands.
        specs.iter_mut().for_each(|(entry, _)| entry.xattrs.retain(|(name, _)| !name.contains(&b'=')));
        assert_tree(target, &specs);
    });
}

#[test]
fn what_cannot_be_read_is_left_out_or_ends_the_archive() {
    let specs = vec![file(b"a", b"small"), file(b"b", &noise(200_000, 1)), file(b"c", b"last")];
    let maker = maker(&specs);
    let snapshot = maker.newest();
    let large = snapshot.entry(b"b").expect("entry");
    let packs: Vec<_> = snapshot.chunks(&large).map(|chunk| chunk.expect("chunk").place.pack).collect();
    let last = packs.last().expect("a pack");
    maker
        .vault
        .spoil(Object::Pack, last, |bytes| (450..bytes.len()).step_by(20).for_each(|at| bytes[at] ^= 1));
    let mut out = Vec::new();
    let error = export(&maker.newest(), None, &mut out, &Monitor::silent()).expect_err("damaged");
    assert!(matches!(error, ExportError::Data { .. }), "{error}");
    let first = packs[0];
    maker.vault.spoil(Object::Pack, &first, |bytes| bytes.truncate(100));
    let report = export(&maker.newest(), None, &mut Vec::new(), &Monitor::silent()).expect("left out");
    assert!(report.errors >= 1 && report.files <= 2, "{report:?}");
}

#[test]
fn one_path_is_exported_and_a_missing_one_is_an_error() {
    let maker = maker(&hard_tree());
    let mut out = Vec::new();
    let report = export(&maker.newest(), Some(b"locked"), &mut out, &Monitor::silent()).expect("export");
    assert_eq!((report.files, report.dirs), (1, 1));
    let missing = export(&maker.newest(), Some(b"nothing"), &mut out, &Monitor::silent());
    assert!(matches!(missing, Err(ExportError::Archive(ArchiveError::NoEntry { .. }))));
}
