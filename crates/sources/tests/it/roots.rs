//! Where a walk starts.

use crate::support::{Place, listing_path, options, walk};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use vow_sources::files::{Files, FilesOptions};
use vow_store::listing::Kind;

fn above(path: &Path) -> Vec<String> {
    let mut all: Vec<_> = path.ancestors().skip(1).map(|path| path.display().to_string()).collect();
    all.reverse();
    all
}

#[test]
fn the_way_to_a_root_is_kept_and_nothing_beside_it() {
    let place = Place::new();
    place.write("srv/www/index", b"");
    place.write("srv/other/x", b"");
    let walked = walk(options(&[&place.at("srv/www")])).expect("walk");
    assert_eq!(walked.below(place.path()), ["srv", "srv/www", "srv/www/index"]);
    assert_eq!(walked.ancestors(), above(&place.at("srv/www")));
    assert_eq!(walked.items[0].0, b"");
    assert_eq!(walked.counts, [1]);
}

#[test]
fn roots_inside_each_other_and_twice_are_one_walk() {
    let place = Place::new();
    for name in ["a/b/c", "a/x", "d"] {
        place.write(name, b"");
    }
    let [a, ab, c] = [place.at("a"), place.at("a/b"), place.at("a/b/c")];
    let again = place.at("d/../a/");
    let walked = walk(options(&[&ab, &a, &again, &c])).expect("walk");
    assert_eq!(walked.below(place.path()), ["a", "a/b", "a/b/c", "a/x"]);
    assert_eq!(walked.ancestors(), above(&a));
    assert_eq!(walked.counts, [1, 3, 1]);
}

#[test]
fn a_single_file_is_a_root() {
    let place = Place::new();
    place.write("a/file", b"x");
    place.write("a/other", b"x");
    let walked = walk(options(&[&place.at("a/file")])).expect("walk");
    assert_eq!(walked.below(place.path()), ["a", "a/file"]);
    assert_eq!(walked.counts, [1]);
}

#[test]
fn the_root_of_the_file_system_is_a_root() {
    let exclude = vec!["/*".to_owned()];
    let walked = walk(FilesOptions { exclude, ..options(&[Path::new("/")]) }).expect("walk");
    let [(path, stat, ancestor)] = &walked.items[..] else { panic!("{:?}", walked.items) };
    assert_eq!((&path[..], stat.kind, *ancestor), (&b""[..], Kind::Dir, false));
    assert!(walked.note().contains("by \"/*\""), "{}", walked.note());
}

#[test]
fn a_link_is_captured_with_what_it_leads_to() {
    let place = Place::new();
    place.write("data/home/ann/x", b"");
    place.write("data/home/bob/x", b"");
    symlink("data/home", place.at("home")).expect("symlink");
    let walked = walk(options(&[&place.at("home/ann")])).expect("walk");
    let expected = ["data", "data/home", "data/home/ann", "data/home/ann/x", "home"];
    assert_eq!(walked.below(place.path()), expected);
    assert!(walked.note().contains("/data/home/ann: both are captured"), "{}", walked.note());
    let (_, link, ancestor) = walked.items.last().expect("the link");
    assert_eq!((link.kind, *ancestor), (Kind::Symlink, false));
    assert_eq!(walked.counts, [1]);
}

#[test]
fn a_root_without_its_content_ends_the_walk_before_it_begins() {
    let place = Place::new();
    place.write("full/x", b"");
    place.mkdir("mnt");
    let remembered = vec![(place.at("mnt"), 12_345), (place.at("full"), 1)];
    let (full, mnt) = (place.at("full"), place.at("mnt"));
    let refused = FilesOptions { remembered, ..options(&[&full, &mnt]) };
    let error = walk(refused.clone()).expect_err("refused");
    assert!(error.contains("/mnt is empty, but the last snapshot had 12,345 entries there"), "{error}");
    let walked = walk(FilesOptions { allow_empty: true, ..refused }).expect("allowed");
    assert_eq!(walked.below(place.path()), ["full", "full/x", "mnt"]);
    assert_eq!(walked.counts, [1, 0]);
    let gone = options(&[&place.at("gone")]);
    assert!(walk(gone.clone()).expect_err("refused").contains("/gone does not exist: is it mounted?"));
    let walked = walk(FilesOptions { allow_empty: true, ..gone }).expect("allowed");
    assert!(walked.note().ends_with("/gone does not exist"), "{}", walked.note());
}

#[test]
fn an_excluded_directory_leads_on_to_a_root_inside_it() {
    let place = Place::new();
    for name in ["a/.cache/keep/x", "a/.cache/y", "a/z"] {
        place.write(name, b"");
    }
    let exclude = vec![".cache".to_owned()];
    let (a, keep) = (place.at("a"), place.at("a/.cache/keep"));
    let walked = walk(FilesOptions { exclude, ..options(&[&a, &keep]) }).expect("walk");
    assert_eq!(walked.below(&a), [".cache", ".cache/keep", ".cache/keep/x", "z"]);
    assert!(walked.ancestors().contains(&place.at("a/.cache").display().to_string()));
}

#[test]
fn options_without_sense_are_refused() {
    let error = |options| Files::new(options).err().expect("refused").to_string();
    assert!(error(options(&[])).contains("at least one path"));
    assert!(error(options(&[Path::new("srv/www")])).contains("srv/www is not absolute"));
    let own = FilesOptions { always_exclude: vec![PathBuf::from("vault")], ..options(&[Path::new("/srv")]) };
    assert!(error(own).contains("vault is not absolute"));
    let malformed = FilesOptions { exclude: vec!["a[".to_owned()], ..options(&[Path::new("/srv")]) };
    assert!(error(malformed).contains("\"a[\""));
    assert_eq!(listing_path(Path::new("/srv")), b"srv");
}
