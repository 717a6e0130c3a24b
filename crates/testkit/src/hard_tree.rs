//! A tree with everything in it that backup programs are known to lose.

use crate::dice::Dice;
use crate::shell::tool;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Name of the folder whose paths are too long for most tools.
pub const DEEP: &str = "deep";
/// Name of the folder with the file of 100 GB.
pub const SPARSE: &str = "sparse";
/// Name of the socket, which no backup keeps.
pub const SOCKET: &str = "special/socket";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Makes the tree in a new folder. What only root may make is left out when the process is not root.
#[track_caller]
pub fn make(root: &Path, dice: &mut Dice) {
    let root_user = rustix::process::geteuid().is_root();
    fs::create_dir(root).expect("the folder is new");
    sizes(&root.join("sizes"), dice);
    names(&root.join("names"));
    links(&root.join("links"), dice);
    symlinks(&root.join("symlinks"));
    sparse(&root.join(SPARSE), dice);
    attributes(&root.join("attributes"), root_user);
    special(&root.join("special"), root_user);
    many(&root.join("many"), dice);
    deep(&root.join(DEEP));
    modes(&root.join("modes"), root_user);
    // Last: whatever is made in a folder changes its times.
    times(&root.join("times"));
    age_folders(root);
}

/// Sizes around every boundary of the format and the engine, by turns easy and impossible to compress.
fn sizes(folder: &Path, dice: &mut Dice) {
    fs::create_dir(folder).expect("new");
    for boundary in [0, 4 * KIB, 96 * KIB, 256 * KIB, MIB, 4 * MIB] {
        for size in [boundary.saturating_sub(1), boundary, boundary + 1] {
            let noise = dice.bytes(size);
            let text: Vec<u8> = (0..size).map(|at| b"all work and no play "[at % 21]).collect();
            fs::write(folder.join(format!("noise-{size}")), noise).expect("written");
            fs::write(folder.join(format!("text-{size}")), text).expect("written");
        }
    }
    fs::write(folder.join("zeros"), vec![0; 3 * MIB + 5]).expect("written");
    // Cut finely: chunks that share records, equal ones among them, and noise that does not compress.
    fs::write(folder.join("zeros.img"), vec![0; 3 * MIB + 5]).expect("written");
    let block = dice.bytes(300 * KIB);
    for size in [97 * KIB, 260 * KIB, MIB, 3 * MIB + 1] {
        let text: Vec<u8> = (0..size / 8).flat_map(|at| format!("{at:07}\n").into_bytes()).collect();
        fs::write(folder.join(format!("dump-{size}.sql")), text).expect("written");
    }
    let mixed = [&block[..], &vec![0; 700 * KIB], &block, &dice.bytes(500 * KIB), &block].concat();
    fs::write(folder.join("mixed.img"), mixed).expect("written");
}

fn names(folder: &Path) {
    fs::create_dir(folder).expect("new");
    let long = "n".repeat(255);
    let names: [&[u8]; 19] = [
        b"-rf",
        b"--",
        b" lead",
        b"trail ",
        b"two\nlines",
        b"\xff\xfe not utf-8",
        b"\x01\x1b[31m",
        b"back\\slash",
        b"'quotes\"",
        b"a:b",
        b"*?[x]",
        b"~",
        b"#x",
        b"$HOME",
        b"...",
        b".hidden",
        "żółw 🐢".as_bytes(),
        b"\n",
        long.as_bytes(),
    ];
    for name in names {
        let name = OsString::from_vec(name.to_vec());
        fs::write(folder.join(&name), name.as_encoded_bytes()).expect("written");
    }
    // A file that sorts between a folder and what the folder contains.
    for name in ["x", "x-", "x.txt"] {
        fs::create_dir(folder.join(name)).expect("new");
        fs::write(folder.join(name).join("inner"), name).expect("written");
    }
}

fn links(folder: &Path, dice: &mut Dice) {
    for name in ["a", "b/c"] {
        fs::create_dir_all(folder.join(name)).expect("new");
    }
    let link = |from: &str, to: &str| fs::hard_link(folder.join(from), folder.join(to)).expect("linked");
    fs::write(folder.join("a/small"), "small").expect("written");
    link("a/small", "a/small again");
    link("a/small", "b/c/small elsewhere");
    fs::write(folder.join("b/large"), dice.bytes(5 * MIB)).expect("written");
    link("b/large", "a/large");
    File::create(folder.join("a/empty")).expect("created");
    link("a/empty", "z empty");
    symlink("a/small", folder.join("a/symlink")).expect("linked");
    link("a/symlink", "b/symlink");
    rustix::fs::mknodat(CWD, folder.join("a/fifo"), FileType::Fifo, Mode::from(0o640), 0).expect("made");
    link("a/fifo", "b/fifo");
    // A file one of whose links lies outside of what is captured.
    let outside = folder.parent().and_then(Path::parent).expect("a parent").join("outside");
    fs::write(&outside, "one link outside").expect("written");
    fs::hard_link(outside, folder.join("one inside")).expect("linked");
}

fn symlinks(folder: &Path) {
    fs::create_dir(folder).expect("new");
    symlink("nowhere", folder.join("dangling")).expect("linked");
    symlink("/etc/passwd", folder.join("absolute")).expect("linked");
    symlink("..", folder.join("up")).expect("linked");
    symlink(OsString::from_vec(b"\xff\n -x".to_vec()), folder.join("odd")).expect("linked");
    symlink("t".repeat(4095), folder.join("long")).expect("linked");
    symlink("self", folder.join("self")).expect("linked");
}

fn sparse(folder: &Path, dice: &mut Dice) {
    fs::create_dir(folder).expect("new");
    let file = |name: &str, size: u64, data: &[(u64, usize)], dice: &mut Dice| {
        let file = File::create(folder.join(name)).expect("created");
        for (offset, length) in data {
            file.write_all_at(&dice.bytes(*length), *offset).expect("written");
        }
        file.set_len(size).expect("sized");
    };
    let mib = MIB as u64;
    file("hole at the start", 3 * mib, &[(2 * mib, MIB)], dice);
    file("hole in the middle", 3 * mib, &[(0, MIB), (2 * mib, MIB)], dice);
    file("hole at the end", 3 * mib, &[(0, MIB)], dice);
    file("only a hole", 5 * mib + 17, &[], dice);
    file("small and only a hole", 40_000, &[], dice);
    file("many holes", 8 * mib, &(0..64).map(|n| (n * mib / 8, 5000)).collect::<Vec<_>>(), dice);
    file("100 GB", 100_000_000_000, &[(0, 3000), (50_000_000_123, 4000), (99_999_990_000, 5000)], dice);
}

fn attributes(folder: &Path, root_user: bool) {
    fs::create_dir(folder).expect("new");
    let set = |name: &str, attribute: &str, value: &[u8]| {
        rustix::fs::lsetxattr(folder.join(name), attribute, value, XattrFlags::empty())
            .unwrap_or_else(|e| panic!("{name} {attribute}: {e}"));
    };
    fs::write(folder.join("file"), "attributes").expect("written");
    fs::create_dir(folder.join("folder")).expect("new");
    symlink("file", folder.join("symlink")).expect("linked");
    set("file", "user.text", b"value");
    set("file", "user.empty", b"");
    set("file", "user.binary", &(0..=255).collect::<Vec<u8>>());
    set("file", "user.long", &[b'x'; 3000]);
    set("folder", "user.text", b"of a folder");
    if root_user {
        set("file", "trusted.secret", b"only root");
        set("file", "security.vow", b"label");
        set("folder", "trusted.secret", b"of a folder");
        set("symlink", "trusted.link", b"of a link");
    }
    for name in ["acl", "acl with mask"] {
        fs::write(folder.join(name), name).expect("written");
    }
    fs::create_dir(folder.join("default acl")).expect("new");
    let path = |name: &str| folder.join(name).into_os_string();
    let acl = |arguments: &[&str], name: &str| {
        let arguments = arguments.iter().map(OsString::from).chain([path(name)]);
        tool("setfacl", arguments.collect::<Vec<_>>());
    };
    acl(&["-m", "u:12345:rwx,g:54321:r"], "acl");
    acl(&["-m", "u:12345:rwx,m::r"], "acl with mask");
    acl(&["-m", "d:u:12345:rwx,d:o::-,u:1:x"], "default acl");
    if root_user {
        for name in ["capable", "capable and linked"] {
            fs::write(folder.join(name), "#!/bin/true").expect("written");
            tool("setcap", [OsStr::new("cap_net_raw,cap_net_admin+ep"), path(name).as_os_str()]);
        }
        fs::hard_link(path("capable and linked"), path("linked and capable")).expect("linked");
    }
}

fn special(folder: &Path, root_user: bool) {
    fs::create_dir(folder).expect("new");
    let make = |name: &str, kind, device| {
        rustix::fs::mknodat(CWD, folder.join(name), kind, Mode::from(0o620), device).expect(name);
    };
    make("fifo", FileType::Fifo, 0);
    if root_user {
        make("character", FileType::CharacterDevice, rustix::fs::makedev(1, 3));
        make("block", FileType::BlockDevice, rustix::fs::makedev(259, 1_000_000));
    }
    drop(UnixListener::bind(folder.join("socket")).expect("bound"));
}

/// More files than one bundle holds, some equal, and folders without any.
fn many(folder: &Path, dice: &mut Dice) {
    for number in 0..700 {
        let inner = folder.join(format!("{:02}", number % 40));
        fs::create_dir_all(&inner).expect("new");
        let length = dice.below(3000);
        let content = if number % 9 == 0 { b"equal".to_vec() } else { dice.bytes(length) };
        fs::write(inner.join(format!("{number}")), content).expect("written");
    }
    fs::create_dir_all(folder.join("empty/empty/empty")).expect("new");
}

/// Paths of more than 4,096 bytes.
fn deep(folder: &Path) {
    fs::create_dir(folder).expect("new");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = rustix::fs::open(folder, flags, Mode::empty()).expect("opened");
    for level in 0..25 {
        let name = format!("{level:02}-{}", "d".repeat(200));
        rustix::fs::mkdirat(&at, &*name, Mode::from(0o755)).expect("new");
        at = rustix::fs::openat(&at, &*name, flags, Mode::empty()).expect("opened");
        let create = OFlags::CREATE | OFlags::WRONLY;
        let file = rustix::fs::openat(&at, "file", create, Mode::from(0o644)).expect("created");
        File::from(file).write_all(format!("level {level}").as_bytes()).expect("written");
    }
}

fn modes(folder: &Path, root_user: bool) {
    fs::create_dir(folder).expect("new");
    let kinds = [0o000, 0o400, 0o644, 0o755, 0o777, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777];
    // What a user may not read is the subject of another test.
    for mode in kinds.into_iter().filter(|mode| root_user || mode & 0o400 != 0) {
        let (file, inner) =
            (folder.join(format!("file {mode:04o}")), folder.join(format!("folder {mode:04o}")));
        fs::write(&file, "mode").expect("written");
        fs::create_dir(&inner).expect("new");
        fs::write(inner.join("inner"), "inner").expect("written");
        for path in [&file, &inner] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        }
    }
    if root_user {
        for (number, (user, group)) in
            [(1, 1), (1000, 100), (65534, 65534), (4_000_000_000, 7)].iter().enumerate()
        {
            let path = folder.join(format!("owner {number}"));
            fs::write(&path, "owner").expect("written");
            std::os::unix::fs::lchown(&path, Some(*user), Some(*group)).expect("set");
            // A change of owner takes these bits away; they come after it.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o6750)).expect("set");
            let link = folder.join(format!("link of owner {number}"));
            symlink("x", &link).expect("linked");
            std::os::unix::fs::lchown(&link, Some(*user), Some(*group)).expect("set");
        }
    }
}

fn times(folder: &Path) {
    fs::create_dir(folder).expect("new");
    let moments = [
        (0, 0),
        (0, 1),
        (-1, 999_999_999),
        (-86_400 * 365, 5),
        (-2_147_483_648, 0),
        (4_294_967_296, 7),
        (1, 500),
    ];
    for (number, (secs, nanos)) in moments.into_iter().enumerate() {
        let path = folder.join(format!("{number}"));
        fs::write(&path, "time").expect("written");
        set_mtime(&path, secs, nanos);
        let link = folder.join(format!("link {number}"));
        symlink("x", &link).expect("linked");
        set_mtime(&link, secs, nanos);
    }
}

/// Gives every folder that has a usable path an odd time, the deepest first.
fn age_folders(root: &Path) {
    let mut folders = vec![root.to_owned()];
    let mut at = 0;
    while at < folders.len() {
        let inner = fs::read_dir(&folders[at]).into_iter().flatten().flatten();
        let inner: Vec<PathBuf> = inner
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .filter(|path| !path.ends_with(DEEP))
            .collect();
        folders.extend(inner);
        at += 1;
    }
    for (number, folder) in folders.iter().enumerate().rev() {
        set_mtime(folder, 1_000_000_000 + number as i64, number as i64 * 1001);
    }
}

/// Sets the modification time of a path itself.
pub fn set_mtime(path: &Path, secs: i64, nanos: i64) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Changes bytes of a file in place.
pub fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path);
    let file = file.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.write_all_at(bytes, offset).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
