//! Whom snapshots are sealed to changes: the next one opens for the new recipients, all of it, also what did not change.

use std::fs;
use std::path::Path;
use vow_testkit::host::{scratch, vow};
use vow_testkit::shell::run;
use vow_testkit::{Dice, Host, Tree};

fn new_identity(file: &Path) -> String {
    run(vow().args(["--quiet", "key", "new", "--output"]).arg(file)).expect(0).text().trim().to_owned()
}

fn recipients(host: &Host, list: &[&str]) {
    let plan = fs::read_to_string(host.config()).unwrap();
    let list = list.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ");
    let set = |line: &str| match line.trim_start().starts_with("recipients") {
        true => format!("recipients = [{list}]"),
        false => line.to_owned(),
    };
    fs::write(host.config(), plan.lines().map(set).collect::<Vec<_>>().join("\n")).unwrap();
}

fn added(host: &Host) -> u64 {
    let done = host.run(["backup", "--json"]).expect(0);
    done.summary()["snapshots"][0]["added_bytes"].as_u64().unwrap()
}

#[test]
fn a_new_recipient_opens_all_of_the_next_snapshot() {
    let folder = scratch();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("large"), Dice::new(3).bytes(900_000)).unwrap();
    (0..20).for_each(|n| fs::write(source.join(format!("f{n}")), Dice::new(n).bytes(3000)).unwrap());
    let host = Host::at(&folder.path().join("host"), &[&source]);
    let first = added(&host);
    assert!(added(&host) < first / 4, "what did not change was sent again");
    let (second, third) = (folder.path().join("second"), folder.path().join("third"));
    let (two, three) = (new_identity(&second), new_identity(&third));
    let old = fs::read_to_string(host.config()).unwrap();
    let old = old.lines().find(|line| line.trim_start().starts_with("recipients")).unwrap().to_owned();
    let old = old.split('"').nth(1).unwrap();
    let restores = |identity: &Path| {
        let target = scratch();
        let mut command = host.command(["restore", "files@latest", "--target"]);
        let _ = run(command.arg(target.path()).arg("--identity").arg(identity)).expect(0);
        let found = target.path().join(source.strip_prefix("/").unwrap());
        Tree::read(&source).assert_equals(&Tree::read(&found), "the newest snapshot");
    };
    // One is added: it must open what did not change, too.
    recipients(&host, &[old, &two]);
    assert!(added(&host) > first / 2);
    restores(&second);
    restores(&host.identity());
    assert!(added(&host) < first / 4, "everything was sent again without a reason");
    // The order says nothing.
    recipients(&host, &[&two, old]);
    assert!(added(&host) < first / 4, "everything was sent again for another order");
    // One is replaced, and the host lost its caches: what the vaults give back of the index was written for others.
    recipients(&host, &[&three]);
    fs::remove_dir_all(host.state()).unwrap();
    assert!(added(&host) > first / 2);
    restores(&third);
    let target = scratch();
    let mut command = host.command(["restore", "files@latest", "--target"]);
    let _ = run(command.arg(target.path()).arg("--identity").arg(&second)).expect(12);
    let _ = host.run(["check", "--read-data", "--identity", &third.display().to_string()]);
}
