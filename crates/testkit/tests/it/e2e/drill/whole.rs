//! All of it at once: a host with everything, drilled from near and from far, its proofs shown, and every damage noticed.

use super::scene::Scene;
use super::{drill, names, proofs, working_in};
use std::collections::BTreeSet;
use std::fs;
use vow_protocol::proof::ProofRecord;
use vow_protocol::report::Verdict;
use vow_testkit::{VaultServer, shell};

const SOURCES: [&str; 5] = ["files", "orders", "shop", "cache", "apps"];

#[test]
fn a_whole_host_is_proven_from_near_and_from_far_and_every_damage_is_noticed() {
    let scene = Scene::new();
    let host = &scene.host;
    let vault = VaultServer::at(&scene.folder.path().join("far")).made(&[]);
    let _ = host.run(["vault", "join", &vault.token(&[])]).expect(0);
    host.backup();
    let place = scene.place.display().to_string();
    let identity = host.identity().display().to_string();
    let done = host.run(["drill", "--identity", &identity, "--scratch", &place]).expect(0);
    for source in SOURCES {
        for level in ["local", "remote"] {
            let line = format!("PROVEN: {source} on {level}: snapshot ");
            assert!(done.text().contains(&line), "{line}\n{}", done.story());
        }
    }
    // What was shown is kept, signed by the key of this drill host.
    let folder = host.state().join("drill/proofs");
    let kept: Vec<_> = names(&folder)
        .iter()
        .map(|name| ProofRecord::open(&fs::read(folder.join(name)).unwrap()).unwrap())
        .collect();
    assert_eq!(kept.iter().map(|proof| &proof.drill_key).collect::<BTreeSet<_>>().len(), 1);
    let of: BTreeSet<_> =
        kept.iter().map(|proof| (proof.report.source.as_str(), proof.report.level.as_str())).collect();
    assert_eq!((kept.len(), of.len()), (10, 10), "{of:?}");
    for proof in kept.iter().map(|proof| &proof.report) {
        assert_eq!(proof.verdict, Verdict::Proven);
        assert!(proof.compared > 0 && proof.restore_secs > 0.0 && !proof.recipient.is_empty(), "{proof:?}");
        assert!(proof.vault.is_some() && proof.problems.is_empty() && proof.blocked.is_empty(), "{proof:?}");
    }
    let done = drill(host, ["--level", "local", "--sabotage", "--scratch", &place]).expect(0);
    let shown = proofs(&done);
    let everywhere = [
        "flipped bit in a pack",
        "pack that is gone",
        "pack that is cut off",
        "wrong key",
        "old snapshot posing as new",
        "manifest of other content",
        "emptied tree",
        "truncated file",
        "missing file",
    ];
    let rows = ["changed row", "lost row", "dropped table"];
    for (source, own) in [
        ("files", &["swapped images", "changed byte"][..]),
        ("orders", &["missing routine", "truncated dump"]),
        ("shop", &["missing routine", "truncated dump"]),
        (
            "cache",
            &["truncated dump", "flipped bit in the dump", "lost keys", "missing routine", "changed value"],
        ),
        ("apps", &["zeroed page"]),
    ] {
        let proof = shown.iter().find(|proof| proof["source"] == source).unwrap();
        assert_eq!(proof["status"], "proven", "{source}\n{}", done.story());
        let tried = proof["sabotages"].as_array().cloned().unwrap_or_default();
        let of_rows = if ["orders", "shop", "apps"].contains(&source) { &rows[..] } else { &[] };
        for wanted in everywhere.iter().chain(own).chain(of_rows) {
            let one = tried.iter().find(|one| one["name"] == *wanted);
            assert!(one.is_some_and(|one| one["noticed"] == true), "{source}: {wanted}\n{tried:#?}");
        }
    }
    // Nothing but the vault and the key: all of it comes back, databases too.
    let vault = host.vault().display().to_string();
    let mut bare = vow_testkit::host::vow();
    bare.args(["drill", "--bare", "--json", "--vault", &vault, "--identity", &identity, "--scratch", &place]);
    let done = shell::run(&mut bare).expect(0);
    let shown = proofs(&done);
    assert!(shown.len() == 5 && shown.iter().all(|proof| proof["status"] == "proven"), "{}", done.story());
    let left = done.summary()["not_followed"].as_array().cloned().unwrap_or_default();
    assert!(left.len() == 3 && left[0].as_str().is_some_and(|line| line.contains("--into URL")), "{left:?}");
    assert!(names(&scene.place).is_empty() && working_in(&scene.place).is_empty());
}
