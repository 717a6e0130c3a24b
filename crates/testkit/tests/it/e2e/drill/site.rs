//! A site served from what came back: asked for what it leads to, and shown in a picture beside the one of the last drill.

use super::{drill, names, proofs, texts};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use vow_testkit::host::{files_below, scratch};
use vow_testkit::{Host, shell};

/// A picture of eight by eight pixels.
fn png() -> Vec<u8> {
    let hex = "89504e470d0a1a0a0000000d4948445200000008000000080800000000e164e157000000534944415478010148\
               00b7ff000000000000000000000009121b242d363f0000122436485a6c7e00001b36516c87a2bd000024486c90\
               b4d8fc00002d5a87b4e10e3b0000366ca2d80e447a00003f7ebdfc3b7ab9f527139183dbb3b70000000049454e\
               44ae426082";
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn write(root: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn site(root: &Path) {
    write(
        root,
        "index.html",
        "<!DOCTYPE html><html><head><link rel=stylesheet href=/css/a.css></head><body style='background:#fff'><h1>Hello</h1>\
         <a href='sub'>sub</a> <img src=i/1.png> <a href='https://example.org/'>away</a> <a href='mailto:x@y'>m</a></body></html>",
    );
    write(root, "css/a.css", "body { color: black }");
    write(
        root,
        "sub/index.html",
        "<html><body><p>Sub page, <a href=../index.html?x#y>back</a></body></html>",
    );
    write(root, "i/1.png", png());
}

#[test]
fn a_site_is_asked_for_what_it_leads_to() {
    if !shell::is_root("a_site_is_asked_for_what_it_leads_to") {
        return;
    }
    let folder = scratch();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let root = folder.path().join("www");
    site(&root);
    // Nobody but its owner may read it: what comes back is read all the same.
    fs::set_permissions(root.join("index.html"), fs::Permissions::from_mode(0o600)).unwrap();
    let host = Host::at(&folder.path().join("host"), &[&root]);
    let plan = fs::read_to_string(host.config()).unwrap();
    let line = format!(
        "site = {{ root = {:?}, screenshot = true, changed_at_most_percent = 5 }}",
        root.display().to_string()
    );
    fs::write(host.config(), plan.replacen("type = \"files\"", &format!("type = \"files\"\n{line}"), 1))
        .unwrap();
    let shown = host.run(["config", "show"]).expect(0).text();
    assert!(shown.contains("start = [\"/\"], screenshot = true, changed_at_most_percent = 5"), "{shown}");
    host.backup();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    let at = place.display().to_string();
    let done = drill(&host, ["files", "--scratch", &at]).expect(0);
    let proof = proofs(&done).remove(0);
    let notes = texts(&proof, "notes");
    assert!(notes.contains("3 pages, 6 links and 1 pictures"), "{}", done.story());
    assert!(names(&place).is_empty(), "{}", done.story());
    let chromium = Path::new("/usr/bin/chromium").exists();
    let shots = host.state().join("drill/shots");
    if chromium {
        let hash = proof["screenshots"][0]["sha256"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", done.story()))
            .to_owned();
        let kept = files_below(&shots);
        assert_eq!(kept.len(), 1);
        let bytes = fs::read(&kept[0]).unwrap();
        assert_eq!(vow_base::id::hex(&vow_base::id::sha256(&bytes)), hash);
        assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
        let again = proofs(&drill(&host, ["files", "--scratch", &at]).expect(0)).remove(0);
        assert!(again["screenshots"][0]["changed"].as_f64() < Some(0.01), "{again}");
        assert_eq!(files_below(&shots).len(), 2, "the one before is kept beside it");
    } else {
        assert!(notes.contains("Chromium is not installed"), "{notes}");
    }
    // What leads nowhere, what cannot be shown, what is empty; and a page that looks like another one.
    write(
        &root,
        "sub/index.html",
        "<html><body><img src=/i/2.png><img src=gone.png><a href=/no/such/page>x</a><a href=empty.html>e</a></body></html>",
    );
    write(
        &root,
        "sub/empty.html",
        "<html><head><title>something</title></head><body> <script>x()</script> </body></html>",
    );
    write(&root, "i/2.png", &png()[..60]);
    write(&root, "index.html", "<html><body style='background:#a00'><a href=sub/>sub</a></body></html>");
    std::os::unix::fs::symlink("/etc/passwd", root.join("sub/passwd.html")).unwrap();
    host.backup();
    let done = drill(&host, ["files", "--scratch", &at]).expect(4);
    let proof = proofs(&done).remove(0);
    let problems = texts(&proof, "problems");
    for wanted in [
        "the picture /i/2.png on /sub/ cannot be shown",
        "the picture /sub/gone.png is not there (404)",
        "/no/such/page is not there (404), and /sub/ leads to it",
        "/sub/empty.html is an empty page",
    ] {
        assert!(problems.contains(wanted), "{wanted}: {}", done.story());
    }
    assert_eq!(
        problems.contains("of the picture of / changed since the last drill (5 % are usual)"),
        chromium,
        "{problems}"
    );
    assert!(names(&place).is_empty());
}
