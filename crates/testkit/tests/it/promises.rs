//! The tables of `docs/testing.md` name tests: each of them is there.

use std::path::Path;

const DOCUMENT: &str = include_str!("../../../../docs/testing.md");
/// Shorter words between backquotes are names of files and variables.
const NAME_CHARS: usize = 20;

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_document_names_exists() {
    let section = DOCUMENT.split_once("## What the vault promises").unwrap().1;
    let is_name = |word: &&str| {
        word.len() >= NAME_CHARS
            && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    };
    let names: Vec<_> = section.split('`').filter(is_name).collect();
    assert!(names.len() > 40, "{}", names.len());
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut text);
    let lost: Vec<_> = names.into_iter().filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert!(lost.is_empty(), "docs/testing.md names tests that are not there: {lost:?}");
}
