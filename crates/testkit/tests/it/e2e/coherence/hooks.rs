//! Hooks: what they are told, and that the one after always runs.

use super::{Stand, until};
use vow_testkit::host::ids;

#[test]
fn hooks_run_around_a_source_and_are_told_how_it_went() {
    let stand = Stand::new();
    let (before, after) = (stand.hook("before", "echo quiet now"), stand.hook("after", ""));
    stand.keys(&format!(
        "before = [\"{before}\", \"an argument; $HOME\"]\nafter = [[\"{after}\"], [\"{after}\"]]"
    ));
    let _ = stand.host.run(["backup", "--dry-run"]).expect(0);
    assert!(stand.log().is_empty(), "a dry run holds nobody up");
    let done = stand.host.run(["backup", "--json"]).expect(0);
    let id = ids(&done).remove(0);
    let after_line = format!("after files ok {id}");
    assert_eq!(stand.log(), ["before files - -", &after_line, &after_line]);
    let hooks = done.summary()["snapshots"][0]["hooks"].to_string();
    assert!(hooks.contains("an argument; $HOME") && hooks.contains("quiet now"), "{hooks}");
    let shown = stand.host.run(["config", "show"]).expect(0).text();
    std::fs::write(stand.host.config(), &shown).unwrap();
    assert_eq!(stand.host.run(["config", "show"]).expect(0).text(), shown);
    let _ = stand.host.run(["config", "check"]).expect(0);
}

#[test]
fn a_hook_before_it_that_fails_ends_it_and_the_ones_after_run_all_the_same() {
    let stand = Stand::new();
    let (before, after) = (stand.hook("before", "echo cannot freeze; exit 7"), stand.hook("after", ""));
    stand.keys(&format!("before = [\"{before}\"]\nafter = [\"{after}\"]"));
    let failed = stand.host.run(["backup", "--json"]).expect(1);
    assert!(
        failed.said().contains("cannot freeze") && failed.said().contains("exit status: 7"),
        "{}",
        failed.story()
    );
    assert!(ids(&failed).is_empty());
    assert_eq!(stand.log(), ["before files - -", "after files failed -"]);
    stand.keys("before_may_fail = true");
    let done = stand.host.run(["backup", "--json"]).expect(0);
    assert!(
        done.summary()["snapshots"][0]["hooks"].to_string().contains("exit status: 7"),
        "{}",
        done.story()
    );
    stand.log();
    // One after it that fails leaves a whole snapshot, and somebody must look.
    stand.hook("after", "exit 5");
    let partial = stand.host.run(["backup", "--json"]).expect(3);
    assert!(
        partial.summary()["snapshots"][0]["troubles"].to_string().contains("exit status: 5"),
        "{}",
        partial.story()
    );
    assert_eq!(ids(&partial).len(), 1);
    assert_eq!(stand.log().len(), 2);
    let _ = stand.host.run(["backup", "--json"]).expect(3);
}

#[test]
fn a_hook_has_its_time() {
    let stand = Stand::new();
    let (before, after) = (stand.hook("before", "sleep 600"), stand.hook("after", ""));
    stand.keys(&format!("before = [\"{before}\"]\nafter = [\"{after}\"]\nhook_secs = 1"));
    let failed = stand.host.run(["backup", "--json"]).expect(1);
    assert!(failed.said().contains("longer than 1 s"), "{}", failed.story());
    assert_eq!(stand.log(), ["before files - -", "after files failed -"]);
}

/// A source whose program waits until it is ended, with hooks around it.
fn waiting() -> Stand {
    let stand = Stand::new();
    let (before, after) = (stand.hook("before", ""), stand.hook("after", ""));
    let program = stand.hook("program", "sleep 600");
    stand.host.add_to_plan(&format!(
        "[[source]]\nname = \"slow\"\ntype = \"command\"\ncommand = [\"{program}\"]\nbefore = [\"{before}\"]\nafter = [\"{after}\"]"
    ));
    stand
}

#[test]
fn a_signal_ends_the_run_and_the_hook_after_it_runs() {
    for signal in ["INT", "TERM"] {
        let stand = waiting();
        let running = stand.host.start(["backup", "slow"]);
        until("the program runs", || {
            std::fs::read_to_string(stand.at("log")).is_ok_and(|log| log.lines().count() == 2)
        });
        running.signal(signal);
        let ended = running.wait();
        assert!(ended.code.is_some_and(|code| code > 128), "{}", ended.story());
        assert_eq!(stand.log()[2..], ["after slow interrupted -"], "{signal}");
    }
    // While the hook before it runs, and told so twice.
    let stand = waiting();
    stand.hook("before", "sleep 600");
    let running = stand.host.start(["backup", "slow"]);
    until("the hook runs", || stand.at("log").exists());
    running.signal("TERM");
    running.signal("TERM");
    let ended = running.wait();
    assert!(ended.code.is_some_and(|code| code > 128), "{}", ended.story());
    assert_eq!(stand.log(), ["before slow - -", "after slow interrupted -"]);
}

#[test]
fn after_a_run_that_was_killed_the_next_one_runs_the_hook_first() {
    let stand = waiting();
    let running = stand.host.start(["backup", "slow"]);
    until("the program runs", || {
        std::fs::read_to_string(stand.at("log")).is_ok_and(|log| log.lines().count() == 2)
    });
    // Another run meanwhile does not take it for left behind.
    let _ = stand.host.run(["backup", "files"]);
    let _ = running.kill();
    assert_eq!(stand.log().len(), 2, "nothing could run after it");
    let next = stand.host.run(["backup", "files", "--json"]).expect(0);
    assert_eq!(stand.log(), ["after slow left-open -"], "{}", next.story());
    assert!(next.said().contains("slow: a run that was killed"), "{}", next.story());
    let _ = stand.host.run(["backup", "files"]).expect(0);
    assert!(stand.log().is_empty(), "once is enough");
}
