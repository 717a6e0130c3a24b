use super::testing::{assert_entry, assert_tree, at, hard_tree, is_root, walk};
use super::*;
use crate::archive::testing::{CHUNK, Lie, Maker, MemVault, Spec, dir, entry, file, noise, symlink};
use crate::listing::Kind;
use crate::listing::entry::{Content, Entry};
use crate::monitor::Event;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink as make_symlink};
use std::sync::{Arc, Mutex};
use vow_base::vault::Kind as Object;

fn maker(specs: &[Spec]) -> Maker {
    let mut maker = Maker::new(&Arc::new(MemVault::default()), 1);
    maker.snapshot("files", specs);
    maker
}

fn options(target: &Path) -> RestoreOptions {
    RestoreOptions { target: target.to_owned(), threads: 2, ..RestoreOptions::default() }
}

fn run_with(maker: &Maker, options: &RestoreOptions) -> (RestoreReport, Vec<String>) {
    let problems = Arc::new(Mutex::new(Vec::new()));
    let heard = problems.clone();
    let monitor = Monitor::new(move |event| {
        if let Event::Problem { path, text } = event {
            heard.lock().expect("lock").push(format!("{path}: {text}"));
        }
    });
    let report = restore(&maker.newest(), options, &monitor).expect("restore");
    let problems = problems.lock().expect("lock").clone();
    assert_eq!(problems.len() as u64, report.errors, "{problems:?}");
    (report, problems)
}

fn run(maker: &Maker, target: &Path) -> (RestoreReport, Vec<String>) {
    run_with(maker, &options(target))
}

#[track_caller]
fn run_well(maker: &Maker, target: &Path) -> RestoreReport {
    let (report, problems) = run(maker, target);
    assert!(problems.is_empty(), "{problems:?}");
    report
}

#[test]
fn everything_comes_back_as_it_was() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let target = temp.path().join("new/target");
    let report = run_well(&maker, &target);
    assert_tree(&target, &specs);
    let count = |kind| specs.iter().filter(|(entry, _)| entry.kind == kind).count() as u64;
    assert_eq!((report.files, report.dirs), (count(Kind::File), count(Kind::Dir)));
    assert_eq!(report.others, specs.len() as u64 - report.files - report.dirs);
    assert_eq!(report.created, specs.len() as u64 + 1);
    assert_eq!(report.bytes, specs.iter().map(|(entry, _)| entry.size).sum::<u64>());
    // Again: nothing is to be done, and nothing is read but the listing.
    let again = run_well(&maker, &target);
    let unchanged =
        RestoreReport { written_bytes: 0, created: 0, changed: 0, unchanged_files: report.files, ..report };
    assert_eq!(again, unchanged);
    assert_tree(&target, &specs);
}

#[test]
fn a_restore_that_was_cut_short_is_completed() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    run_well(&maker, temp.path());
    fs::remove_dir_all(at(temp.path(), b"d/deep")).expect("remove");
    for lost in ["d/s33", "d/hard-small", "d/symlink", "d/fifo"] {
        fs::remove_file(temp.path().join(lost)).expect("remove");
    }
    let large = fs::OpenOptions::new().write(true).open(temp.path().join("d/large")).expect("open");
    large.set_len(CHUNK as u64 * 10 + 3).expect("cut");
    fs::write(temp.path().join("d/s44"), b"other").expect("write");
    let report = run_well(&maker, temp.path());
    assert_tree(temp.path(), &specs);
    // The bottom, the small file with two names, two small ones, and the end of the large one.
    let expected = 9 + 9 + 33 * 45 + 44 * 45 + CHUNK as u64 * 20 + 7;
    assert_eq!(report.written_bytes, expected);
}

#[test]
fn a_vault_that_goes_away_stops_the_restore_and_the_next_one_goes_on() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let mut cut_short = 0;
    for reads in 0.. {
        let snapshot = maker.newest();
        let monitor = Monitor::new(|event| {
            if let Event::Problem { path, text } = event {
                panic!("{path}: {text}");
            }
        });
        *maker.vault.patience.lock().expect("lock") = Some(reads);
        let restored = restore(&snapshot, &options(temp.path()), &monitor);
        *maker.vault.patience.lock().expect("lock") = None;
        match restored {
            Ok(_) => break,
            Err(RestoreError::Archive(error)) => assert!(error.is_gone(), "after {reads}: {error}"),
            Err(other) => panic!("after {reads}: {other}"),
        }
        cut_short += 1;
    }
    assert!(cut_short > 5, "{cut_short}");
    assert_tree(temp.path(), &specs);
}

#[test]
fn in_place_only_what_differs_is_written() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    run_well(&maker, temp.path());
    let open = |path: &str| {
        fs::OpenOptions::new().read(true).write(true).open(temp.path().join(path)).expect("open")
    };
    open("d/large").write_all_at(b"x", CHUNK as u64 * 7 + 1).expect("write");
    let inode = open("d/large").metadata().expect("stat").ino();
    // Data in a hole, behind the end, and where nothing should be.
    open("d/sparse-1").write_all_at(&[7; 9000], 100_000).expect("write");
    open("d/sparse-all").write_all_at(b"x", 2 << 20).expect("write");
    rustix::fs::setxattr(temp.path().join("d/s10"), "user.extra", b"x", rustix::fs::XattrFlags::empty())
        .expect("xattr");
    fs::write(temp.path().join("d/not-in-the-snapshot"), b"mine").expect("write");
    let report = run_well(&maker, temp.path());
    assert_eq!(report.written_bytes, CHUNK as u64);
    assert_eq!(open("d/large").metadata().expect("stat").ino(), inode);
    fs::remove_file(temp.path().join("d/not-in-the-snapshot")).expect("what is not in the snapshot stays");
    let folder = specs.iter().find(|spec| spec.0.path == b"d").expect("d");
    rustix::fs::utimensat(
        rustix::fs::CWD,
        temp.path().join("d"),
        &rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            last_modification: rustix::fs::Timespec { tv_sec: folder.0.mtime.secs, tv_nsec: 123_456_789 },
        },
        rustix::fs::AtFlags::empty(),
    )
    .expect("time");
    assert_tree(temp.path(), &specs);
    let mut left = [0; 512];
    let length = rustix::fs::listxattr(temp.path().join("d/s10"), &mut left).expect("list");
    assert!(!left[..length].windows(10).any(|name| name == b"user.extra"));
}

#[test]
fn links_planted_in_the_target_lead_nowhere() {
    let specs =
        [dir(b"a"), file(b"a/f", b"data"), dir(b"a/sub"), file(b"a/sub/g", b"more"), file(b"z", b"last")];
    let maker = maker(&specs);
    for planted in ["a", "a/sub"] {
        let temp = tempfile::tempdir().expect("tempdir");
        let (outside, target) = (temp.path().join("outside"), temp.path().join("target"));
        fs::create_dir_all(target.join(planted).parent().expect("parent")).expect("mkdir");
        fs::create_dir(&outside).expect("mkdir");
        make_symlink(&outside, target.join(planted)).expect("symlink");
        let (report, problems) = run(&maker, &target);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("symbolic link"), "{problems:?}");
        assert!(walk(&outside).is_empty());
        assert!(report.errors == 1 && target.join("z").exists());
        assert!(target.join(planted).symlink_metadata().expect("stat").is_symlink());
    }
}

#[test]
fn other_names_of_a_file_outside_are_not_written_through() {
    let specs = [file(b"f", b"from the snapshot"), file(b"g", &noise(CHUNK * 3, 1)), symlink(b"s", b"t")];
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let target = temp.path().join("target");
    fs::create_dir(&target).expect("mkdir");
    for name in ["f", "g", "s"] {
        let outside = temp.path().join(name);
        fs::write(&outside, b"precious").expect("write");
        // One is a hard link, one a symbolic one.
        if name == "g" {
            make_symlink(&outside, target.join(name)).expect("symlink");
        } else {
            fs::hard_link(&outside, target.join(name)).expect("link");
        }
    }
    run_well(&maker, &target);
    for name in ["f", "g", "s"] {
        let stat = temp.path().join(name).metadata().expect("stat");
        assert_eq!(fs::read(temp.path().join(name)).expect("read"), b"precious");
        assert_eq!(stat.nlink(), 1);
    }
    assert_tree(&target, &specs);
}

#[test]
fn listings_that_try_to_lead_out_are_caught() {
    let temp = tempfile::tempdir().expect("tempdir");
    let outside = temp.path().join("outside");
    fs::create_dir(&outside).expect("mkdir");
    let away = outside.as_os_str().as_bytes().to_vec();
    // A link, and entries below it; far enough apart to be in different windows or not.
    for filler in [0, 2000u32] {
        let mut specs =
            vec![symlink(b"a", &away), file(b"a/planted", b"x"), dir(b"a/folder"), file(b"a/folder/x", b"x")];
        for number in 0..filler {
            specs.push(file(format!("b{number:04}").as_bytes(), b"filler"));
        }
        let target = temp.path().join(format!("target-{filler}"));
        let (report, _) = run(&maker(&specs), &target);
        assert!(report.errors > 0);
        assert!(walk(&outside).is_empty());
    }
    // Two entries of one group that are not one file, and a group of a folder.
    let mut specs = vec![dir(b"d"), file(b"d/x", b"one"), file(b"d/y", b"two"), symlink(b"d/z", b"one")];
    specs.iter_mut().for_each(|(entry, _)| entry.link = Some((1, 1)));
    let target = temp.path().join("groups");
    run_well(&maker(&specs), &target);
    specs.iter_mut().for_each(|(entry, _)| entry.link = None);
    assert_tree(&target, &specs);
    // A path that is not clean does not even leave the reader.
    for bad in [&b"../x"[..], b"a/../../x", b"/x"] {
        let target = temp.path().join("unclean");
        let (report, problems) = run(&maker(&[dir(b""), file(bad, b"x")]), &target);
        assert!(report.errors == 1 && report.files == 0, "{problems:?}");
    }
    assert!(!temp.path().join("x").exists());
}

#[test]
fn wrong_types_are_replaced_but_directories_never() {
    let specs =
        [dir(b"a"), file(b"a/f", b"x"), file(b"b", b"y"), file(b"c", b"z"), symlink(b"e", b"t"), dir(b"g")];
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let target = temp.path();
    fs::write(target.join("a"), b"a file where a folder should be").expect("write");
    fs::create_dir(target.join("b")).expect("mkdir");
    fs::write(target.join("b/keep"), b"keep").expect("write");
    make_symlink("/nowhere", target.join("c")).expect("symlink");
    fs::create_dir(target.join("e")).expect("mkdir");
    rustix::fs::mknodat(rustix::fs::CWD, target.join("g"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("fifo");
    let (report, problems) = run(&maker, target);
    assert_eq!(report.errors, 2, "{problems:?}");
    for number in [0, 1, 3, 5] {
        assert_entry(&at(target, &specs[number].0.path), &specs[number]);
    }
    assert_eq!(fs::read(target.join("b/keep")).expect("kept"), b"keep");
}

#[test]
fn one_path_is_restored_with_or_without_its_folders() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let one = |name: &str, under: &[u8], strip| {
        let target = temp.path().join(name);
        let options = RestoreOptions { under: Some(under.to_vec()), strip, ..options(&target) };
        let (report, problems) = run_with(&maker, &options);
        assert!(problems.is_empty(), "{problems:?}");
        (target, report)
    };
    let find = |path: &[u8]| specs.iter().find(|(entry, _)| entry.path == path).expect("a spec");
    let (target, report) = one("file", b"locked/inside", false);
    assert_tree(&target, &[find(b"locked").clone(), find(b"locked/inside").clone()]);
    assert_eq!((report.files, report.dirs), (1, 0));
    let (target, _) = one("file-strip", b"locked/inside", true);
    let (entry, data) = find(b"locked/inside").clone();
    assert_tree(&target, &[(Entry { path: b"inside".to_vec(), ..entry }, data)]);
    let (target, report) = one("dir-strip", b"locked", true);
    assert_eq!(walk(&target), [b"inside".to_vec()]);
    assert_eq!(target.metadata().expect("stat").mode() & 0o7777, 0o555);
    assert_eq!((report.files, report.dirs), (1, 1));
    let missing =
        RestoreOptions { under: Some(b"locked/insi".to_vec()), ..options(&temp.path().join("none")) };
    let error = restore(&maker.newest(), &missing, &Monitor::silent()).expect_err("no such path");
    assert!(matches!(error, RestoreError::Archive(ArchiveError::NoEntry { .. })), "{error}");
    assert!(!temp.path().join("none").exists());
}

#[test]
fn parents_of_roots_keep_the_metadata_they_have() {
    let ancestor = (Entry { ancestor: true, mode: 0o700, ..entry(b"srv", Kind::Dir) }, Vec::new());
    let specs = [ancestor, dir(b"srv/data"), file(b"srv/data/f", b"x")];
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let (there, new) = (temp.path().join("there"), temp.path().join("new"));
    fs::create_dir_all(there.join("srv")).expect("mkdir");
    run_well(&maker, &there);
    assert_ne!(there.join("srv").metadata().expect("stat").mode() & 0o7777, 0o700);
    assert_entry(&there.join("srv/data"), &specs[1]);
    run_well(&maker, &new);
    assert_tree(&new, &specs);
}

/// Whether the file may differ: it is made of something in this pack.
fn uses(entry: &Entry<vow_base::ObjectId>, pack: &vow_base::ObjectId, snapshot: &Snapshot) -> bool {
    entry.content.chunks().iter().any(|chunk| chunk.place.pack == *pack)
        || matches!(entry.content, Content::Lists(_))
            && snapshot.chunks(entry).any(|chunk| chunk.is_ok_and(|chunk| chunk.place.pack == *pack))
}

#[test]
fn damage_costs_only_what_it_hits_and_never_gives_wrong_bytes() {
    let mut specs = hard_tree();
    // Spread over many packs, with names that stay.
    specs.extend((0..8).map(|n| file(format!("y{n}").as_bytes(), &noise(20_000, 100 + n))));
    let maker = maker(&specs);
    let snapshot = maker.newest();
    let entries: Vec<_> = snapshot.entries(None).map(|entry| entry.expect("entry")).collect();
    let is_first = |entry: &&Entry<_>| {
        entry.link.is_none() || entries.iter().find(|other| other.link == entry.link) == Some(entry)
    };
    let mut hit = 0;
    for pack in maker.vault.ids(Object::Pack) {
        let files: Vec<_> =
            entries.iter().filter(is_first).filter(|entry| uses(entry, &pack, &snapshot)).collect();
        if files.is_empty() {
            continue;
        }
        hit += 1;
        let bytes = maker.vault.all().iter().find(|(key, _)| key.2 == pack).expect("pack").1.clone();
        for damage in 0..3 {
            maker.vault.spoil(Object::Pack, &pack, |bytes| match damage {
                0 => (310..bytes.len()).step_by(20).for_each(|at| bytes[at] ^= 0x10),
                1 => bytes.truncate(200),
                _ => bytes[20] ^= 1,
            });
            let temp = tempfile::tempdir().expect("tempdir");
            let (report, problems) = run(&maker, temp.path());
            assert!(report.errors > 0, "pack {hit} damage {damage}");
            for spec in &specs {
                let path = at(temp.path(), &spec.0.path);
                let same_file = |file: &&&Entry<_>| spec.0.link.is_some() && file.link == spec.0.link;
                let touched = files.iter().any(|file| file.path == spec.0.path)
                    || files.iter().any(|file| same_file(&file));
                if !touched || path.symlink_metadata().is_ok() {
                    assert_entry(&path, spec);
                } else {
                    let shown = spec.0.display();
                    assert!(
                        problems.iter().any(|text| text.starts_with(&shown)),
                        "{shown} was lost in silence"
                    );
                }
            }
            maker.vault.spoil(Object::Pack, &pack, |stored| stored.clone_from(&bytes));
            // And once it is healed, running again completes it.
            run_well(&maker, temp.path());
            assert_tree(temp.path(), &specs);
        }
    }
    assert!(hit > 3, "the test needs several packs");
}

/// What a taken-over host could sign: the right chunks in the wrong places, and more of a record than there is.
#[test]
fn listings_that_lie_about_a_group_cost_only_the_files_they_lie_about() {
    let lies: [Lie; 5] = [
        |chunks| (chunks[0].start, chunks[1].start) = (chunks[1].start, chunks[0].start),
        |chunks| chunks[1].start += 1,
        |chunks| chunks[2].id = chunks[1].id,
        |chunks| chunks.iter_mut().for_each(|chunk| chunk.whole += 1),
        |chunks| (chunks[0].whole, chunks[1].whole, chunks[2].whole) = (5000, 1 << 20, 20_000),
    ];
    let data = noise(CHUNK * 5, 1);
    // Another file is made of the same records; its part of the listing is another one, and true.
    let same = file(b"same", &data);
    let mut specs = vec![file(b"large", &data)];
    specs.extend((0..8).map(|n| file(format!("m{n}").as_bytes(), b"between")));
    specs.push(same.clone());
    for (number, lie) in lies.into_iter().enumerate() {
        let mut maker = maker(std::slice::from_ref(&same));
        maker.lie = Some((b"large", lie));
        maker.snapshot("files", &specs);
        let temp = tempfile::tempdir().expect("tempdir");
        let (report, problems) = run(&maker, temp.path());
        assert!(!problems.is_empty() && !temp.path().join("large").exists(), "{number}: {problems:?}");
        assert_entry(&temp.path().join("same"), &same);
        assert!(report.errors <= 1, "{number}: {problems:?}");
    }
}

#[test]
fn a_file_that_was_there_is_not_removed_when_its_pack_is_damaged() {
    let specs = [file(b"large", &noise(CHUNK * 4, 1)), file(b"small", b"new")];
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    fs::write(temp.path().join("large"), noise(CHUNK * 4, 2)).expect("write");
    fs::write(temp.path().join("small"), b"old").expect("write");
    for pack in maker.vault.ids(Object::Pack) {
        let snapshot = maker.newest();
        if pack != snapshot.info().manifest.root.pack {
            let entry = snapshot.entry(b"large").expect("entry");
            if uses(&entry, &pack, &snapshot) {
                maker.vault.spoil(Object::Pack, &pack, |bytes| bytes[30] ^= 1);
            }
        }
    }
    let (report, problems) = run(&maker, temp.path());
    assert!(
        report.errors >= 1 && problems.iter().any(|text| text.contains("left as it was")),
        "{problems:?}"
    );
    assert_eq!(fs::read(temp.path().join("large")).expect("read"), noise(CHUNK * 4, 2));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let target = temp.path().join("target");
    let dry = RestoreOptions { dry_run: true, ..options(&target) };
    let (predicted, _) = run_with(&maker, &dry);
    assert!(!target.exists());
    assert_eq!(run_well(&maker, &target), predicted);
    let before = target.metadata().expect("stat").mtime_nsec();
    let (nothing, _) = run_with(&maker, &dry);
    assert_eq!((nothing.created, nothing.changed, nothing.written_bytes), (0, 0, 0));
    fs::write(target.join("d/s40"), b"changed").expect("write");
    fs::remove_file(target.join("d/large")).expect("remove");
    let (predicted, _) = run_with(&maker, &dry);
    assert_eq!(predicted.written_bytes, 40 * 45 + CHUNK as u64 * 30 + 7);
    assert_eq!(fs::read(target.join("d/s40")).expect("read"), b"changed");
    assert_eq!(target.metadata().expect("stat").mtime_nsec(), before);
    assert_eq!(run_well(&maker, &target).written_bytes, predicted.written_bytes);
    assert_tree(&target, &specs);
}

#[test]
fn paths_longer_than_the_kernel_takes_work() {
    let mut specs = Vec::new();
    let mut path = b"p".to_vec();
    specs.push(dir(&path));
    while path.len() < 6000 {
        path.push(b'/');
        path.extend_from_slice(&[b'x'; 200]);
        specs.push(dir(&path));
    }
    path.extend_from_slice(b"/file");
    specs.push(file(&path, b"far down"));
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let report = run_well(&maker, temp.path());
    assert_eq!(report.files, 1);
    let again = run_well(&maker, temp.path());
    assert_eq!((again.created, again.changed, again.unchanged_files), (0, 0, 1));
    // The standard library cannot remove what it cannot name.
    let removed = std::process::Command::new("rm").arg("-rf").arg(temp.path().join("p")).status();
    assert!(removed.expect("rm").success());
}

#[test]
fn many_files_in_several_windows() {
    let mut specs = vec![dir(b"d")];
    for number in 0..6000u32 {
        specs.push(file(format!("d/{number:05}").as_bytes(), format!("file {number}").as_bytes()));
    }
    specs.push(file(b"d/zz", &noise(CHUNK * 40, 9)));
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let report = run_well(&maker, temp.path());
    assert_eq!(report.files, 6001);
    assert_tree(temp.path(), &specs);
}

#[test]
fn few_open_files_are_enough() {
    let test = std::env::current_exe().expect("this test");
    let limited = "ulimit -n 64 && exec \"$0\" --test-threads 1 --exact restore::tests::many_files_in_several_windows \
                   restore::tests::everything_comes_back_as_it_was restore::tests::in_place_only_what_differs_is_written";
    let run = std::process::Command::new("sh").arg("-c").arg(limited).arg(test).output().expect("runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("3 passed"), "{said}");
}

#[test]
fn a_request_to_stop_is_heard_and_the_next_run_goes_on() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let monitor = Monitor::silent();
    monitor.cancel();
    let stopped = restore(&maker.newest(), &options(temp.path()), &monitor);
    assert!(matches!(stopped, Err(RestoreError::Cancelled)));
    run_well(&maker, temp.path());
    assert_tree(temp.path(), &specs);
}

#[test]
fn each_record_is_read_once() {
    let specs = hard_tree();
    let maker = maker(&specs);
    let temp = tempfile::tempdir().expect("tempdir");
    let snapshot = maker.newest();
    maker.vault.reads.lock().expect("lock").clear();
    restore(&snapshot, &options(temp.path()), &Monitor::silent()).expect("restore");
    let reads = maker.vault.reads.lock().expect("lock").clone();
    let packs = maker.vault.ids(Object::Pack).len();
    let leaves = snapshot.entries(None).count().div_ceil(7) * 2;
    assert!(reads.len() <= 3 * packs + leaves, "{} reads of {packs} packs", reads.len());
    // Also a record of which many chunks are needed is in one read only.
    let large = snapshot.entry(b"d/large").expect("entry");
    for chunk in snapshot.chunks(&large).map(|chunk| chunk.expect("chunk")) {
        let (start, end) =
            (u64::from(chunk.place.offset), u64::from(chunk.place.offset + chunk.place.stored));
        let holds = |read: &&(_, u64, usize)| {
            read.0 == chunk.place.pack && read.1 <= start && end <= read.1 + read.2 as u64
        };
        let data = |read: &&(_, u64, usize)| read.1 > 0;
        assert_eq!(reads.iter().filter(data).filter(holds).count(), 1, "{chunk:?}");
    }
    if is_root() {
        assert_tree(temp.path(), &specs);
    }
}
