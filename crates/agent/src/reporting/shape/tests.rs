use super::*;

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn looker(roots: &[&str]) -> Looker {
    Looker::new(&roots.iter().map(PathBuf::from).collect::<Vec<_>>())
}

fn trees(looker: &Looker) -> Vec<(String, u64)> {
    looker.shape().trees.into_iter().map(|(path, tree)| (path, tree.files)).collect()
}

#[test]
fn files_count_for_the_tree_two_folders_below_their_root() {
    let looker = looker(&["/srv", "/etc", "/home/ann/mail"]);
    for path in [
        "etc/passwd",
        "etc/ssh/a/b/c",
        "home/ann/mail/x/y/z/1",
        "srv/a",
        "srv/www/b",
        "srv/www/site/c",
        "srv/www/site/d/e",
    ] {
        looker.entry(path.as_bytes(), Kind::File, 10, Change::Unknown);
    }
    looker.entry(b"srv/www/site", Kind::Dir, 0, Change::Unknown);
    let expected = [
        ("/etc", 1),
        ("/etc/ssh/a", 1),
        ("/home/ann/mail/x/y", 1),
        ("/srv", 1),
        ("/srv/www", 1),
        ("/srv/www/site", 2),
    ];
    assert_eq!(trees(&looker), expected.map(|(path, files)| (path.to_owned(), files)));
    assert!(!looker.shape().compared);
    let whole = super::tests::looker(&["/"]);
    whole.entry(b"vmlinuz", Kind::File, 1, Change::New);
    whole.entry(b"usr/lib/x/y", Kind::File, 1, Change::New);
    assert_eq!(trees(&whole), [("/".to_owned(), 1), ("/usr/lib".to_owned(), 1)]);
}

#[test]
fn trees_are_bounded_in_memory_and_in_the_report() {
    let looker = looker(&["/d"]);
    for number in 0..30_000u64 {
        looker.entry(format!("d/{number:05}/x/f").as_bytes(), Kind::File, number, Change::New);
    }
    let shape = looker.shape();
    assert_eq!(shape.new_files, 30_000);
    assert_eq!(shape.trees.len(), NAMED_MAX);
    assert_eq!(looker.found.lock().expect("held by nobody").trees.len(), TREES_MAX + 1);
    // What has no tree of its own counts for the root.
    assert_eq!(shape.trees["/d"].files, 30_000 - TREES_MAX as u64, "{:?}", shape.trees);
}

#[test]
fn changes_are_counted_for_files() {
    let looker = looker(&["/"]);
    for (change, kind) in [
        (Change::New, Kind::File),
        (Change::Changed, Kind::File),
        (Change::Same, Kind::File),
        (Change::New, Kind::Dir),
    ] {
        looker.entry(b"a/b", kind, 1, change);
    }
    looker.gone(b"c", Kind::File);
    looker.gone(b"d", Kind::Symlink);
    let shape = looker.shape();
    assert!(shape.compared);
    assert_eq!((shape.new_files, shape.changed_files, shape.gone_files), (1, 1, 1));
}

#[test]
fn encrypted_files_show_in_types_and_in_randomness() {
    let sound = looker(&["/"]);
    let text = b"all work and no play makes jack a dull boy. ".repeat(100);
    let files: [(&str, Vec<u8>); 6] = [
        ("a.TXT", text.clone()),
        ("b.png", [&b"\x89PNG\r\n\x1a\n"[..], &noise(4000)].concat()),
        ("c.zip", [&b"PK\x03\x04"[..], &noise(4000)].concat()),
        ("d.gpg", noise(4096)),
        ("e", text),
        ("f.xlsx", Vec::new()),
    ];
    files.iter().for_each(|(name, content)| sound.content(name.as_bytes(), content));
    let shape = sound.shape();
    assert_eq!((shape.typed_files, shape.mistyped_files, shape.random_bytes), (3, 0, 0));
    assert!(shape.sampled_bytes > 16_000);
    let struck = looker(&["/"]);
    files.iter().for_each(|(name, content)| struck.content(name.as_bytes(), &noise(content.len())));
    let shape = struck.shape();
    assert_eq!((shape.typed_files, shape.mistyped_files), (3, 3));
    assert_eq!(
        shape.random_bytes,
        2 * 4096,
        "the text, and the one without a name: the others promise to look like noise"
    );
}

#[test]
fn noise_is_told_from_everything_else() {
    for length in [512, 1000, 4096] {
        assert!(kinds::looks_random(&noise(length)), "{length}");
        let base64: Vec<_> = noise(length)
            .iter()
            .map(|byte| {
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[usize::from(byte & 63)]
            })
            .collect();
        assert!(!kinds::looks_random(&base64), "{length}");
    }
    let program = std::fs::read(std::env::current_exe().expect("this test")).expect("read");
    let random = program.chunks(4096).take(2000).filter(|chunk| kinds::looks_random(chunk)).count();
    assert!(random < 200, "{random} of 2000 pieces of a program");
    assert!(!kinds::looks_random(&[0; 4096]));
}

#[test]
fn hostile_names_promise_nothing() {
    for name in [&b""[..], b".", b"..", b".txt", b"a.", b"\xff.\xff", b"a.averylongextension", &[b'.'; 4096]]
    {
        assert_eq!(kinds::promise(name), Promise::Nothing, "{}", name.escape_ascii());
    }
}

#[test]
fn of_many_files_only_some_are_looked_at() {
    let looker = looker(&["/"]);
    (0..LOOKED_AT + 8000).for_each(|_| looker.content(b"a.txt", b"text"));
    assert_eq!(looker.shape().typed_files, LOOKED_AT + 1000);
}
