//! What is not captured, and that it is said.

use crate::support::{Mount, Place, fifo, options, walk};
use std::os::unix::net::UnixListener;
use std::path::Path;
use vow_sources::files::FilesOptions;

#[test]
fn patterns_hide_and_are_counted() {
    let place = Place::new();
    for name in
        ["a.tmp", "keep.tmp", "home/ann/.cache/x", "home/ann/x.tmp", "home/ann/y", "build/x", "src/build"]
    {
        place.write(name, b"");
    }
    let cache = format!("{}/home/*/.cache", place.path().display());
    let exclude = vec!["*.tmp".to_owned(), "!keep.tmp".to_owned(), cache.clone(), "build/".to_owned()];
    let walked = walk(FilesOptions { exclude, ..options(&[place.path()]) }).expect("walk");
    walked.assert_no_problems();
    assert_eq!(
        walked.below(place.path()),
        ["home", "home/ann", "home/ann/y", "keep.tmp", "src", "src/build"]
    );
    let said = format!(
        "excluded 4 entries, an excluded directory counting as one: 2 by \"*.tmp\", 1 by \"{cache}\", 1 by \"build/\""
    );
    assert_eq!(walked.note(), said);
}

#[test]
fn marked_caches_keep_their_mark_only() {
    let place = Place::new();
    let signature = b"Signature: 8a477f597d28d172789f06886806bc55\n# more";
    place.write("cache/CACHEDIR.TAG", signature);
    place.write("cache/deep/x", b"");
    place.write("forged/CACHEDIR.TAG", b"Signature: 0");
    place.write("forged/x", b"");
    place.mkdir("odd");
    fifo(&place.at("odd/CACHEDIR.TAG"));
    let exclude_caches = FilesOptions { exclude_caches: true, ..options(&[place.path()]) };
    let walked = walk(exclude_caches).expect("walk");
    let expected = [
        "cache",
        "cache/CACHEDIR.TAG",
        "forged",
        "forged/CACHEDIR.TAG",
        "forged/x",
        "odd",
        "odd/CACHEDIR.TAG",
    ];
    assert_eq!(walked.below(place.path()), expected);
    assert!(
        walked.note().starts_with("left out the contents of 1 directory marked by CACHEDIR.TAG: /"),
        "{}",
        walked.note()
    );
    assert_eq!(walk(options(&[place.path()])).expect("walk").below(place.path()).len(), 9);
    let itself = FilesOptions { exclude_caches: true, ..options(&[&place.at("cache")]) };
    assert_eq!(walk(itself).expect("walk").below(&place.at("cache")).len(), 3);
}

#[test]
fn sockets_are_counted_and_fifos_are_not_opened() {
    let place = Place::new();
    fifo(&place.at("fifo"));
    let _sockets: Vec<_> =
        (0..5).map(|n| UnixListener::bind(place.at(&format!("s{n}"))).expect("bind")).collect();
    let walked = walk(options(&[place.path()])).expect("walk");
    walked.assert_no_problems();
    assert_eq!(walked.below(place.path()), ["fifo"]);
    let note = walked.note();
    assert!(
        note.starts_with("left out 5 sockets") && note.contains("/s0, ") && note.ends_with("/s2, …"),
        "{note}"
    );
}

#[test]
fn vows_own_directories_are_left_out_however_they_are_reached() {
    let place = Place::new();
    for name in ["vow/vault/packs/x", "vow/x", "state/y", "a"] {
        place.write(name, b"");
    }
    std::os::unix::fs::symlink("state", place.at("link")).expect("symlink");
    let always_exclude = vec![place.at("vow/vault/"), place.at("link"), place.at("not/yet")];
    let walked = walk(FilesOptions { always_exclude, ..options(&[place.path()]) }).expect("walk");
    assert_eq!(walked.below(place.path()), ["a", "vow", "vow/x"]);
    assert_eq!(walked.notes.len(), 3, "{:?}", walked.notes);
    assert!(walked.notes.iter().all(|note| note.ends_with("holds Vow's own data: not captured")));
}

#[test]
fn databases_in_use_are_left_to_their_own_source() {
    let place = Place::new();
    for name in
        ["pg/PG_VERSION", "pg/postmaster.pid", "pg/base/1", "old/PG_VERSION", "my/ibdata1", "my/mysql/x"]
    {
        place.write(name, b"");
    }
    let walked = walk(options(&[place.path()])).expect("walk");
    walked.assert_no_problems();
    assert_eq!(walked.below(place.path()), ["my", "old", "old/PG_VERSION", "pg"]);
    let [maria, postgres] = &walked.notes[..] else { panic!("{:?}", walked.notes) };
    assert!(
        maria.contains("/my is the data directory of MariaDB or MySQL: not captured as files"),
        "{maria}"
    );
    assert!(
        postgres.contains("running PostgreSQL") && postgres.ends_with("use a source of type postgres"),
        "{postgres}"
    );
    // Asked for by name, it makes the snapshot partial.
    let walked = walk(options(&[&place.at("pg")])).expect("walk");
    assert_eq!((walked.problems.len(), walked.counts[0]), (1, 0));
}

#[test]
fn sqlite_databases_in_use_are_left_to_their_own_source() {
    let place = Place::new();
    let mut database = b"SQLite format 3\0".to_vec();
    database.resize(4096, 0);
    let hot = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0];
    for (name, content) in [
        ("log.db", &database[..]),
        ("log.db-wal", b"frames"),
        ("log.db-shm", b"index"),
        ("hot.db", &database),
        ("hot.db-journal", &hot),
        // Nothing is missing in these.
        ("still.db", &database),
        ("still.db-wal", b""),
        ("kept.db", &database),
        ("kept.db-journal", &[0; 512]),
        ("other", b"no database"),
        ("other-wal", b"no log"),
    ] {
        place.write(name, content);
    }
    let walked = walk(options(&[place.path()])).expect("walk");
    walked.assert_no_problems();
    let kept = ["kept.db", "kept.db-journal", "other", "other-wal", "still.db", "still.db-wal"];
    assert_eq!(walked.below(place.path()), kept);
    let note = walked.note();
    assert!(
        note.contains("2 SQLite databases in use")
            && note.contains("type sqlite")
            && note.contains("/hot.db"),
        "{note}"
    );
    // Asked for by name, it makes the snapshot partial.
    let walked = walk(options(&[&place.at("log.db")])).expect("walk");
    assert_eq!(walked.problems.len(), 1);
}

#[test]
fn other_file_systems_are_entered_only_when_asked_for() {
    let place = Place::new();
    place.write("a", b"");
    let Some(_mount) = Mount::new("tmpfs", place.at("mnt")) else { return };
    place.write("mnt/x", b"");
    let both = walk(options(&[place.path()])).expect("walk");
    assert_eq!(both.below(place.path()), ["a", "mnt", "mnt/x"]);
    let one = |paths: &[&Path]| walk(FilesOptions { one_file_system: true, ..options(paths) }).expect("walk");
    let walked = one(&[place.path()]);
    assert_eq!(walked.below(place.path()), ["a", "mnt"]);
    assert!(walked.note().contains("/mnt is another file system"), "{}", walked.note());
    // Named as a root of its own it is entered, whatever lies around it.
    let walked = one(&[place.path(), &place.at("mnt")]);
    assert_eq!(walked.below(place.path()), ["a", "mnt", "mnt/x"]);
    assert_eq!((walked.notes.len(), &walked.counts[..]), (0, &[3, 1][..]));
    let always_exclude = vec![place.at("mnt/x")];
    let walked = walk(FilesOptions { always_exclude, ..options(&[place.path()]) }).expect("walk");
    assert_eq!(walked.below(place.path()), ["a", "mnt"]);
}

#[test]
fn file_systems_of_the_kernel_are_not_entered() {
    let place = Place::new();
    place.write("z", b"");
    let Some(_mount) = Mount::new("sysfs", place.at("sys")) else { return };
    let walked = walk(options(&[place.path()])).expect("walk");
    assert_eq!(walked.below(place.path()), ["sys", "z"]);
    assert!(walked.note().contains("/sys is a file system of the kernel (sysfs)"), "{}", walked.note());
    let itself = walk(options(&[&place.at("sys/kernel")])).expect("walk");
    assert!(itself.counts[0] > 0, "a root is entered wherever it lies");
}
