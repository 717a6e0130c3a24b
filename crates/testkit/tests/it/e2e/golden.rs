//! Archives of every format that was ever released stay readable: by vow, and by the reader written from the format document.
//!
//! After a change of the format that is not released yet, make them anew: `cargo test --release -p vow-testkit -- --ignored golden`.

use super::other_readers::{read_in_python, reader};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use vow_base::id::hex;
use vow_base::manifest::VERSION;
use vow_testkit::hard_tree::{overwrite, set_mtime};
use vow_testkit::host::{below, copy, files_below, scratch, vow};
use vow_testkit::shell::{is_root, run};
use vow_testkit::{Dice, Host, Tree};

/// Where the source of a golden archive was.
const SOURCE: &str = "/tmp/vow-golden/source";
const LIMIT_BYTES: u64 = 300 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The versions there are archives of.
fn versions() -> Vec<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort();
    versions
}

#[test]
fn every_version_has_its_archive() {
    let names: Vec<_> =
        versions().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let expected: Vec<_> = (1..=VERSION).map(|version| format!("v{version}")).collect();
    assert_eq!(names, expected, "a golden archive is missing, or not known to this test");
}

#[test]
fn golden_archives_are_restored_by_every_reader() {
    if !is_root("golden archives are restored by every reader") {
        return;
    }
    for version in versions() {
        let scratch = scratch();
        let host = Host::of(&scratch.path().join("host"));
        copy(&version, host.dir());
        let listed = fs::read_to_string(version.join("expected.txt")).unwrap();
        let snapshots = fs::read_to_string(version.join("snapshots.txt")).unwrap();
        assert_eq!(snapshots.lines().count(), 2);
        add_empty_folders(&host);
        let mut check = vow();
        check
            .args(["check", "--read-data", "--identity"])
            .arg(host.identity())
            .arg("--vault")
            .arg(host.vault());
        let _ = run(&mut check).expect(0);
        for (number, id) in snapshots.lines().enumerate() {
            let expected = part(&listed, id);
            let target = scratch.path().join(format!("vow {number}"));
            let _ = host.restore_from(&host.vault(), id, &target).expect(0);
            assert_eq!(listing(&below(&target, Path::new(SOURCE))), expected, "by vow");
            let target = scratch.path().join(format!("python {number}"));
            let _ = read_in_python(&host.vault(), &host.identity(), id, &target).expect(0);
            assert_eq!(listing(&below(&target, Path::new(SOURCE))), expected, "by the Python reader");
            let mut verify = reader();
            verify.arg("--identity").arg(host.identity()).arg(host.vault()).args(["verify", id]);
            let said = run(&mut verify).expect(0).said();
            assert!(
                said.contains(" groups)") && !said.contains("(0 groups)"),
                "no record with several chunks: {said}"
            );
        }
    }
}

/// Git keeps no empty folders, and a vault that lacks some is rightly not taken for a whole one by `vow check`.
fn add_empty_folders(host: &Host) {
    let objects = host.objects(&host.vault());
    let packs = (0..=255).map(|number| objects.join(format!("packs/{number:02x}")));
    let others = [objects.join("lists"), objects.join("index"), host.vault().join("tmp")];
    packs.chain(others).for_each(|folder| fs::create_dir_all(folder).unwrap());
}

/// The lines about one snapshot.
fn part(listed: &str, id: &str) -> String {
    let start = listed.find(&format!("snapshot {id}\n")).expect("it is listed");
    let lines = listed[start..].lines().skip(1).take_while(|line| !line.starts_with("snapshot "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Everything about a tree, as text that does not depend on this program's types.
fn listing(root: &Path) -> String {
    let mut text = String::new();
    for (path, node) in &Tree::read(root).0 {
        let (user, group) = node.owner;
        let (secs, nanos) = node.mtime;
        let _ =
            write!(text, "{:?} {:o} {user}:{group} {secs}.{nanos:09} {}", show(path), node.mode, node.size);
        let link = node.same_as.as_ref().map(|path| show(path)).unwrap_or_default();
        let _ = write!(
            text,
            " device {} target {:?} link {link:?} hash {}",
            node.device,
            show(&node.target),
            hex(&node.content)
        );
        for (name, value) in &node.xattrs {
            let _ = write!(text, " {}={:?}", show(name), show(value));
        }
        text.push('\n');
    }
    text
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Makes the golden archive of the current version.
#[test]
#[ignore = "makes the golden archive of a format that is not released yet"]
fn make_the_golden_archive() {
    let source = Path::new(SOURCE);
    let _ = fs::remove_dir_all(source.parent().unwrap());
    fs::create_dir_all(source).unwrap();
    let golden = folder().join(format!("v{VERSION}"));
    let _ = fs::remove_dir_all(&golden);
    fs::create_dir_all(folder()).unwrap();
    fill(source);
    let host = Host::at(&source.with_file_name("host"), &[source]);
    let (first, before) = (host.backup(), listing(source));
    fs::write(source.join("changed later"), "the second snapshot has this").unwrap();
    fs::remove_file(source.join("small/7")).unwrap();
    let (second, after) = (host.backup(), listing(source));
    // A reader needs the vault and the identity only. Git keeps no empty folders and no permissions, so there are none.
    for path in files_below(&host.vault()).iter().chain([&host.identity()]) {
        let name = path.strip_prefix(host.dir()).unwrap();
        if !matches!(name.to_str(), Some("vault/vault.key" | "vault/lock")) {
            let to = golden.join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, fs::read(path).unwrap()).unwrap();
        }
    }
    fs::write(golden.join("snapshots.txt"), format!("{first}\n{second}\n")).unwrap();
    let listed = format!("snapshot {first}\n{before}snapshot {second}\n{after}");
    fs::write(golden.join("expected.txt"), listed).unwrap();
    let size: u64 = files_below(&golden).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(size < LIMIT_BYTES, "{size} bytes are too many to keep");
    let _ = fs::remove_dir_all(source.parent().unwrap());
}

fn fill(source: &Path) {
    use rustix::fs::{CWD, FileType, Mode, XattrFlags};
    let dice = &mut Dice::new(1);
    fs::create_dir_all(source.join("small")).unwrap();
    for number in 0..30 {
        let length = dice.below(700);
        fs::write(source.join(format!("small/{number}")), dice.bytes(length)).unwrap();
    }
    fs::write(source.join("empty"), "").unwrap();
    // Several chunks, which compress well; and one that does not compress.
    let text: String = (0..420_000).map(|n| format!("line {}\n", n / 40)).collect();
    fs::write(source.join("text.sql"), text).unwrap();
    fs::write(source.join("noise"), dice.bytes(100_000)).unwrap();
    let sparse = fs::File::create(source.join("sparse")).unwrap();
    sparse.set_len(10_000_000_000).unwrap();
    overwrite(&source.join("sparse"), 5_000_000_000, b"in the middle");
    fs::hard_link(source.join("noise"), source.join("small/noise again")).unwrap();
    fs::hard_link(source.join("small/3"), source.join("three again")).unwrap();
    symlink("nowhere", source.join("symlink")).unwrap();
    for (name, kind, device) in
        [("fifo", FileType::Fifo, 0), ("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3))]
    {
        rustix::fs::mknodat(CWD, source.join(name), kind, Mode::from(0o644), device).unwrap();
    }
    fs::write(source.join("new\nline"), "odd").unwrap();
    fs::set_permissions(source.join("small/1"), fs::Permissions::from_mode(0o4755)).unwrap();
    std::os::unix::fs::chown(source.join("small/2"), Some(1000), Some(100)).unwrap();
    rustix::fs::lsetxattr(source.join("empty"), "user.note", b"value", XattrFlags::empty()).unwrap();
    rustix::fs::lsetxattr(source.join("small"), "trusted.note", b"\x00\xff", XattrFlags::empty()).unwrap();
    for (number, path) in files_below(source).iter().enumerate() {
        set_mtime(path, number as i64 * 40_000_000 - 20_000_000, number as i64 * 7);
    }
}
