//! Depth, length and number, and few open files.

use crate::support::{
    Place, deep, is_root, listing_path, options, place_of_child, run_alone, skipped, walk, walk_with,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::Read;
use vow_sources::files::FilesOptions;
use vow_store::listing::Kind;

#[test]
fn paths_longer_than_the_kernel_allows_are_walked() {
    let place = Place::new();
    let name = "n".repeat(200);
    deep(place.path(), &name, 2000);
    for threads in [0, 2] {
        let walked = walk(FilesOptions { threads, ..options(&[place.path()]) }).expect("walk");
        walked.assert_no_problems();
        assert_eq!(walked.counts, [2000]);
        let longest = walked.items.last().map(|(path, ..)| path.len());
        assert_eq!(longest, Some(listing_path(place.path()).len() + 2000 * 201));
    }
}

#[test]
fn files_far_below_can_be_opened_from_what_was_found() {
    let place = Place::new();
    deep(place.path(), "level", 1200);
    let mut last = None;
    let walked = walk_with(options(&[place.path()]), |item| last = Some(item)).expect("walk");
    walked.assert_no_problems();
    let last = last.expect("the deepest");
    assert_eq!(last.folder.stat(last.name()).expect("stat"), last.stat);
}

#[test]
fn names_of_any_length_and_bytes_are_walked() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let names = [vec![0xff; 255], b"\x80\xfe".to_vec(), "ü".repeat(127).into_bytes(), b"a\nb\t".to_vec()];
    for name in &names {
        std::fs::write(place.path().join(std::ffi::OsStr::from_bytes(name)), b"").expect("write");
    }
    let walked =
        walk(FilesOptions { exclude: vec!["*.none".to_owned()], ..options(&[place.path()]) }).expect("walk");
    walked.assert_no_problems();
    assert_eq!(walked.counts, [4]);
}

#[test]
fn a_wide_tree_is_walked_with_64_open_files() {
    let place = Place::new();
    for number in 0..5000 {
        place.write(&format!("{}/{number}/file", number % 7), format!("{number}").as_bytes());
    }
    deep(&place.at("3"), "deep", 300);
    run_alone("limits::with_few_open_files", place.path(), false);
}

#[test]
#[ignore = "started by another test, with few open files"]
fn with_few_open_files() {
    let place = place_of_child();
    let few = Rlimit { current: Some(64), maximum: Some(64) };
    setrlimit(Resource::Nofile, few).expect("fewer open files");
    for threads in [0, 3] {
        let mut kept = Vec::new();
        let walked =
            walk_with(FilesOptions { threads, ..options(&[&place]) }, |item| kept.push(item)).expect("walk");
        walked.assert_no_problems();
        assert_eq!(walked.counts, [5000 * 2 + 7 + 300]);
        // All directories are kept, and cannot all be open: those needed are opened again.
        for item in kept.iter().filter(|item| item.stat.kind == Kind::File).step_by(3) {
            let mut text = String::new();
            item.folder.open_file(item.name()).expect("open").read_to_string(&mut text).expect("read");
            let folder = item.path.rsplit(|byte| *byte == b'/').nth(1).expect("folder");
            assert_eq!(text.as_bytes(), folder);
        }
    }
}

#[test]
fn the_limit_of_open_files_is_raised() {
    if is_root() {
        // Only the hard limit counts, and root could lower it for this process alone; the soft one must follow it.
        let place = Place::new();
        place.write("file", b"");
        walk(options(&[place.path()])).expect("walk");
        let limit = rustix::process::getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    } else {
        skipped("some systems forbid an ordinary user to raise the limit");
    }
}
