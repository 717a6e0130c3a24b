//! The edges between crates, held against what ARCHITECTURE.md says of them.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// What opens a backup, or could.
const DECRYPTING: [&str; 8] =
    ["vow-store", "vow-sources", "vow-agent", "age", "age-core", "aes-gcm", "chacha20poly1305", "ring"];
/// Who in a vault may use the cipher library: for TLS, for certificates, for signing requests to a bucket.
const CIPHERS_FOR: [&str; 5] = ["object_store", "rcgen", "rustls", "rustls-webpki", "tokio-rustls"];

/// Packages by name, with the packages that each one links, build scripts and tests apart.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<_, _> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let linked = list(&node["deps"])
            .into_iter()
            .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
        let linked = linked.map(|dep| names[&text(&dep["pkg"])].clone());
        graph.entry(names[&text(&node["id"])].clone()).or_default().extend(linked);
    }
    graph
}

/// Everything that a package links, directly or not.
fn reached(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut reached, mut waiting) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(name) = waiting.pop() {
        for next in &graph[&name] {
            if reached.insert(next.clone()) {
                waiting.push(next.clone());
            }
        }
    }
    reached
}

/// What the table of ARCHITECTURE.md says each crate links of ours.
fn written() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../../../../ARCHITECTURE.md");
    let table =
        text.split("## The crates").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the table");
    let lines = table.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.contains('→'));
    let one = |line: &str| {
        let (left, right) = line.split_once('→').expect("an arrow");
        let name = left.split_whitespace().next().expect("a name").to_owned();
        let named =
            right.split(',').map(|name| name.trim().to_owned()).filter(|name| name != "nothing of ours");
        (name, named.collect())
    };
    lines.map(one).collect()
}

#[test]
fn each_crate_links_what_is_written_and_nothing_else_of_ours() {
    let (graph, written) = (graph(), written());
    let ours: BTreeSet<_> =
        graph.keys().filter_map(|name| name.strip_prefix("vow-")).map(str::to_owned).collect();
    for name in &ours {
        let direct: BTreeSet<_> = graph[&format!("vow-{name}")]
            .iter()
            .filter_map(|dep| dep.strip_prefix("vow-"))
            .map(str::to_owned)
            .collect();
        match (name.as_str(), written.get(name)) {
            // It is for tests, and may use what it needs.
            ("testkit", _) => {}
            ("cli", _) => assert!(!direct.contains("testkit"), "{direct:?}"),
            (_, Some(written)) => assert_eq!(&direct, written, "{name}"),
            (_, None) => panic!("ARCHITECTURE.md does not say what {name} links"),
        }
    }
    for name in written.keys() {
        assert!(ours.contains(name), "ARCHITECTURE.md tells of a crate {name}");
    }
    for name in ours.iter().filter(|name| *name != "testkit") {
        assert!(
            !reached(&graph, &format!("vow-{name}")).contains("vow-testkit"),
            "{name} links what is for tests"
        );
    }
}

/// What `cargo tree` says of a package, which knows exactly which features are on: names, in lines.
fn tree(package: &str, more: &[&str]) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.args(["tree", "--quiet", "--offline", "--package", package, "--edges", "normal"]).args(more);
    // As if it were built alone, however whoever runs the tests builds.
    tree.env("CARGO_RESOLVER_FEATURE_UNIFICATION", "selected");
    let output = tree.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn neither_vault_nor_console_can_open_a_backup() {
    for name in ["vow-vault", "vow-console"] {
        let reached = tree(name, &["--prefix", "none"]);
        let wrong: Vec<_> =
            DECRYPTING.iter().filter(|name| reached.iter().any(|other| other == *name)).collect();
        assert!(wrong.is_empty(), "{name} reaches {wrong:?}");
    }
    // The same question finds what is there.
    assert!(tree("vow-agent", &["--prefix", "none"]).iter().any(|name| name == "age"));
    let users = tree("vow-vault", &["--prefix", "depth", "--depth", "1", "--invert", "aws-lc-rs"]);
    let users: Vec<_> = users.iter().filter_map(|line| line.strip_prefix('1')).collect();
    let others: Vec<_> = users.iter().filter(|name| !CIPHERS_FOR.contains(name)).collect();
    assert!(!users.is_empty() && others.is_empty(), "{users:?} use ciphers in a vault");
}

/// Packages of the workspace and all that they link, with the features that are on in each, along these kinds of edges.
fn features(edges: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.args(["tree", "--quiet", "--offline", "--workspace", "--prefix", "none", "--format", "{p} {f}"]);
    tree.args(["--target", "x86_64-unknown-linux-gnu", "--edges", edges]);
    tree.env("CARGO_RESOLVER_FEATURE_UNIFICATION", "selected");
    let output = tree.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| line.strip_suffix(" (*)").unwrap_or(line).to_owned()).collect()
}

/// A feature that only tests turn on makes cargo compile that crate and everything that stands on it twice: minutes of each `./test`.
#[test]
fn the_program_and_its_tests_stand_on_the_same_crates() {
    let (program, tests) = (features("no-dev"), features("normal,build,dev"));
    assert!(program.len() > 300, "{program:?}");
    let twice: Vec<_> = program.difference(&tests).collect();
    assert!(
        twice.is_empty(),
        "tests turn on more features than these: turn them on in crates/cli/Cargo.toml as well\n{twice:#?}"
    );
}
