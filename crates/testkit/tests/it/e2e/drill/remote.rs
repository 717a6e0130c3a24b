//! Drills from a vault behind an address: the proof in its ledger, and the bare machine that has nothing but the address and the key.

use super::{drill, names, proofs};
use std::fs;
use vow_testkit::host::scratch;
use vow_testkit::{Host, VaultServer, shell};

#[test]
fn a_drill_host_that_was_let_in_brings_its_proofs_and_a_bare_machine_needs_address_and_key() {
    let folder = scratch();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.txt"), "what matters\n".repeat(1000)).unwrap();
    let server = VaultServer::at(&folder.path().join("vault")).made(&[]);
    let host = Host::joining(&folder.path().join("host"), &data, &server.token(&[]));
    let id = host.backup();
    // Not let in yet: proven, and said nowhere but here.
    let first = proofs(&drill(&host, ["files"]).expect(0)).remove(0);
    assert_eq!((&first["status"], &first["ledger_position"]), (&"proven".into(), &serde_json::Value::Null));
    // A token for something else is said to be one.
    let wrong = host.run(["vault", "join", &server.token(&["--role", "console"]), "--drill"]).expect(1);
    assert!(wrong.said().contains("one of role console, not prove"), "{}", wrong.story());
    let key = first["host_key"].as_str().and_then(vow_base::id::from_hex::<32>).unwrap();
    let host_id = vow_base::sign::PublicKey(key).host_id().to_string();
    let _ = host
        .run(["vault", "join", &server.token(&["--role", "prove", "--host", &host_id]), "--drill"])
        .expect(0);
    let proven = proofs(&drill(&host, ["files"]).expect(0)).remove(0);
    let position = proven["ledger_position"].as_u64();
    assert!(position.is_some(), "{proven}");
    // A drill a moment later says nothing new.
    assert_eq!(proofs(&drill(&host, ["files"]).expect(0))[0]["ledger_position"].as_u64(), position);
    let kept = server.keep("retain --json", &[]).expect(0).said();
    assert!(kept.contains("last-attested"), "{kept}");
    let (pin, kit) = (server.url(), folder.path().join("kit"));
    fs::rename(host.identity(), &kit).unwrap();
    fs::remove_dir_all(host.dir()).unwrap();
    let place = folder.path().join("scratch");
    fs::create_dir(&place).unwrap();
    let bare = |vault: &str| {
        let mut command = vow_testkit::host::vow();
        command.args(["drill", "--bare", "--json", "--vault", vault, "--identity"]).arg(&kit);
        shell::run(command.arg("--scratch").arg(&place))
    };
    let done = bare(&pin).expect(0);
    let runbook = done.summary()["runbook"].as_array().cloned().unwrap_or_default();
    assert_eq!(runbook.len(), 4, "{}", done.story());
    assert!(
        runbook
            .iter()
            .all(|step| step["exit"] == 0 && step["command"].as_str().unwrap().contains("https://"))
    );
    assert_eq!(
        (&proofs(&done)[0]["status"], &proofs(&done)[0]["snapshot"]),
        (&"proven".into(), &id.as_str().into())
    );
    // Somebody else who answers there is not believed.
    let other = format!("{}#{}", pin.split_once('#').unwrap().0, "ab".repeat(32));
    assert!(!bare(&other).text().contains("\"status\":\"ok\""));
    assert!(names(&place).is_empty(), "{:?}", names(&place));
}
