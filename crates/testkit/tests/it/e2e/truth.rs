//! Nothing is called complete that is not: files that change, vanish or cannot be read, roots that are not mounted, changes that
//! leave size and time as they were.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use vow_testkit::hard_tree::{overwrite, set_mtime};
use vow_testkit::host::{below, binary, ids, scratch};
use vow_testkit::shell::{Done, is_root, run};
use vow_testkit::{Dice, Host, Tree, Volume, held};

fn source_in(folder: &Path) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("bystander"), "bystander").unwrap();
    source
}

/// Insists that the run was partial and named the path.
#[track_caller]
fn assert_partial(done: &Done, path: &Path) {
    assert_eq!(done.code, Some(3), "{}", done.story());
    let summary = done.summary();
    assert_eq!(summary["snapshots"][0]["status"], "partial", "{}", done.story());
    assert!(summary["snapshots"][0]["errors"].as_u64() >= Some(1), "{}", done.story());
    assert!(done.said().contains(&path.display().to_string()), "not named\n{}", done.story());
}

/// Backs up, and calls `meanwhile` each time when a part of the file was read.
fn backup_held(host: &Host, file: &Path, meanwhile: impl FnMut()) -> Done {
    held::run(file, |strace| host.wrapped(strace, ["backup", "--json"]), meanwhile)
}

#[test]
fn a_file_that_changes_while_it_is_read_is_partial_and_read_again() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let busy = source.join("busy");
    for size in [50_000, 6 << 20] {
        let noise = Dice::new(1).bytes(size);
        fs::write(&busy, &noise).unwrap();
        let host = Host::new(&[&source]);
        let mut dice = Dice::new(2);
        let changed = || fs::metadata(&busy).map(|stat| (stat.ctime(), stat.ctime_nsec())).unwrap();
        let done = backup_held(&host, &busy, || {
            // The file system's clock must have moved, or nothing could show that the file changed.
            let before = changed();
            while changed() == before {
                overwrite(&busy, 1000, &dice.bytes(500));
            }
        });
        assert_partial(&done, &busy);
        let identity = host.identity().display().to_string();
        let spec = format!("{}:{}", ids(&done)[0], source.display());
        let listed = host.run(["ls", &spec, "--json", "--identity", &identity]).expect(0);
        assert!(listed.text().contains("\"changed\":true"), "{}", listed.story());
        // Quiet from now on, and older than the next run: it is read all the same.
        let id = host.backup();
        host.assert_restores(&id, &source, &Tree::read(&source));
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_partial_and_consistent() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let busy = source.join("busy");
    // Too large to be read again.
    fs::write(&busy, Dice::new(1).bytes(70 << 20)).unwrap();
    let host = Host::new(&[&source]);
    let file = fs::OpenOptions::new().write(true).open(&busy).unwrap();
    let done = backup_held(&host, &busy, || file.set_len(60 << 20).unwrap());
    assert_partial(&done, &busy);
    let target = scratch.path().join("target");
    let _ = host.restore(&ids(&done)[0], &target).expect(0);
    let _ = host.check().expect(0);
    host.assert_restores(&host.backup(), &source, &Tree::read(&source));
}

#[test]
fn small_files_that_grow_after_the_walk_saw_them_are_all_there() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let first = source.join("a");
    fs::write(&first, "x").unwrap();
    let small = |number: u32| source.join(format!("b{number}"));
    (0..400).for_each(|number| fs::write(small(number), "x").unwrap());
    let host = Host::new(&[&source]);
    // All of them are of one bundle, and are larger together than a record may be when their turn comes.
    let done = backup_held(&host, &first, || {
        let noise = Dice::new(3).bytes(90_000);
        (0..400).for_each(|number| fs::write(small(number), &noise[number as usize..]).unwrap());
    });
    let done = done.expect(0);
    host.assert_restores(&ids(&done)[0], &source, &Tree::read(&source));
}

#[test]
fn what_the_user_may_not_read_is_named_and_the_rest_is_there() {
    if !is_root("what the user may not read is named and the rest is there") {
        return;
    }
    let scratch = scratch();
    let source = source_in(scratch.path());
    fs::create_dir(source.join("closed")).unwrap();
    fs::write(source.join("closed/inner"), "x").unwrap();
    fs::write(source.join("secret"), "x").unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let vow = scratch.path().join("vow");
    fs::copy(binary(), &vow).unwrap();
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--"]);
        run(command.arg(&vow).args(arguments).current_dir(scratch.path()))
    };
    let path = source.display().to_string();
    let _ = as_nobody(&["init", "--dir", "host", "--path", &path]).expect(0);
    for name in ["closed", "secret"] {
        fs::set_permissions(source.join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    for _ in 0..2 {
        // The second run must not take the first one's gaps for unchanged files.
        let done = as_nobody(&["--config", "host/vow.toml", "backup", "--json"]);
        assert_partial(&done, &source.join("secret"));
        assert_partial(&done, &source.join("closed"));
    }
    let host = Host::of(&scratch.path().join("host"));
    let target = scratch.path().join("target");
    let done = host.restore("files@latest", &target);
    assert_eq!(fs::read(below(&target, &source).join("bystander")).unwrap(), b"bystander");
    assert!(!below(&target, &source).join("secret").exists());
    assert!(done.stderr.contains("partial"), "{}", done.story());
}

#[test]
fn a_file_that_vanishes_or_fails_to_read_is_named() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let host = Host::new(&[&source]);
    let (gone, broken) = (source.join("this-one-vanishes"), source.join("this-one-is-broken"));
    fs::write(&gone, "x").unwrap();
    let other_name = source.join("this-one-too");
    fs::hard_link(&gone, &other_name).unwrap();
    fs::write(&broken, Dice::new(3).bytes(300_000)).unwrap();
    let inject = |paths: [&str; 2], rule: &str| {
        let strace = ["strace", "-f", "-o", "/dev/null", "-P", paths[0], "-P", paths[1], "-e", rule];
        run(&mut host.wrapped(&strace, ["backup", "--json"]))
    };
    // Whichever of the two names is the first, the file is not to be had.
    let done = inject(["this-one-vanishes", "this-one-too"], "inject=openat,openat2:error=ENOENT");
    assert_partial(&done, &gone);
    assert_partial(&done, &other_name);
    // It was captured by then, and would not be read again.
    fs::write(&broken, Dice::new(4).bytes(300_000)).unwrap();
    let path = broken.display().to_string();
    let done = inject([&path, &path], "inject=pread64,read:error=EIO:when=2+");
    assert_partial(&done, &broken);
    host.assert_restores(&host.backup(), &source, &Tree::read(&source));
}

#[test]
fn a_root_that_is_not_mounted_is_refused() {
    if !is_root("a root that is not mounted is refused") {
        return;
    }
    let volume = Volume::tmpfs("size=10m");
    fs::write(volume.path().join("file"), "x").unwrap();
    let host = Host::new(&[&volume.path()]);
    let (id, tree) = (host.backup(), Tree::read(&volume.path()));
    volume.unmount();
    let done = host.run(["backup", "--json"]).expect(1);
    assert!(done.said().contains("mounted"), "{}", done.story());
    assert!(ids(&done).is_empty());
    fs::remove_dir(volume.path()).unwrap();
    let done = host.run(["backup", "--json"]).expect(1);
    assert!(done.said().contains("does not exist"), "{}", done.story());
    fs::create_dir(volume.path()).unwrap();
    let _ = host.run(["backup", "--json", "--allow-empty"]).expect(0);
    host.assert_restores(&id, &volume.path(), &tree);
}

#[test]
fn equal_size_and_time_do_not_hide_a_change() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let host = Host::new(&[&source]);
    for size in [20, 50_000, 3 << 20] {
        let file = source.join("file");
        fs::write(&file, vec![b'a'; size]).unwrap();
        host.backup();
        let before = fs::metadata(&file).unwrap();
        overwrite(&file, 7, b"changed");
        set_mtime(&file, before.mtime(), before.mtime_nsec());
        host.assert_restores(&host.backup(), &source, &Tree::read(&source));
    }
}

#[test]
fn an_edit_during_the_backup_is_found_by_the_next() {
    let scratch = scratch();
    let source = source_in(scratch.path());
    let file = source.join("file");
    fs::write(&file, vec![b'a'; 3000]).unwrap();
    let host = Host::new(&[&source]);
    let dice = &mut Dice::new(2);
    for _ in 0..15 {
        let running = host.start(["backup"]);
        let edits = dice.below(60);
        for _ in 0..edits {
            overwrite(&file, 5, &dice.bytes(8));
            set_mtime(&file, 1_000_000_000, 0);
            std::thread::sleep(Duration::from_micros(300));
        }
        let _ = running.wait().expect_one_of(&[0, 3]);
        host.assert_restores(&host.backup(), &source, &Tree::read(&source));
    }
}

/// Small ext4 inodes keep whole seconds only, as do some network file systems.
#[test]
fn an_edit_in_the_same_second_is_found_where_times_are_coarse() {
    if !is_root("an edit in the same second is found where times are coarse") {
        return;
    }
    let volume = Volume::ext4(32 << 20, &["-I", "128"]);
    let source = source_in(&volume.path());
    let file = source.join("file");
    let host = Host::new(&[&source]);
    let since_second = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_millis();
    std::thread::sleep(Duration::from_millis(u64::from(1050 - since_second)));
    fs::write(&file, "before").unwrap();
    let time = fs::metadata(&file).unwrap();
    assert_eq!(time.ctime_nsec(), 0, "the times are not coarse");
    std::thread::sleep(Duration::from_millis(100));
    host.backup();
    overwrite(&file, 0, b"after!");
    assert_eq!(fs::metadata(&file).unwrap().ctime(), time.ctime(), "too slow to prove anything");
    host.assert_restores(&host.backup(), &source, &Tree::read(&source));
}
