//! A group: several sources of one moment, in snapshots that the user's own programs make.

use super::{Stand, until};
use std::fs;
use vow_testkit::host::files_below;

/// Two folders that must agree, and a dump of the program that writes both.
fn shop() -> Stand {
    let stand = Stand::new();
    for name in ["left", "right"] {
        fs::create_dir_all(stand.at("volume").join(name)).unwrap();
        fs::write(stand.at("volume").join(name).join("value"), "old").unwrap();
    }
    let [left, right] = ["left", "right"].map(|name| stand.at("volume").join(name).display().to_string());
    let both = |value: &str| format!("echo {value} > {left}/value; echo {value} > {right}/value");
    let frozen = stand.at("frozen").display().to_string();
    let before = stand.hook("before", &format!("{}; touch {frozen}", both("held")));
    let after = stand.hook("after", &format!("rm -f {frozen}; {}", both("later")));
    let taken = stand.at("taken").display().to_string();
    fs::create_dir(&taken).unwrap();
    let log = stand.at("log").display().to_string();
    let take = stand.hook(
        "take",
        &format!(
            "echo take $VOW_VOLUME >> {log}; cp -a \"$VOW_VOLUME\" {taken}/$VOW_NAME; echo {taken}/$VOW_NAME"
        ),
    );
    let drop = stand.hook("drop", &format!("echo drop >> {log}; rm -rf \"$VOW_FOLDER\""));
    let dump = stand.hook(
        "dump",
        &format!(
            "test -e {frozen} && cat {left}/value {right}/value; test ! -e {} || {{ touch {}; sleep 600; }}",
            stand.at("wait").display(),
            stand.at("dumping").display()
        ),
    );
    let volume = stand.at("volume").display().to_string();
    stand.host.add_to_plan(&format!(
        "[[group]]\nname = \"shop\"\nsources = [\"left\", \"dump\", \"right\"]\nschedule = \"0 3 * * *\"\n\
         before = [\"{before}\"]\nafter = [\"{after}\"]\nsnapshot = \"command\"\nsnapshot_take = [\"{take}\"]\n\
         snapshot_drop = [\"{drop}\"]\nsnapshot_volumes = [\"{volume}\"]\n\
         [[source]]\nname = \"left\"\ntype = \"files\"\npaths = [\"{left}\"]\n\
         [[source]]\nname = \"right\"\ntype = \"files\"\npaths = [\"{right}\"]\n\
         [[source]]\nname = \"dump\"\ntype = \"command\"\ncommand = [\"{dump}\"]"
    ));
    stand
}

/// Without what programs that are no hooks have noted of themselves.
fn steps(stand: &Stand) -> Vec<String> {
    let log = stand.log();
    log.iter()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn what_is_of_one_group_is_of_one_moment() {
    let stand = shop();
    let _ = stand.host.run(["config", "check"]).expect(0);
    // One of them is asked for; all come, and nothing of what was written after the moment.
    let done = stand.host.run(["backup", "right", "--json"]).expect(0);
    let steps = steps(&stand);
    assert_eq!(steps, ["before", "take", "after", "drop"], "{}", done.story());
    for name in ["left", "right"] {
        let path = stand.at("volume").join(name).join("value");
        assert_eq!(fs::read_to_string(&path).unwrap(), "later\n");
        assert_eq!(stand.restored(name, &path), "held\n");
    }
    assert_eq!(stand.restored("dump", std::path::Path::new("/output")), "held\nheld\n");
    assert_eq!(fs::read_dir(stand.at("taken")).unwrap().count(), 0);
    let listed = stand.host.run(["snapshots", "--json"]).expect(0).summary();
    let groups: Vec<_> =
        listed["snapshots"].as_array().unwrap().iter().map(|one| one["group"].clone()).collect();
    assert!(groups.len() == 3 && groups.iter().all(|group| *group == groups[0]), "{groups:?}");
    assert_eq!(groups[0]["name"], "shop");
    let table = stand.host.run(["snapshots"]).expect(0).text();
    assert!(table.contains("group") && table.contains("shop "), "{table}");
    let shown = stand.host.run(["config", "show"]).expect(0).text();
    fs::write(stand.host.config(), &shown).unwrap();
    assert_eq!(stand.host.run(["config", "show"]).expect(0).text(), shown);
}

/// As it happens by itself: the agent has one job for the group, whose run is that of all its sources.
#[test]
fn the_agent_captures_a_group_at_one_moment_when_it_is_due() {
    let stand = shop();
    let agent = || stand.host.run(["agent", "--once"]).expect(0);
    let _ = agent();
    assert!(steps(&stand).is_empty(), "a new job waits for its first slot");
    // A slot that was missed is due at once.
    let memory = files_below(&stand.host.state().join("agent"));
    let memory = memory
        .into_iter()
        .find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("anchor_secs")));
    let memory = memory.expect("the agent remembers its jobs");
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&memory).unwrap()).unwrap();
    let jobs = kept["jobs"].as_object_mut().unwrap();
    let names: Vec<_> = jobs
        .keys()
        .filter(|name| ["left", "right", "dump"].iter().any(|part| name.contains(part)))
        .cloned()
        .collect();
    let [name] = &names[..] else { panic!("{names:?} are the jobs of one group") };
    let anchor = jobs[name]["anchor_secs"].as_i64().unwrap();
    jobs[name]["anchor_secs"] = (anchor - 25 * 3600).into();
    fs::write(&memory, kept.to_string()).unwrap();
    let done = agent();
    assert_eq!(steps(&stand), ["before", "take", "after", "drop"], "{}", done.story());
    for name in ["left", "right"] {
        let path = stand.at("volume").join(name).join("value");
        assert_eq!(stand.restored(name, &path), "held\n");
    }
    let listed = stand.host.run(["snapshots", "--json"]).expect(0).summary();
    let groups: Vec<_> =
        listed["snapshots"].as_array().unwrap().iter().map(|one| one["group"].clone()).collect();
    assert!(groups.len() == 3 && groups.iter().all(|group| *group == groups[0]), "{groups:?}");
    // It is dealt with.
    let _ = agent();
    assert!(steps(&stand).is_empty());
}

/// It stays on record, and is not made once more.
#[test]
fn a_snapshot_that_cannot_be_removed_is_told_and_the_next_run_goes_on() {
    let stand = shop();
    let drop = fs::read_to_string(stand.at("drop")).unwrap();
    stand.hook("drop", "exit 1");
    for _ in 0..2 {
        let done = stand.host.run(["backup", "left", "--json"]).expect_one_of(&[0, 3]);
        assert!(done.said().contains("cannot be removed"), "{}", done.story());
        assert_eq!(steps(&stand), ["before", "take", "after"], "{}", done.story());
    }
    fs::write(stand.at("drop"), drop).unwrap();
    let done = stand.host.run(["backup", "left", "--json"]).expect(0);
    assert_eq!(steps(&stand), ["drop", "drop", "before", "take", "after", "drop"], "{}", done.story());
    assert_eq!(fs::read_dir(stand.at("taken")).unwrap().count(), 0);
}

#[test]
fn whatever_fails_everything_is_closed() {
    let stand = shop();
    stand.hook("take", "echo no room >&2; exit 1");
    let failed = stand.host.run(["backup", "left", "--json"]).expect(1);
    assert!(failed.said().contains("no room"), "{}", failed.story());
    assert_eq!(steps(&stand), ["before", "after", "drop"]);
    stand.hook("take", "echo not/absolute");
    let failed = stand.host.run(["backup", "left", "--json"]).expect(1);
    assert!(failed.said().contains("not/absolute"), "{}", failed.story());
    assert_eq!(steps(&stand), ["before", "after", "drop"]);
}

#[test]
fn what_a_killed_run_has_left_is_closed_by_the_next() {
    let stand = shop();
    fs::write(stand.at("wait"), "").unwrap();
    let running = stand.host.start(["backup", "left"]);
    // It stands still, the snapshot is there, and the dump waits.
    until("the dump runs", || stand.at("dumping").exists());
    let _ = running.kill();
    assert!(stand.at("frozen").exists());
    stand.log();
    fs::remove_file(stand.at("wait")).unwrap();
    let next = stand.host.run(["backup", "files", "--json"]).expect(0);
    assert_eq!(steps(&stand), ["after", "drop"], "{}", next.story());
    assert!(!stand.at("frozen").exists(), "{}", next.story());
    let left: Vec<_> = fs::read_dir(stand.at("taken")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}\n{}", next.story());
    let _ = stand.host.run(["backup", "left", "--json"]).expect(0);
}
