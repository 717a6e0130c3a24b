//! Any program's output: what makes it whole, and what is done with it.

use super::sources::{back_up, change, document, fails, host_of, open, prove, script};
use std::fs;
use vow_testkit::host;

/// Writes 1000 lines and an end marker.
const GOOD: &str = "seq 1000; echo '-- end of the dump'";
const LINES: &str =
    "extension = \"sql\"\nends_with = \"-- end of the dump\"\nmin_size = \"1 KiB\"\nmax_secs = 300";

/// A source whose program is this script.
fn of(text: &str, lines: &str) -> (vow_testkit::Host, tempfile::TempDir) {
    let (host, folder) = host_of("command", "");
    let program = script(folder.path(), "dump", "", text).display().to_string();
    change(
        &host,
        "type = \"command\"",
        &format!("type = \"command\"\ncommand = [\"{program}\", \"two words; $HOME\"]\n{lines}"),
    );
    (host, folder)
}

#[test]
fn an_output_comes_back_and_is_proven_by_the_plans_own_program() {
    let place = host::scratch();
    let restored = place.path().join("restored").display().to_string();
    let lines = format!(
        "{LINES}\nprove_command = [\"/bin/sh\", \"-c\", \"pwd >&2; tail -1 | grep -q end\"]\n\
         restore_command = [\"/usr/bin/tee\", \"{restored}\"]"
    );
    let (host, _folder) = of(&format!("{GOOD}; echo \"$1\" > {}/seen", place.path().display()), &lines);
    let dry = host.run(["backup", "db", "--dry-run"]).expect(0);
    assert!(dry.said().contains("would run") && !place.path().join("seen").exists(), "{}", dry.story());
    let _ = back_up(&host).expect(0);
    // No shell has touched the arguments.
    assert_eq!(fs::read_to_string(place.path().join("seen")).unwrap(), "two words; $HOME\n");
    let expected = (1..=1000).map(|n| format!("{n}\n")).collect::<String>() + "-- end of the dump\n";
    assert_eq!(open(&host, &["cat", "db@latest:/output.sql"]).expect(0).text(), expected);
    assert_eq!(document(&host, "truth.json")["bytes"], expected.len());
    let done = open(&host, &["restore", "db@latest", "--into", "command:", "--json"]).expect(0);
    assert_eq!(fs::read_to_string(&restored).unwrap(), expected, "{}", done.story());
    // A drill beside the plan runs the plan's own program; one that refuses fails the drill.
    let drilled = open(&host, &["drill", "db", "--json"]).expect(0);
    assert_eq!(drilled.summary()["proofs"][0]["status"], "proven", "{}", drilled.story());
    change(&host, "grep -q end", "grep -q 'another end'");
    let refused = open(&host, &["drill", "db", "--json"]).expect(4);
    assert_eq!(refused.summary()["proofs"][0]["status"], "failed", "{}", refused.story());
    assert!(
        refused.summary()["proofs"][0]["problems"].to_string().contains("prove_command"),
        "{}",
        refused.story()
    );
    // Without the plan nothing of the snapshot is ever run.
    let proof = prove(&host, "command");
    assert!(!proof.holds() && proof.problems.is_empty() && proof.compared == 1, "{proof:?}");
    assert!(proof.blocked[0].contains("prove_command"), "{proof:?}");
    let bare = host::scratch();
    let mut command = host::vow();
    command.args(["restore", "db@latest", "--into", "command:", "--identity"]).arg(host.identity());
    command.arg("--vault").arg(host.vault()).current_dir(bare.path()).env("HOME", bare.path());
    let refused = vow_testkit::shell::run(&mut command).expect(1);
    assert!(refused.said().contains("never in a snapshot"), "{}", refused.story());
}

#[test]
fn an_output_that_is_not_whole_makes_no_snapshot() {
    let cases = [
        ("exit 0", "0 bytes"),
        ("seq 1000", "does not end with"),
        ("seq 3; echo '-- end of the dump'", "min_size"),
        ("seq 1000; echo '-- end of the dump'; exit 3", "exit status: 3"),
        ("seq 1000; echo '-- end of the dump'; kill -9 $$", "signal: 9"),
        ("seq 1000; echo '-- end of the dump'; echo and more", "does not end with"),
    ];
    for (text, says) in cases {
        let (host, _folder) = of(text, LINES);
        fails(&host, &[says]);
    }
    let (host, _folder) = of("seq 1000; sleep 600", &LINES.replace("300", "1"));
    fails(&host, &["longer than 1 s"]);
    let (host, _folder) = of(GOOD, &LINES.replace("min_size", "run_as = \"nobody-of-that-name\"\nmin_size"));
    fails(&host, &["no account"]);
    let (host, _folder) = of(GOOD, "");
    change(&host, "/dump\"", "/missing\"");
    fails(&host, &["cannot be started"]);
}

#[test]
fn error_output_means_what_the_plan_says() {
    let text = "echo 'table x was skipped' >&2; seq 1000";
    for (lines, code) in
        [("", 3), ("stderr = \"warn\"", 3), ("stderr = \"ignore\"", 0), ("stderr = \"fail\"", 1)]
    {
        let (host, _folder) = of(text, lines);
        let done = back_up(&host).expect(code);
        assert_eq!(done.said().contains("table x was skipped"), code != 0, "{}", done.story());
    }
}

#[test]
fn an_output_much_shorter_than_the_last_one_is_said() {
    let (host, folder) = of(GOOD, "");
    let _ = back_up(&host).expect(0);
    script(folder.path(), "dump", "", "seq 10");
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("less than half"), "{}", done.story());
    let _ = back_up(&host).expect(0);
}
