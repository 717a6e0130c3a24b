//! `vow mount`: what is shown is what was captured, and nothing can be changed.

use super::fidelity::hard_tree;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vow_testkit::host::{below, files_below, scratch};
use vow_testkit::shell::{Running, is_root};
use vow_testkit::{Host, Tree};

const PATIENCE: Duration = Duration::from_secs(60);

/// A mount, ended with the value.
struct Mount {
    running: Option<Running>,
    folder: PathBuf,
}

impl Mount {
    #[track_caller]
    fn new(host: &Host, folder: &Path, snapshot: Option<&str>) -> Self {
        fs::create_dir(folder).unwrap();
        let mut command = host.command(["mount"]);
        command.arg(folder).args(snapshot).arg("--identity").arg(host.identity());
        let mut running = vow_testkit::shell::start(&mut command);
        let began = Instant::now();
        while !is_mounted(folder) {
            if running.has_ended() || began.elapsed() > PATIENCE {
                panic!("not mounted: {}", running.kill().story());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { running: Some(running), folder: folder.to_owned() }
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    fn end(mut self) {
        let running = self.running.take().unwrap();
        running.signal("INT");
        let _ = running.wait().expect(0);
        assert!(!is_mounted(&self.folder));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = std::process::Command::new("umount").arg("-l").arg(&self.folder).status();
            drop(running.kill());
        }
    }
}

fn is_mounted(folder: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1) == folder.to_str())
}

fn can_mount() -> bool {
    is_root("mounting by FUSE")
}

#[test]
fn a_mounted_snapshot_is_the_tree_that_was_captured() {
    if !can_mount() {
        return;
    }
    let scratch = scratch();
    let source = hard_tree(scratch.path());
    let host = Host::new(&[&source]);
    host.backup();
    // How many links a file has is not known without reading the whole listing; which names are one file is.
    let mount = Mount::new(&host, &scratch.path().join("mounted"), Some("files@latest"));
    Tree::read(&source).assert_equals(&Tree::read(&below(&mount.folder, &source)), "mounted");

    // Here and there, backwards.
    let path = Path::new("sizes/noise-1048576");
    let original = fs::read(source.join(path)).unwrap();
    let mut file = fs::File::open(below(&mount.folder, &source).join(path)).unwrap();
    for at in [1_000_000, 524_289, 131_071, 5, 0, 1_048_575] {
        file.seek(SeekFrom::Start(at)).unwrap();
        let mut bytes = vec![0; 4096];
        let read = file.read(&mut bytes).unwrap();
        assert!(read > 0 && bytes[..read] == original[at as usize..][..read], "at {at}");
    }
    drop(file);
    let refused = fs::write(below(&mount.folder, &source).join("new"), "x").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    mount.end();
}

#[test]
fn every_snapshot_is_shown_by_host_source_and_time() {
    if !can_mount() {
        return;
    }
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "first").unwrap();
    let host = Host::new(&[&source]);
    let first = host.backup();
    fs::write(source.join("file"), "second, and longer").unwrap();
    let second = host.backup();
    let mount = Mount::new(&host, &scratch.path().join("mounted"), None);
    let snapshots = mount.folder.join("web-1/files");
    let mut names: Vec<_> = fs::read_dir(&snapshots)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    // Both may be of one second.
    let of = |id: &str| {
        names.iter().find(|name| name.ends_with(&id[..12])).unwrap_or_else(|| panic!("{id}: {names:?}"))
    };
    let (first, second) = (of(&first), of(&second));
    assert_eq!(names[2], "latest");
    assert_eq!(fs::read_link(snapshots.join("latest")).unwrap(), Path::new(second));
    let file = |name: &str| below(&snapshots.join(name), &source).join("file");
    assert_eq!(fs::read_to_string(file(first)).unwrap(), "first");
    assert_eq!(fs::read_to_string(file("latest")).unwrap(), "second, and longer");
    assert!(!snapshots.join("nosuch").exists() && !file("nosuch").exists());

    // A second mount on the same folder would hide the first.
    let mut again = host.command(["mount"]);
    again.arg(&mount.folder).arg("--identity").arg(host.identity());
    assert!(vow_testkit::shell::run(&mut again).expect(2).said().contains("not empty"));
    mount.end();
}

#[test]
fn damage_is_an_error_and_never_other_bytes() {
    if !can_mount() {
        return;
    }
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    let noise = vow_testkit::Dice::new(3).bytes(3 << 20);
    fs::write(source.join("file"), &noise).unwrap();
    let host = Host::new(&[&source]);
    host.backup();
    let packs = files_below(&host.objects(&host.vault()));
    let largest = packs.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(&largest, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&largest, bytes).unwrap();
    let mount = Mount::new(&host, &scratch.path().join("mounted"), Some("files@latest"));
    let read = fs::read(below(&mount.folder, &source).join("file"));
    assert_eq!(
        read.map(|bytes| bytes.len()).unwrap_err().raw_os_error(),
        Some(rustix::io::Errno::IO.raw_os_error())
    );
    mount.end();
}

#[test]
fn a_snapshot_that_cannot_be_opened_hides_no_other() {
    if !can_mount() {
        return;
    }
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "first").unwrap();
    let host = Host::new(&[&source]);
    let first = host.backup();
    let packs = || files_below(&host.objects(&host.vault()).join("packs"));
    let of_first = packs();
    fs::write(source.join("file"), "second").unwrap();
    let second = host.backup();
    packs().iter().filter(|pack| !of_first.contains(pack)).for_each(|pack| fs::remove_file(pack).unwrap());
    let mount = Mount::new(&host, &scratch.path().join("mounted"), None);
    let snapshots = mount.folder.join("web-1/files");
    let names: Vec<_> = fs::read_dir(&snapshots).unwrap().map(|entry| entry.unwrap().path()).collect();
    let of = |id: &str| names.iter().find(|path| path.to_string_lossy().ends_with(&id[..12])).unwrap();
    assert_eq!(fs::read_to_string(below(of(&first), &source).join("file")).unwrap(), "first");
    assert!(fs::read_dir(of(&second)).is_err());
    mount.end();
}
