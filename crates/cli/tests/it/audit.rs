//! `vow audit` and `vow discover` with the real binary on the machine that the tests run on.

use crate::console::Console;
use crate::host::{Host, Ran, text};
use crate::served::{Served, joined};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use vow_protocol::report::Body;

fn findings(ran: &Ran) -> Vec<String> {
    let document = ran.json();
    let list = document["findings"].as_array().expect("a list").clone();
    list.iter().map(|finding| finding["finding"].as_str().expect("a name").to_owned()).collect()
}

fn state<'d>(document: &'d Value, finding: &str) -> &'d Value {
    let ledger = document["ledger"].as_array().expect("a ledger");
    let entry = ledger.iter().find(|entry| entry["finding"] == finding);
    &entry.unwrap_or_else(|| panic!("{finding} is not in {ledger:#?}"))["state"]
}

#[test]
fn a_vault_behind_an_address_is_attacked_and_yields_nothing() {
    let console = Console::new();
    let served = Served::new();
    let host = joined(&served);
    host.run(["console", "join", &console.token()]).code(0);
    host.run(["backup"]).code(0);
    // The machine that tests run on has much that no source covers.
    let ran = host.run(["audit", "--json"]).code(4);
    let document = ran.json();
    let attacks = document["attacks"].as_array().expect("a list");
    assert!(attacks.len() >= 15, "{attacks:#?}");
    assert!(attacks.iter().all(|attack| attack["outcome"] == "refused"), "{attacks:#?}");
    let found = findings(&ran);
    assert!(
        !found.iter().any(|name| name.starts_with("write-only:") || name.starts_with("keys:")),
        "{found:?}"
    );
    // And nothing was changed by it.
    host.open(["check", "--read-data", "--vault", "remote"]).code(0);
    console.wait_for("an inventory and an audit", |reports| {
        reports.iter().any(|report| matches!(report.body, Body::Inventory(_)))
            && reports.iter().any(|report| matches!(report.body, Body::Audit(_)))
    });
}

#[test]
fn keys_and_levels_are_held_against_the_plan() {
    let host = Host::backed_up();
    let found = findings(&host.run(["audit", "--json"]).code(4));
    assert!(
        found.contains(&"level:remote".to_owned()),
        "one folder on the same machine is no safe place: {found:?}"
    );
    assert!(!found.iter().any(|name| name.starts_with("keys:")));
    let other = host.path("other.agekey");
    crate::host::vow(host.temp.path(), ["key", "new", "-o", text(&other)]).code(0);
    let public = fs::read_to_string(&other).expect("a key");
    let public =
        public.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a recipient").to_owned();
    host.edit(|plan| plan.replace("recipients = [", &format!("recipients = [\"{public}\", ")));
    let ran = host.run(["audit", "--json", "--offline"]).code(4);
    assert!(findings(&ran).contains(&"keys:files".to_owned()));
    host.run(["audit"]).code(4).prints("CRITICAL").prints("cannot open it");
    host.run(["backup"]).code(0);
    assert!(!findings(&host.run(["audit", "--json"]).code(4)).contains(&"keys:files".to_owned()));
    // A run that failed, and a vault that is gone.
    fs::rename(host.data(), host.path("elsewhere")).expect("moved");
    host.run(["backup"]).code(1);
    fs::rename(host.vault(), host.path("vault")).expect("moved");
    let found = findings(&host.run(["audit", "--json"]).code(4));
    assert!(
        found.contains(&"run:files".to_owned()) && found.contains(&"level:local".to_owned()),
        "{found:?}"
    );
}

#[test]
fn gaps_are_found_offered_closed_and_accepted() {
    let host = Host::backed_up();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = u64::from(listener.local_addr().expect("an address").port());
    let seen = host.run(["discover", "--json"]).code(0).json();
    let services = seen["inventory"]["services"].as_array().expect("services");
    let own = services
        .iter()
        .find(|service| service["ports"].as_array().is_some_and(|ports| ports.contains(&port.into())));
    let process = own.expect("this very test listens")["process"].as_str().expect("a name").to_owned();
    assert!(seen["servers"].is_array() && seen["uncovered"].is_u64(), "what was there before stays");
    let gap = format!("service:{process}");
    if process != "?" {
        assert!(findings(&host.run(["audit", "--json", "--offline"]).code(4)).contains(&gap));
        let waiver = format!(
            "\n[[waiver]]\nfinding = \"{gap}\"\nreason = \"a test\"\nby = \"ann\"\nuntil = \"2099-01-01\"\n"
        );
        host.edit(|plan| plan + &waiver);
        let document = host.run(["audit", "--json", "--offline"]).code(4).json();
        assert_eq!(document["waived"][0]["finding"], gap.as_str());
        assert_eq!(document["waived"][0]["waived"]["by"], "ann");
        host.edit(|plan| plan.replace("2099-01-01", "2020-01-01"));
        let ran = host.run(["audit", "--offline"]).code(4);
        ran.says("has ended on 2020-01-01").prints(&gap);
    }
    // A folder of the machine that nobody covers: closed by the lines that are offered.
    let gap = some_unknown_folder(&host);
    let document = host.run(["audit", "--json", "--offline"]).code(4).json();
    let list = document["findings"].as_array().expect("a list");
    let finding = list.iter().find(|finding| finding["finding"] == gap.as_str()).expect("the gap");
    let offer = finding["offer"].as_str().expect("an offer");
    host.edit(|plan| format!("{plan}\n{offer}"));
    let document = host.run(["audit", "--json", "--offline"]).code(4).json();
    assert_eq!(state(&document, &gap), "covered");
    assert!(
        !document["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|finding| finding["finding"] == gap.as_str())
    );
}

/// `/etc` of whatever machine this is: it is always there and never empty.
fn some_unknown_folder(host: &Host) -> String {
    let document = host.run(["audit", "--json", "--offline"]).code(4).json();
    assert_eq!(state(&document, "folder:/etc"), "unknown");
    "folder:/etc".to_owned()
}

#[test]
fn what_patterns_hide_is_shown() {
    let host = Host::new();
    fs::create_dir_all(host.data().join("cache/deep")).expect("folders");
    host.write("cache/deep/a.bin", vec![7; 300_000]);
    host.write("cache/b.bin", "b");
    symlink("/etc", host.data().join("cache/etc")).expect("a link");
    host.write("sub/x.tmp", "x");
    host.edit(|plan| {
        plan.replace("type = \"files\"", "type = \"files\"\nexclude = [\"cache\", \"*.tmp\", \"*.never\"]")
    });
    host.run(["backup"]).code(0);
    let document = host.run(["audit", "--json", "--offline"]).code(4).json();
    let shown: Vec<_> = document["exclusions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| {
            (e["pattern"].as_str().expect("a pattern").to_owned(), e["files"].as_u64().expect("a number"))
        })
        .collect();
    assert_eq!(shown, [("cache".to_owned(), 2), ("*.tmp".to_owned(), 1), ("*.never".to_owned(), 0)]);
    assert!(document["exclusions"][0]["bytes"].as_u64().is_some_and(|bytes| bytes >= 300_000));
    assert!(document["exclusions"][0]["newest_secs"].is_i64());
    assert!(Path::new("/etc").is_dir());
}
