//! Files, and what is in them.

use super::{drill, names, proofs, texts};
use std::fs;
use std::path::Path;
use vow_testkit::host::{files_below, scratch};
use vow_testkit::{Dice, Host};

/// A small site as WordPress leaves one, with a picture that is whole and one that was cut off on the host.
fn site(root: &Path) {
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write(
        "index.php",
        b"<?php\n/** Front */\ndefine('WP_USE_THEMES', true);\nrequire __DIR__ . '/wp-blog-header.php';\n",
    );
    write("wp-config.php", b"<?php\n$table_prefix = 'wp_';\nif ( ! defined( 'ABSPATH' ) ) {\n\tdefine( 'ABSPATH', __DIR__ . '/' );\n}\n");
    write("wp-includes/css/style.css", b"body { color: red; } /* x */\n");
    write("readme.html", b"<!DOCTYPE html><html><body><h1>Hello</h1></body></html>\n");
    write("wp-content/theme.json", b"{\"version\": 2}\n");
    let png = png();
    write("wp-content/uploads/2026/whole.png", &png);
    write("wp-content/uploads/2026/cut.png", &png[..png.len() / 2]);
    write("wp-content/uploads/2026/named.jpg", &png);
    write("wp-content/plugins/broken.php", b"<?php function f() { if (true) { echo 'half a str");
    for number in 0..60 {
        write(&format!("wp-content/cache/{number}.txt"), &Dice::new(number).bytes(2000));
    }
    write("backup/large.bin", &Dice::new(99).bytes(3 << 20));
}

/// A picture of eight by eight pixels.
fn png() -> Vec<u8> {
    let hex = "89504e470d0a1a0a0000000d4948445200000008000000080800000000e164e157000000534944415478010148\
               00b7ff000000000000000000000009121b242d363f0000122436485a6c7e00001b36516c87a2bd000024486c90\
               b4d8fc00002d5a87b4e10e3b0000366ca2d80e447a00003f7ebdfc3b7ab9f527139183dbb3b70000000049454e\
               44ae426082";
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_tree_is_proven_without_writing_and_what_was_damaged_before_is_told_apart() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let host = Host::at(&folder.path().join("host"), &[&root]);
    host.backup();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    let done = drill(&host, ["--scratch", &place.display().to_string()]).expect(0);
    let proofs = proofs(&done);
    assert_eq!(proofs.len(), 1, "{}", done.story());
    let proof = &proofs[0];
    assert_eq!(
        (&proof["source"], &proof["level"], &proof["status"]),
        (&"files".into(), &"local".into(), &"proven".into())
    );
    let files = files_below(&root).len();
    assert_eq!(proof["compared"].as_u64(), Some(files as u64));
    assert_eq!(proof["problems"].as_array().map(Vec::len), Some(0));
    let warnings = texts(proof, "warnings");
    for wanted in ["cut.png", "named.jpg: it is image/png", "broken.php: it is cut off in a string"] {
        assert!(warnings.contains(wanted), "{warnings}");
    }
    assert_eq!(proof["warnings"].as_array().map(Vec::len), Some(3), "{warnings}");
    assert!(names(&place).is_empty(), "nothing is written");
    assert_eq!(names(&host.state().join("drill/proofs")).len(), 1);
    // The vault's ledger knows it.
    assert!(proof["ledger_position"].as_u64().is_some());
    let kept = host.run(["vault", "retain", "--dir", &host.vault().display().to_string()]);
    assert!(kept.said().contains("last-proven") || kept.said().contains("last proven"), "{}", kept.story());
}

#[test]
fn samples_go_round_within_the_term_that_they_state() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let host = Host::at(&folder.path().join("host"), &[&root]);
    host.backup();
    let files = files_below(&root).len() as u64;
    let first = proofs(&drill(&host, ["--sample", "25%"]).expect_one_of(&[0, 3])).remove(0);
    let term = first["term_drills"].as_u64().unwrap();
    assert_eq!(term, 4);
    let mut read = first["files_read"].as_u64().unwrap();
    assert!(read < files, "a sample is not everything");
    for _ in 1..term {
        let done = drill(&host, ["files", "--sample", "25%"]).expect_one_of(&[0, 3]);
        read += proofs(&done)[0]["files_read"].as_u64().unwrap();
    }
    assert_eq!(read, files, "every file had its turn once");
}

#[test]
fn damage_a_wrong_key_and_absence_each_have_their_own_end() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let host = Host::at(&folder.path().join("host"), &[&root]);
    let identity = host.identity().display().to_string();
    let nothing = host.run(["drill", "--identity", &identity]).expect(10);
    assert!(nothing.said().contains("no snapshot"), "{}", nothing.story());
    let id = host.backup();
    let other = folder.path().join("other.agekey");
    let _ = host.run(["key", "new", "-o", &other.display().to_string()]).expect(0);
    let done = host.run(["drill", "--identity", &other.display().to_string()]).expect(12);
    assert!(done.said().contains("does not open"), "{}", done.story());
    assert!(
        names(&host.state().join("drill/proofs")).is_empty(),
        "a wrong key says nothing about a snapshot"
    );
    let _ = drill(&host, ["ffffffffffff"]).expect(10);
    let _ = drill(&host, ["nosuch"]).expect(10);
    let _ = drill(&host, ["files", "--level", "nosuch"]).expect(10);
    let named = drill(&host, [&id[..12], "--level", "local"]).expect(0);
    assert_eq!(proofs(&named)[0]["snapshot"], id.as_str());

    // One bit in the middle of the largest pack.
    let packs = host.objects(&host.vault()).join("packs");
    let largest =
        files_below(&packs).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&largest).unwrap();
    fs::write(&largest, bytes).unwrap();
    let done = drill(&host, ["files"]).expect(4);
    let proof = proofs(&done).remove(0);
    assert_eq!(proof["status"], "failed");
    assert!(texts(&proof, "problems").contains("does not decrypt"), "{}", done.story());
    assert!(proof["ledger_position"].is_null(), "what failed is not entered as proven");
}

#[test]
fn what_is_expected_and_not_there_fails() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let host = Host::at(&folder.path().join("host"), &[&root]);
    let at = root.display();
    let rules = [
        format!("path = \"{at}/index.php\"\ncontains = \"wp-blog-header\""),
        format!("path = \"{at}/**/*.png\"\ncount_at_least = 2"),
        format!("path = \"{at}/wp-content/*\"\nnewer_than = \"2 days\""),
    ];
    rules.iter().for_each(|rule| host.add_to_plan(&format!("[[source.expect]]\n{rule}")));
    let _ = host.run(["config", "check"]).expect(0);
    host.backup();
    let _ = drill(&host, ["files"]).expect(0);
    host.add_to_plan(&format!("[[source.expect]]\npath = \"{at}/robots.txt\"\nexists = true"));
    host.add_to_plan(&format!(
        "[[source.expect]]\npath = \"{at}/index.php\"\nlarger_than = \"1 MB\"\ncontains = \"nothing like it\""
    ));
    let proof = proofs(&drill(&host, ["files"]).expect(4)).remove(0);
    let problems = texts(&proof, "problems");
    for wanted in [
        "robots.txt is not in the snapshot",
        "should have more than 1000000",
        "does not contain \"nothing like it\"",
    ] {
        assert!(problems.contains(wanted), "{problems}");
    }
    host.add_to_plan("[[source.expect]]\npath = \"robots.txt\"\nexists = true");
    let bad = host.run(["config", "check"]).expect(2);
    assert!(bad.said().contains("this is an absolute path"), "{}", bad.story());
}

#[test]
fn a_drill_notices_every_damage_that_it_is_shown() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let mut other = png();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    fs::write(root.join("other.png"), other).unwrap();
    let host = Host::at(&folder.path().join("host"), &[&root]);
    host.backup();
    fs::write(root.join("new.txt"), "new").unwrap();
    host.backup();
    let done = drill(&host, ["files", "--sabotage"]).expect(0);
    let proof = proofs(&done).remove(0);
    let tried = proof["sabotages"].as_array().cloned().unwrap_or_default();
    for wanted in [
        "flipped bit in a pack",
        "pack that is gone",
        "pack that is cut off",
        "wrong key",
        "old snapshot posing as new",
        "manifest of other content",
        "changed byte",
        "truncated file",
        "missing file",
        "swapped images",
        "emptied tree",
    ] {
        let one = tried.iter().find(|one| one["name"] == wanted);
        assert!(one.is_some_and(|one| one["noticed"] == true), "{wanted}\n{}", done.story());
    }
    // The level is rolled back for real: what was seen before is remembered.
    let position = proof["ledger_position"].as_u64();
    assert!(position.is_some());
}

#[test]
fn what_is_due_is_drilled_once_and_the_rest_is_said() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let host = Host::at(&folder.path().join("host"), &[&root]);
    host.add_source("more", &root.join("wp-content"));
    host.backup();
    let done = drill(&host, ["--due", "--budget-minutes", "30"]).expect(0);
    assert_eq!(proofs(&done).len(), 2, "{}", done.story());
    assert!(done.summary()["reasons"][0]["reason"].as_str().unwrap().contains("never proven"));
    // What was drilled can be looked up without a key and without a vault.
    let listed = host.run(["drill", "--history", "more", "--json"]).expect(0).summary();
    let kept = listed["proofs"].as_array().cloned().unwrap_or_default();
    assert!(kept.len() == 1 && kept[0]["source"] == "more" && kept[0]["status"] == "proven", "{listed}");
    assert!(host.run(["drill", "--history"]).expect(0).text().contains("files   local"));
    let again = drill(&host, ["--due"]).expect(0);
    assert!(proofs(&again).is_empty());
    assert_eq!(again.summary()["left"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_bare_machine_needs_a_vault_and_the_key() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let host = Host::at(&folder.path().join("host"), &[&root]);
    host.backup();
    let (vault, identity) = (folder.path().join("vault"), folder.path().join("kit"));
    fs::rename(host.vault(), &vault).unwrap();
    fs::rename(host.identity(), &identity).unwrap();
    fs::remove_dir_all(host.dir()).unwrap();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    let bare = |identity: &Path| {
        let mut command = vow_testkit::host::vow();
        command.args(["drill", "--bare", "--json", "--vault"]).arg(&vault).arg("--identity").arg(identity);
        vow_testkit::shell::run(command.arg("--scratch").arg(&place))
    };
    let done = bare(&identity).expect(0);
    let summary = done.summary();
    let runbook = summary["runbook"].as_array().cloned().unwrap_or_default();
    assert_eq!(runbook.len(), 4, "{}", done.story());
    assert!(
        runbook.iter().all(|step| step["exit"] == 0 && step["command"].as_str().unwrap().starts_with("vow "))
    );
    assert_eq!(proofs(&done)[0]["status"], "proven");
    assert!(names(&place).is_empty(), "{:?}", names(&place));
    // A person can repeat the commands in any empty folder: nothing in them is gone by now.
    assert!(
        runbook.iter().all(|step| !step["command"].as_str().unwrap().contains("vow-drill-")),
        "{runbook:?}"
    );
    let other = folder.path().join("other.agekey");
    let mut command = vow_testkit::host::vow();
    let _ = vow_testkit::shell::run(command.args(["key", "new", "-o"]).arg(&other)).expect(0);
    let _ = bare(&other).expect(12);
}

#[test]
fn a_drill_does_not_end_what_a_person_doubts() {
    let folder = scratch();
    let root = folder.path().join("www");
    site(&root);
    let host = Host::at(&folder.path().join("host"), &[&root]);
    let id = host.backup();
    let vault = host.vault().display().to_string();
    let mark = |how: &str| {
        host.run(["vault", "mark", &id[..12], "--dir", &vault, how, "--note", "looks odd"]).expect(0)
    };
    let _ = mark("--doubt");
    let done = drill(&host, ["files"]).expect(0);
    assert!(
        proofs(&done)[0]["ledger_position"].is_null() && done.said().contains("doubts"),
        "{}",
        done.story()
    );
    let _ = mark("--clear");
    assert!(proofs(&drill(&host, ["files"]).expect(0))[0]["ledger_position"].as_u64().is_some());
}
