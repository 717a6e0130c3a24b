//! What can be read of an entry that was found.

use crate::support::{Place, fifo, is_root, options, skipped, walk_with};
use rustix::fs::{XattrFlags, lsetxattr};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::symlink;
use vow_store::source::Item;

fn found(place: &Place) -> HashMap<String, Item> {
    let mut items = HashMap::new();
    let mut keep = |item: Item| {
        items.insert(String::from_utf8_lossy(item.name()).into_owned(), item);
    };
    walk_with(options(&[place.path()]), &mut keep).expect("walk");
    items
}

#[test]
fn files_and_links_are_read_and_nothing_else_is_opened() {
    let place = Place::new();
    place.write("file", b"content");
    symlink("file", place.at("link")).expect("symlink");
    fifo(&place.at("fifo"));
    place.mkdir("dir");
    let items = found(&place);
    let open = |name: &str| items[name].folder.open_file(items[name].name());
    let mut text = String::new();
    open("file").expect("open").read_to_string(&mut text).expect("read");
    assert_eq!(text, "content");
    for other in ["link", "fifo", "dir"] {
        assert!(open(other).is_err(), "{other}");
    }
    assert_eq!(items["link"].folder.read_link(b"link").expect("target"), b"file");
    assert!(items["file"].folder.read_link(b"file").is_err());
    assert_eq!(items["file"].folder.stat(b"file").expect("stat"), items["file"].stat);
    std::fs::remove_file(place.at("file")).expect("remove");
    assert_eq!(open("file").expect_err("gone").kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn attributes_are_those_of_the_entry_itself_and_sorted() {
    let place = Place::new();
    place.write("file", b"");
    place.write("bare", b"");
    symlink("file", place.at("link")).expect("symlink");
    for (name, value) in [("user.b", &b"2"[..]), ("user.a", b"one"), ("user.empty", b"")] {
        match lsetxattr(place.at("file"), name, value, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return skipped("this file system has no attributes"),
            result => result.expect("set"),
        }
    }
    let items = found(&place);
    let read = |name: &str| {
        let mut all = items[name].folder.attributes(items[name].name()).expect("attributes");
        // What a security module adds to every file.
        all.retain(|(name, _)| !name.starts_with(b"security."));
        all
    };
    let pair = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    assert_eq!(read("file"), [pair("user.a", b"one"), pair("user.b", b"2"), pair("user.empty", b"")]);
    assert_eq!(read("bare"), []);
    assert_eq!(read("link"), []);
    if !is_root() {
        return skipped("only root sets attributes of links");
    }
    match lsetxattr(place.at("link"), "trusted.x", b"of the link", XattrFlags::empty()) {
        Err(Errno::PERM | Errno::OPNOTSUPP) => skipped("no attributes of links here"),
        result => {
            result.expect("set");
            assert_eq!(read("link"), [pair("trusted.x", b"of the link")]);
        }
    }
}

#[test]
fn the_root_of_the_file_system_is_readable_under_its_own_name() {
    let place = Place::new();
    let mut top = None;
    walk_with(options(&[place.path()]), |item| top = top.take().or(Some(item))).expect("walk");
    let top = top.expect("the first entry");
    assert_eq!((top.path.len(), top.name()), (0, &b"."[..]));
    assert_eq!(top.folder.stat(b".").expect("stat").inode, top.stat.inode);
    top.folder.attributes(b".").expect("attributes");
}
