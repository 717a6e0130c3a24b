//! The walk against a plain one that is sorted afterwards.

use crate::support::{Place, fifo, listing_path, options, walk};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use vow_sources::files::FilesOptions;
use vow_store::listing::path;

/// SplitMix64: a failing seed fails again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }

    /// Names whose order with and without their `/` differs, and some that are not text.
    fn name(&mut self) -> Vec<u8> {
        let letters = [b'a', b'b', b'-', b'.', b' ', b'!', b'0', 0xff, 0x01, b'\n'];
        let mut name: Vec<u8> = (0..=self.below(3)).map(|_| letters[self.below(letters.len())]).collect();
        if name.iter().all(|byte| *byte == b'.') {
            name.push(b'x');
        }
        name
    }
}

fn grow(dice: &mut Dice, folder: &Path, depth: usize) {
    for _ in 0..dice.below(12) {
        let path = folder.join(OsStr::from_bytes(&dice.name()));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match dice.below(10) {
            0..4 if depth > 0 => {
                fs::create_dir(&path).expect("mkdir");
                grow(dice, &path, depth - 1);
            }
            4 => symlink(OsStr::from_bytes(&dice.name()), &path).expect("symlink"),
            5 => fifo(&path),
            _ => fs::write(&path, vec![7; dice.below(100)]).expect("write"),
        }
    }
}

type Facts = (Vec<u8>, u64, u64, u64, i64, i64);

fn plain(folder: &Path, found: &mut Vec<Facts>) {
    for entry in fs::read_dir(folder).expect("list") {
        let path = entry.expect("entry").path();
        let stat = path.symlink_metadata().expect("stat");
        let size = if stat.is_file() { stat.size() } else { 0 };
        found.push((listing_path(&path), stat.ino(), stat.dev(), size, stat.mtime_nsec(), stat.ctime()));
        if stat.is_dir() {
            plain(&path, found);
        }
    }
}

fn compare_with_plain(root: &Path, threads: usize, what: &str) -> usize {
    let walked = walk(FilesOptions { threads, ..options(&[root]) }).expect("walk");
    walked.assert_no_problems();
    let mut expected = Vec::new();
    plain(root, &mut expected);
    expected.sort_by(|a, b| path::compare(&a.0, &b.0));
    let facts = walked.items.iter().filter(|(path, ..)| path.len() > listing_path(root).len());
    let facts: Vec<Facts> = facts
        .map(|(path, stat, _)| {
            let nanos = i64::from(stat.mtime.nanos);
            (path.clone(), stat.inode, stat.device, stat.size, nanos, stat.ctime.secs)
        })
        .collect();
    assert!(facts == expected, "{what}: {} entries instead of {}", facts.len(), expected.len());
    assert_eq!(walked.counts, [expected.len() as u64], "{what}");
    expected.len()
}

#[test]
fn random_trees_are_walked_like_a_plain_sorted_walk() {
    let mut entries = 0;
    for seed in 0..60 {
        let place = Place::new();
        grow(&mut Dice(seed), place.path(), 3);
        entries += compare_with_plain(place.path(), (seed % 4) as usize, &format!("seed {seed}"));
    }
    assert!(entries > 1000, "{entries}");
}

#[test]
fn a_directory_of_many_names_is_divided_and_stays_in_order() {
    let place = Place::new();
    for number in 0..20_000 {
        place.write(&format!("many/f{number:x}"), b"");
    }
    for number in 0..300 {
        place.write(&format!("many/d{number}/below"), b"");
        place.write(&format!("many/d{number}.x"), b"");
    }
    place.write("zz", b"");
    for threads in 0..4 {
        compare_with_plain(place.path(), threads, &format!("{threads} threads"));
    }
}

#[test]
fn every_fact_of_the_file_system_arrives() {
    let place = Place::new();
    place.write("file", b"12345");
    fs::hard_link(place.at("file"), place.at("second")).expect("link");
    let sparse = fs::File::create(place.at("sparse")).expect("create");
    sparse.set_len(1 << 30).expect("extend");
    let walked = walk(options(&[place.path()])).expect("walk");
    let stat = |name: &str| {
        let path = listing_path(&place.at(name));
        walked.items.iter().find(|(found, ..)| *found == path).expect(name).1
    };
    let (file, real) = (stat("file"), fs::metadata(place.at("file")).expect("stat"));
    assert_eq!((file.links, file.inode, file.size), (2, stat("second").inode, 5));
    assert_eq!((file.mode, file.uid, file.gid), (real.mode() & 0o7777, real.uid(), real.gid()));
    assert_eq!((file.mtime.secs, i64::from(file.mtime.nanos)), (real.mtime(), real.mtime_nsec()));
    assert_eq!((file.ctime.secs, i64::from(file.ctime.nanos)), (real.ctime(), real.ctime_nsec()));
    assert_eq!(file.allocated, real.blocks() * 512);
    assert_eq!(stat("sparse").size, 1 << 30);
    assert!(stat("sparse").allocated < 1 << 20);
}

#[test]
fn device_numbers_arrive() {
    let walked = walk(options(&[Path::new("/dev/null")])).expect("walk");
    let (path, stat, ancestor) = walked.items.last().expect("an entry");
    assert_eq!((&path[..], stat.rdev, *ancestor), (&b"dev/null"[..], (1, 3), false));
}
