//! A console hears of drills, shows them, and makes tickets of what is wrong with them.

use super::{drill, proofs};
use std::fs;
use std::time::{Duration, Instant};
use vow_testkit::host::{files_below, scratch};
use vow_testkit::{ConsoleServer, Host};

/// Waits until the console has what is wanted of it; what it has otherwise stands in the panic.
#[track_caller]
fn until<T: std::fmt::Debug>(mut look: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let began = Instant::now();
    loop {
        let seen = look();
        if wanted(&seen) {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "never: {seen:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_console_hears_of_drills_and_makes_tickets_of_what_is_wrong_with_them() {
    let folder = scratch();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.txt"), "what matters\n".repeat(1000)).unwrap();
    let host = Host::at(&folder.path().join("host"), &[&data]);
    let console = ConsoleServer::made(&folder.path().join("console"));
    console.admit(&host);
    let id = host.backup();
    let done = drill(&host, ["files"]).expect(0);
    assert_eq!(proofs(&done)[0]["status"], "proven");
    // What the drill could not bring in time is brought by the next command.
    let listed = || {
        let _ = host.run(["backup", "files", "--json"]).expect(0);
        console.get("/api/v1/proofs")["items"].as_array().cloned().unwrap_or_default()
    };
    let found = until(listed, |found| !found.is_empty());
    assert_eq!(found.len(), 1, "{found:?}");
    let body = &found[0]["body"];
    assert_eq!(
        (&found[0]["source"], &body["snapshot"], &body["verdict"]),
        (&"files".into(), &id.as_str().into(), &"proven".into())
    );
    let debts = console.get("/api/v1/debts");
    assert!(debts["items"][0]["proven_secs"].as_i64().is_some(), "{debts}");
    let rules =
        |console: &ConsoleServer| console.tickets().into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
    assert!(!rules(&console).iter().any(|rule| rule.contains("drill-")), "{:?}", console.tickets());

    // A vault that lost a pack: the drill fails, and that is a ticket of its own.
    let packs = host.objects(&host.vault()).join("packs");
    let aside: Vec<_> =
        files_below(&packs).into_iter().map(|pack| (fs::read(&pack).unwrap(), pack)).collect();
    aside.iter().for_each(|(_, pack)| fs::remove_file(pack).unwrap());
    let _ = drill(&host, [&id[..12]]).expect(4);
    let send = || {
        let _ = host.run(["audit", "--json"]);
        console.tickets()
    };
    let failed = until(send, |tickets| tickets.iter().any(|(rule, _)| rule.contains("drill-failed")));
    assert!(
        failed.iter().any(|(_, text)| text.contains("files") && text.contains("not in the vault")),
        "{failed:?}"
    );

    // What heals closes its ticket.
    aside.iter().for_each(|(bytes, pack)| fs::write(pack, bytes).unwrap());
    let _ = drill(&host, ["files"]).expect(0);
    let _ = until(send, |tickets| tickets.iter().all(|(rule, _)| !rule.contains("drill-failed")));

    // A level that cannot be read: nothing is proven, and the debt grows over its term.
    let _ = console.post("/api/v1/rules", &serde_json::json!({"drill_term_secs": 0}));
    fs::rename(host.vault(), folder.path().join("away")).unwrap();
    let late = || {
        let _ = host.run(["backup", "files"]);
        console.tickets()
    };
    let overdue = until(late, |tickets| tickets.iter().any(|(rule, _)| rule.contains("drill-overdue")));
    assert!(overdue.iter().any(|(_, text)| text.contains("was last proven")), "{overdue:?}");
    let page = console.get("/api/v1/sources/1");
    assert!(page.to_string().contains("proven"), "{page}");
}

#[test]
fn the_agent_drills_what_owes_a_proof_within_its_budget() {
    let folder = scratch();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.txt"), "x").unwrap();
    let host = Host::at(&folder.path().join("host"), &[&data]);
    host.backup();
    host.add_to_plan("[agent]\ndrill = \"* * * * *\"\ndrill_minutes = 7\ndrill_bytes = \"3 GB\"");
    let shown = host.run(["config", "show"]).expect(0).text();
    assert!(shown.contains("drill_minutes = 7\ndrill_bytes = \"3 GB\""), "{shown}");
    // A slot that was missed is due at once. The host's share of an hour of delay counts from the slot.
    let memory = host.state().join("agent");
    let mut agent = host.command(["agent", "--once", "--json"]);
    agent.env("VOW_IDENTITY_FILE", host.identity());
    let _ = vow_testkit::shell::run(&mut agent).expect(0);
    let file = files_below(&memory)
        .into_iter()
        .find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("drill of the host")));
    let file = file.unwrap_or_else(|| panic!("the agent remembers its jobs: {:?}", files_below(&memory)));
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let anchor = kept["jobs"]["drill of the host"]["anchor_secs"].as_i64().unwrap();
    kept["jobs"]["drill of the host"]["anchor_secs"] = (anchor - 7200).into();
    fs::write(&file, kept.to_string()).unwrap();
    let done = vow_testkit::shell::run(&mut agent).expect(0);
    assert_eq!(super::names(&host.state().join("drill/proofs")).len(), 1, "{}", done.story());
    // What was proven a moment ago owes nothing: the next slot drills nothing.
    fs::write(&file, kept.to_string()).unwrap();
    let done = vow_testkit::shell::run(&mut agent).expect(0);
    assert_eq!(super::names(&host.state().join("drill/proofs")).len(), 1, "{}", done.story());
}
