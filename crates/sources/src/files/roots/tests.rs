use super::*;
use std::fs;
use std::os::unix::fs::symlink;

fn names(path: &Path) -> Names {
    names_of(path).expect("absolute")
}

fn look(dir: &Path, roots: &[&str], remembered: &[(&str, u64)], allow_empty: bool) -> Result<Survey, String> {
    let at = |path: &str| dir.join(path);
    let roots: Vec<_> = roots.iter().map(|path| (at(path), names(&at(path)))).collect();
    let remembered: Vec<_> = remembered.iter().map(|(path, count)| (at(path), *count)).collect();
    let request = Request {
        roots: &roots,
        remembered: &remembered,
        allow_empty,
        always_exclude: &[names(&at("vault"))],
        views: &Views::default(),
    };
    survey(&request)
}

fn fixture() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary");
    for path in ["empty", "full/x", "vault/packs", "real/home/ann"] {
        fs::create_dir_all(dir.path().join(path)).expect("mkdir");
    }
    fs::write(dir.path().join("file"), "x").expect("write");
    symlink("full", dir.path().join("relative")).expect("symlink");
    symlink(dir.path().join("real/home"), dir.path().join("home")).expect("symlink");
    symlink("real/home/../home/ann/../../../full/./x", dir.path().join("winding")).expect("symlink");
    symlink("nowhere", dir.path().join("dangling")).expect("symlink");
    symlink("loop", dir.path().join("loop")).expect("symlink");
    dir
}

#[test]
fn paths_are_made_plain() {
    assert_eq!(
        names_of(Path::new("/a/./b//c/../d/")),
        Some(vec![b"a".to_vec(), b"b".to_vec(), b"d".to_vec()])
    );
    assert_eq!(names_of(Path::new("/../..")), Some(vec![]));
    assert_eq!(names_of(Path::new("a")), None);
}

#[test]
fn a_root_that_lost_its_content_is_refused_with_the_next_step() {
    let dir = fixture();
    let error = |roots, remembered| look(dir.path(), roots, remembered, false).err().expect("refused");
    let shown = dir.path().display();
    assert_eq!(
        error(&["empty"], &[("empty", 12_345)]),
        format!(
            "{shown}/empty is empty, but the last snapshot had 12,345 entries there: is it mounted? \
             If it is meant to be empty, run with --allow-empty"
        )
    );
    let gone = error(&["gone", "full"], &[("gone/", 7)]);
    assert!(
        gone.contains("/gone does not exist, but the last snapshot had 7 entries there: is it mounted?"),
        "{gone}"
    );
    let both = error(&["gone", "empty"], &[("empty", 1)]);
    assert!(both.contains("/gone does not") && both.contains("1 entry there"), "{both}");
    let below = error(&["gone/deep"], &[]);
    assert!(
        below.contains("/gone/deep does not exist, because") && below.contains("--allow-empty"),
        "{below}"
    );
    assert!(error(&["dangling"], &[]).contains("/nowhere does not"), "{}", error(&["dangling"], &[]));
    assert!(error(&["file/x"], &[]).contains("Not a directory"), "{}", error(&["file/x"], &[]));
    assert!(error(&["loop"], &[]).contains("symbolic links"), "{}", error(&["loop"], &[]));
}

#[test]
fn what_was_always_empty_or_is_allowed_to_be_is_not_refused() {
    let dir = fixture();
    assert!(look(dir.path(), &["empty"], &[], false).is_ok());
    assert!(look(dir.path(), &["empty"], &[("empty", 0), ("full", 5)], false).is_ok());
    assert!(look(dir.path(), &["full", "file"], &[("full", 5), ("file", 1)], false).is_ok());
    let allowed = look(dir.path(), &["empty", "gone"], &[("empty", 9)], true).expect("allowed");
    assert_eq!(allowed.notes.len(), 2);
    assert!(allowed.targets[0].is_some() && allowed.targets[1].is_none());
    assert!(look(dir.path(), &["loop"], &[], true).is_err());
}

#[test]
fn links_are_followed_to_where_they_lead() {
    let dir = fixture();
    for (root, target) in [
        ("relative", "full"),
        ("home/ann", "real/home/ann"),
        ("home", "real/home"),
        ("winding", "full/x"),
        ("relative/x", "full/x"),
    ] {
        let found = look(dir.path(), &[root], &[], false).expect(root);
        assert_eq!(found.targets, [Some(names(&dir.path().join(target)))], "{root}");
        assert_eq!(found.notes.len(), 1, "{root}");
    }
    let empty = look(dir.path(), &["home/ann"], &[("home/ann", 3)], false).err().expect("refused");
    assert!(empty.contains("/home/ann is empty"), "{empty}");
}

#[test]
fn vows_own_directories_are_no_roots() {
    let dir = fixture();
    for root in ["vault", "vault/packs"] {
        let error = look(dir.path(), &[root], &[], false).err().expect(root);
        assert!(error.contains("Vow's own data"), "{error}");
    }
}
