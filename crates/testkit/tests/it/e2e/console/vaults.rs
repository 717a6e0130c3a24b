//! A console that watches a vault: receipts come by themselves, and a vault that was set back becomes a ticket.

use std::fs;
use vow_testkit::host::{copy, ids, scratch};
use vow_testkit::{ConsoleServer, Host, VaultServer};

#[test]
fn receipts_come_from_the_vault_and_one_that_was_set_back_is_told_of() {
    let folder = scratch();
    let mut vault = VaultServer::at(&folder.path().join("vault")).made(&[]);
    let console = ConsoleServer::made_with(
        &folder.path().join("console"),
        "ask_vaults_every = \"1s\"\nlook_every = \"2s\"",
    );
    // How full the disk of the machine is that runs this is no matter of it, nor what audits find.
    let _ = console.post("/api/v1/rules", &serde_json::json!({"off": ["vault-filling", "audit"]}));
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a"), "a").unwrap();
    let host = Host::joining(&folder.path().join("host"), &data, &vault.token(&[]));
    console.admit(&host);
    let _ = console.keep("vault add remote", &[&vault.token(&["--role", "console"])]).expect(0);
    let mut snapshots = vec![ids(&host.run(["backup", "--json"]).expect(0)).remove(0)];
    let received = |snapshot: &str| {
        let found = console.get("/api/v1/sources/1/snapshots?limit=50");
        let items = found["items"].as_array().cloned().unwrap_or_default();
        items.iter().any(|one| {
            one["manifest"] == snapshot
                && one["copies"]
                    .as_array()
                    .is_some_and(|copies| copies.iter().any(|copy| copy["vault"] == "remote"))
        })
    };
    console.wait_for("the first receipt", |_| received(&snapshots[0]));
    // The vault as it is now, for later.
    assert_eq!(vault.stop(), Some(0));
    copy(&vault.store(), &folder.path().join("kept"));
    vault.start();
    fs::write(data.join("b"), "b").unwrap();
    snapshots.push(ids(&host.run(["backup", "--json"]).expect(0)).remove(0));
    console.wait_for("the second receipt", |_| received(&snapshots[1]));
    console.wait_for("nothing is wrong", |open| open.is_empty());
    // Somebody restores the disk of the vault.
    assert_eq!(vault.stop(), Some(0));
    fs::remove_dir_all(vault.store()).unwrap();
    copy(&folder.path().join("kept"), &vault.store());
    vault.start();
    console.wait_for("the ticket", |open| open.iter().any(|(key, _)| key.contains("vault-set-back")));
    let ticket = console.get("/api/v1/tickets");
    let items = ticket["items"].as_array().cloned().unwrap_or_default();
    let ticket = items.into_iter().find(|one| one["key"].to_string().contains("vault-set-back")).unwrap();
    assert_eq!(ticket["severity"], "critical", "{ticket}");
    let first = ticket["sentence"].as_str().unwrap().to_owned();
    assert!(first.contains("remote was set back") && first.contains("ends at"), "{first}");
    assert_eq!(console.keep("vault list", &[]).code, Some(4));
    // What is said does not grow with every look, and nothing else speaks because of it.
    let asked = || console.get("/api/v1/vaults")["items"][0].clone();
    let before = asked();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!((&asked()["set_back"], &asked()["error"]), (&before["set_back"], &before["error"]));
    assert_eq!(console.tickets().len(), 1, "{:?}", console.tickets());
    // A person knows why, and says so.
    let _ = console.keep("vault read-anew remote", &[]).expect(0);
    console.wait_for("the ticket closes", |open| open.is_empty());
    assert_eq!(console.keep("vault list", &[]).code, Some(0));
}
