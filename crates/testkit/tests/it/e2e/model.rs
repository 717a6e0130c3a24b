//! Random histories of changes and backups against what the sources looked like each time.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vow_testkit::hard_tree::{overwrite, set_mtime};
use vow_testkit::host::{below, copy, files_below, ids, scratch};
use vow_testkit::shell::{Done, is_soak};
use vow_testkit::{Dice, Host, Tree};

#[test]
fn random_histories_restore_as_they_were() {
    let seeds = if is_soak() { 1..60 } else { 1..4 };
    for seed in seeds {
        println!("seed {seed}");
        history(seed, if is_soak() { 25 } else { 10 });
    }
}

/// A source with the trees it had when its snapshots were taken.
struct Watched {
    root: PathBuf,
    taken: Vec<(String, Tree)>,
}

fn history(seed: u64, rounds: usize) {
    let dice = &mut Dice::new(seed);
    let scratch = scratch();
    let mut sources: Vec<_> =
        ["files", "second"].map(|name| Watched { root: scratch.path().join(name), taken: Vec::new() }).into();
    for source in &sources {
        fs::create_dir(&source.root).unwrap();
        for number in 0..30 {
            write_file(&source.root.join(format!("f{number}")), dice);
        }
    }
    let host = Host::at(&scratch.path().join("host"), &[&sources[0].root]);
    host.add_source("second", &sources[1].root);
    let old_state = scratch.path().join("old state");
    for round in 0..rounds {
        for source in &sources {
            for _ in 0..dice.below(25) {
                change(&source.root, dice);
            }
        }
        tamper(&host, &old_state, dice);
        let asked: &[usize] = dice.pick(&[&[0, 1][..], &[0, 1], &[0], &[1]]);
        let names: Vec<_> = asked.iter().map(|at| ["files", "second"][*at]).collect();
        let done = backup(&host, &names);
        for (at, id) in asked.iter().zip(ids(&done)) {
            let tree = Tree::read(&sources[*at].root);
            sources[*at].taken.push((id, tree));
        }
        println!("round {round} done");
    }
    without_the_cache(&host, &sources);
    for source in &sources {
        for (id, tree) in &source.taken {
            host.assert_restores(id, &source.root, tree);
        }
    }
    let _ = host.check().expect(0);
}

/// A state that was set back may be another machine's: vow asks a person, who here says that it is not.
fn backup(host: &Host, sources: &[&str]) -> Done {
    let run = || host.run(["backup", "--json"].iter().chain(sources));
    let done = run();
    if done.code == Some(1) && done.said().contains("another machine uses this host's keys") {
        fs::remove_file(host.state().join("chain")).unwrap();
        return run().expect(0);
    }
    done.expect(0)
}

/// With the cache or without, the listing is the same.
fn without_the_cache(host: &Host, sources: &[Watched]) {
    let with = ids(&backup(host, &["files"])).remove(0);
    fs::remove_dir_all(host.state()).unwrap();
    let without = host.backup();
    let target = scratch();
    let trees = [with, without].map(|id| {
        let target = target.path().join(&id);
        let _ = host.restore(&id, &target).expect(0);
        Tree::read(&below(&target, &sources[0].root))
    });
    trees[0].assert_equals(&trees[1], "without the cache");
    Tree::read(&sources[0].root).assert_equals(&trees[0], "with the cache");
}

/// Sometimes what the host remembers is lost, damaged, or older than it should be.
fn tamper(host: &Host, old: &Path, dice: &mut Dice) {
    match dice.below(8) {
        0 => fs::remove_dir_all(host.state()).unwrap_or_default(),
        1 => {
            let files = files_below(&host.state());
            if !files.is_empty() {
                let path = &files[dice.below(files.len())];
                let mut bytes = fs::read(path).unwrap();
                if !bytes.is_empty() {
                    let at = dice.below(bytes.len());
                    bytes[at] ^= 1 << dice.below(8);
                    fs::write(path, bytes).unwrap();
                }
            }
        }
        2 if host.state().exists() => {
            let _ = fs::remove_dir_all(old);
            copy(&host.state(), old);
        }
        3 if old.exists() => {
            fs::remove_dir_all(host.state()).unwrap_or_default();
            copy(old, &host.state());
        }
        4 if old.join("cache").exists() => {
            // Only the cache is old; the rest is current.
            fs::remove_dir_all(host.state().join("cache")).unwrap_or_default();
            fs::create_dir_all(host.state()).unwrap();
            copy(&old.join("cache"), &host.state().join("cache"));
        }
        _ => {}
    }
}

fn write_file(path: &Path, dice: &mut Dice) {
    let length = match dice.below(10) {
        0 => 0,
        1..=5 => dice.below(5000),
        6 | 7 => dice.below(200_000),
        _ => dice.below(3_000_000),
    };
    let content = match dice.below(4) {
        0 | 1 => dice.bytes(length),
        2 => vec![b'a' + dice.below(4) as u8; length],
        // Blocks that come again and again, also in other files.
        _ => (0..length.div_ceil(100_000))
            .flat_map(|_| Dice::new(dice.below(5) as u64).bytes(100_000))
            .collect(),
    };
    fs::write(path, content).unwrap();
}

/// One random change somewhere below `root`. Changes that make no sense there are left out.
fn change(root: &Path, dice: &mut Dice) {
    let everything = everything_below(root);
    let files: Vec<_> = everything.iter().filter(|path| is_plain_file(path)).collect();
    let folders: Vec<_> =
        everything.iter().filter(|path| is_folder(path)).chain([&root.to_owned()]).cloned().collect();
    let folder = folders[dice.below(folders.len())].clone();
    // Disk images are cut finely, and their chunks share records.
    let fresh = folder.join(format!("n{}{}", dice.below(40), dice.pick(&["", ".img"])));
    if files.is_empty() {
        return write_file(&root.join("again"), dice);
    }
    let file = files[dice.below(files.len())].clone();
    let length = fs::metadata(&file).map_or(0, |stat| stat.len());
    match dice.below(15) {
        0 | 1 if !is_taken(&fresh) => write_file(&fresh, dice),
        2 if !is_taken(&fresh) => fs::create_dir(&fresh).unwrap(),
        3 => {
            let mut content = fs::read(&file).unwrap();
            let more = dice.below(10_000);
            content.extend(dice.bytes(more));
            fs::write(&file, content).unwrap();
        }
        4 => {
            let options = fs::OpenOptions::new().write(true).open(&file).unwrap();
            options.set_len(length / 2).unwrap();
        }
        5 if length > 100 => overwrite(&file, length / 3, &dice.bytes(16)),
        6 if length > 100 => {
            // Same size, and the modification time put back: only the change time tells.
            let before = fs::metadata(&file).unwrap();
            overwrite(&file, length / 2, &dice.bytes(8));
            use std::os::unix::fs::MetadataExt;
            set_mtime(&file, before.mtime(), before.mtime_nsec());
        }
        7 => drop(fs::rename(&file, folder.join(format!("moved{}", dice.below(20))))),
        8 => {
            let moved = folders[dice.below(folders.len())].clone();
            let to = folder.join(format!("dir{}", dice.below(20)));
            if moved != root && !to.starts_with(&moved) && !is_taken(&to) {
                fs::rename(&moved, to).unwrap();
            }
        }
        9 => fs::remove_file(&file).unwrap(),
        10 if folder != root => fs::remove_dir_all(&folder).unwrap(),
        11 => {
            let mode = dice.pick(&[0o600, 0o644, 0o755, 0o4711]);
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        12 => set_mtime(&file, dice.below(2_000_000_000) as i64, dice.below(1_000_000_000) as i64),
        13 => drop(if dice.below(2) == 0 { fs::hard_link(&file, &fresh) } else { symlink(&file, &fresh) }),
        14 => {
            fs::remove_file(&file).unwrap();
            fs::create_dir(&file).unwrap();
            write_file(&file.join("inside"), dice);
        }
        _ => std::thread::sleep(Duration::from_millis(5)),
    }
}

fn everything_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn is_plain_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|stat| stat.is_file())
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|stat| stat.is_dir())
}

/// Whether something has this name, be it a link that leads nowhere.
fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
